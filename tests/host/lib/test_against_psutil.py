"""The device's reports against psutil, of the same sockets at the same moment."""

import os
import socket

import psutil
import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from linkpulse_tools.defender.schema import validate
from tests.host.lib import live

PORTS = 128  # a report lists no more


@pytest.fixture(scope="module")
def seen(micropython, mpy_path, vendor, tmp_path_factory):
    path = mpy.search_path(mpy_path, vendor)
    found = live.observe(micropython, path, str(paths.FIRMWARE), str(tmp_path_factory.mktemp("live")))
    if found is None:
        pytest.skip("no network namespace can be made here")
    return found


def told(run):
    """The report as a view; it must be valid by the strict schema, in the tags that were asked for."""
    verdict = validate(bytes.fromhex(run["report"]), run["format"])
    assert verdict.problems == [] and verdict.tags == run["tags"] and run["errors"] == ""
    metrics = verdict.report["metrics"]
    assert set(metrics) == {"listening_tcp_ports", "listening_udp_ports", "tcp_connections"}
    established = metrics["tcp_connections"]["established_connections"]
    listed = {
        "tcp": [(p["port"], p.get("interface", "")) for p in metrics["listening_tcp_ports"]["ports"]],
        "udp": [(p["port"], p.get("interface", "")) for p in metrics["listening_udp_ports"]["ports"]],
        "connections": [
            (c["remote_addr"], c["local_port"], c.get("local_interface", "")) for c in established["connections"]
        ],
    }
    totals = {
        "tcp": metrics["listening_tcp_ports"]["total"],
        "udp": metrics["listening_udp_ports"]["total"],
        "connections": established["total"],
    }
    return listed, totals


def compare(run, theirs):
    """What is listed is all there is, or the part of it that a report may choose; totals are true."""
    listed, totals = told(run)
    expected = {kind: [tuple(row) for row in theirs[kind]] for kind in theirs}
    assert totals == {kind: len(rows) for kind, rows in expected.items()}
    for kind in ("tcp", "udp"):
        # Within a port the order is the device's own.
        assert [port for port, _ in listed[kind]] == sorted(port for port, _ in expected[kind])[:PORTS]
        assert len(set(listed[kind])) == len(listed[kind]) and set(listed[kind]) <= set(expected[kind])
    if len(expected["connections"]) <= 500:
        assert sorted(listed["connections"]) == expected["connections"]
    else:
        assert len(listed["connections"]) == len(set(listed["connections"])) == 500
        assert set(listed["connections"]) <= set(expected["connections"])


@pytest.mark.parametrize("number", range(len(live.RUNS)), ids=["-".join(map(str, run)) for run in live.RUNS])
def test_sockets(seen, number):
    compare(seen["runs"][number], seen["runs"][number]["psutil"])


def test_the_scenarios_are_what_they_should_be(seen):
    runs = {(run["scenario"], run["loopback"]): run["psutil"] for run in seen["runs"]}
    assert runs["nothing", False] == {"tcp": [], "udp": [], "connections": []}
    for loopback in (False, True):
        interfaces = {interface for _, interface in runs["mixed", loopback]["tcp"]}
        assert interfaces == {"", live.LAN, live.VLAN} | ({"lo"} if loopback else set())
        assert {interface for _, _, interface in runs["mixed", loopback]["connections"]} == interfaces - {""}
    assert any(remote.startswith("[fd00:9::1]") for remote, _, _ in runs["mixed", False]["connections"])
    assert (1090, live.LAN) in map(tuple, runs["mixed", False]["tcp"])
    assert len(runs["ports", False]["tcp"]) > 200 and len(runs["ports", False]["udp"]) == 150
    assert len(runs["many", False]["connections"]) == 2 * live.CONNECTIONS


def test_another_namespace_through_its_proc_root(seen):
    # No netlink there: IPv4 addresses find their interface through the route table.
    compare(seen["outside"], seen["outside"]["psutil"])


@pytest.mark.parametrize("which", ["all", live.LAN])
def test_network_counters(seen, which):
    steps = seen["traffic"][which]
    assert steps[0]["device"] is None  # the first report has none
    for step in steps[1:]:
        assert step["device"] == step["psutil"]
        assert step["device"]["bytes_out"] >= 142 and step["device"]["packets_out"] >= 1
    # The second report was lost: the third has what was in it, too.
    assert steps[2]["device"]["bytes_out"] > steps[1]["device"]["bytes_out"]


def test_this_machine_with_loopback(micropython, mpy_path, vendor, tmp_path):
    """Loopback sockets beside whatever else lives here, until both views are of one moment."""
    given = {
        "micropython": micropython,
        "path": mpy.search_path(mpy_path, vendor),
        "firmware": str(paths.FIRMWARE),
        "folder": str(tmp_path),
    }
    sockets = live.Sockets()
    try:
        every = sockets.listen("127.0.0.1")
        six = sockets.listen("::1") if os.path.exists("/proc/net/if_inet6") and socket.has_ipv6 else None
        for _ in range(20):
            sockets.connect(every, "127.0.0.1", "127.0.0.1")
            if six:
                sockets.connect(six, "::1", "::1")
        sockets.udp("127.0.0.1")
        for _ in range(live.TRIES):
            before = live.view(live.psutil_rows(), live.psutil_interfaces(), True)
            run = {"format": "json", "tags": "long"}
            run.update(live.device(given, {"loopback": True, "format": "json", "tags": "long"}))
            if live.view(live.psutil_rows(), live.psutil_interfaces(), True) == before:
                break
        else:
            pytest.fail("the sockets of this machine never kept still")
    finally:
        sockets.close()
    assert len(before["connections"]) >= 40
    compare(run, before)


def test_names_of_interfaces(micropython, mpy_path, tmp_path):
    """Every name that psutil knows is one the device counts, and the other way round."""
    script = tmp_path / "names.py"
    script.write_text(
        "from linkpulse.collect.linux import Collector\nfrom linkpulse.sample.counters import Counters\n"
        "c = Counters()\nCollector(loopback=True).counters(c)\n"
        "i = 0\nwhile True:\n    try:\n        print(c.names.name(i).decode())\n    except IndexError:\n        break\n"
        "    i += 1\n"
    )
    env = {**os.environ, "MICROPYPATH": f"{mpy_path}:.frozen"}
    said = live.subprocess.run([micropython, str(script)], env=env, capture_output=True, text=True, check=True).stdout
    assert sorted(said.split()) == sorted(psutil.net_io_counters(pernic=True))
