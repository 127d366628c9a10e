"""Fault 38: a collector or a callback that raises anything."""

import pytest

from tests.faults.programs import Programs

ALL = ["listening_tcp_ports", "listening_udp_ports", "network_stats", "tcp_connections"]


@pytest.fixture
def device(runtime, mpy_path, vendor):
    return Programs(runtime, mpy_path, vendor)


def test_fault_38_a_collector_raises(device, tmp_path):
    found = device.run("callbacks", "collectors", tmp_path / "proc")
    assert len(found) == 6 * 16
    for where, kind, blocks, problem, outcome, last_error, difference in found:
        name = (where, kind)
        if kind == "MemoryError":
            assert blocks is None and outcome == "error" and "out of memory" in last_error, name
        else:
            left = ["network_stats"] if where.endswith("sockets") else [b for b in ALL if b != "network_stats"]
            assert blocks == left and outcome == "accepted", name
            assert problem.startswith(f"the collector failed: {kind}"), (name, problem)
        # Where the counters were in no accepted report, their baseline is kept: nothing is lost, nothing doubled.
        reported = where.endswith("sockets") and kind != "MemoryError"
        assert difference == (1 if reported else 11), (name, difference)


def test_fault_38_a_callback_raises(device, tmp_path):
    found, errors = device.run("callbacks", "callbacks", tmp_path / "proc")
    assert len(found) == 2 * 16
    for which, kind, accepted, calls, last_error in found:
        assert accepted >= 2 and calls >= 2, kind
        assert last_error.startswith(f"{('log', 'on_outcome')[which]}() raised {kind}"), last_error
    assert errors > 5


def test_fault_38_what_ends_the_program_ends_the_agent(device, tmp_path):
    found = device.run("callbacks", "stopped", tmp_path / "proc")
    assert found == [*[["KeyboardInterrupt", False]] * 2, True, *[["SystemExit", False]] * 2, True]


def test_fault_38_a_handler_raises(device, tmp_path):
    found = device.run("callbacks", "handlers", tmp_path / "proc")
    assert len(found) == 15
    for kind, (accepted, errors, received), last_error in found:
        assert accepted >= 2 and not errors and received >= 6, kind
        assert last_error.startswith(f"receive() raised {kind}"), last_error


def test_a_handler_has_its_turn_beside_reports_that_cannot_be_made(device, tmp_path):
    sent, received, errors, connections = device.run("callbacks", "beside", tmp_path / "proc")
    assert sent == received == 36 and errors == 12 and connections == 1


def test_a_handler_has_its_turn_after_one_whose_messages_cut_the_connection(device, tmp_path):
    sent, accepted = device.run("callbacks", "after_forbidden", tmp_path / "proc")
    assert sent > 2 and accepted > 2
