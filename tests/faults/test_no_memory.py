"""Faults 34 and 35: memory that runs out, and sampling without any."""

import socket

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from tests.faults.programs import Programs

STATES = ["warm", "lost", "first", "grown"]


@pytest.fixture
def compiled(runtime, mpy_path, vendor):
    return Programs(runtime, mpy_path, vendor)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory):
    """The library without any native code."""
    folder = tmp_path_factory.mktemp("bytecode")
    mpy.compile_tree(paths.LIB, folder)
    return folder


@pytest.fixture(params=["native", "bytecode", "sources"])
def device(request, runtime, mpy_path, vendor, bytecode):
    return Programs(runtime, {"native": mpy_path, "bytecode": bytecode, "sources": paths.LIB}[request.param], vendor)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("format, tags", [("cbor", "short"), ("json", "long")])
def test_fault_34_memory_runs_out_at_every_block(compiled, tmp_path, format, tags, state, record_property):
    found = compiled.run("memory", "starved", tmp_path / "proc", state, format, tags, heap="384K")
    record_property("blocks", found["blocks"])
    assert found["blocks"] > 100


@pytest.mark.parametrize("connections", [0, 50, 1000])
@pytest.mark.parametrize("tags", ["short", "long"])
@pytest.mark.parametrize("format", ["cbor", "json"])
def test_fault_35_a_report_without_heap(device, tmp_path, format, tags, connections):
    total, listed, size, room = device.run(
        "memory", "locked", tmp_path / "proc", connections, format, tags, 0, heap="4M"
    )
    assert (total, listed) == (connections + 1, min(connections + 1, 50)) and size <= room


@pytest.mark.parametrize("format", ["cbor", "json"])
def test_fault_35_a_report_that_is_cut_to_its_buffer_without_heap(device, tmp_path, format):
    total, listed, size, room = device.run("memory", "locked", tmp_path / "proc", 1000, format, "long", 900, heap="4M")
    assert total == 1001 and 0 < listed < 50 and size <= room == 900


@pytest.mark.parametrize("format", ["cbor", "json"])
def test_fault_35_this_machines_own_sockets_without_heap(device, format):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        sockets, tcp, udp, diag = device.run("memory", "own_kernel", format, heap="4M")
    assert sockets >= 3 and tcp and udp and diag
