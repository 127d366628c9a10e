"""45 bridges with 180 addresses and more: every listener has its interface, and the owner's choice holds."""

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from tests.host.lib import bridged


@pytest.fixture(scope="module")
def seen(micropython, mpy_path, vendor, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("bridged"))
    path = mpy.search_path(mpy_path, vendor)
    found = bridged.observe(
        {"micropython": micropython, "path": path, "firmware": str(paths.FIRMWARE), "folder": folder}
    )
    if found is None:
        pytest.skip("no network namespace can be made here")
    return found


def chosen(where, choice):
    if choice == "included":
        return {port: name for port, name in where.items() if name == "br-1" or name.startswith("br-3")}
    if choice == "excluded":
        return {port: name for port, name in where.items() if name != "br-1"}
    return where


@pytest.mark.parametrize("choice", bridged.CHOICES)
def test_in_its_own_namespace(seen, choice):
    assert seen["own"][choice] == chosen(seen["where"], choice)


@pytest.mark.parametrize("choice", bridged.CHOICES)
def test_from_another_namespace(seen, choice):
    """No interface is wrong, and what may be on one not wanted is left out, but for listeners on any address."""
    where, told = seen["where"], seen["outside"][choice]
    open_ports = {port for port in where if int(port) >= bridged.SHARED_PORT}
    assert all(interface in ("", where[port]) for port, interface in told.items())
    expected = {port: name for port, name in chosen(where, choice).items() if port not in open_ports}
    assert {port: name for port, name in told.items() if int(port) >= 2000 and name} == {
        port: name for port, name in expected.items() if int(port) >= 2000
    }
    assert {port for port in told if port not in open_ports} == set(expected)
    on_any = {port for port in where if int(port) >= bridged.ANY_PORT}
    assert {port for port in told if port in open_ports} == (open_ports if choice == "all" else on_any)
