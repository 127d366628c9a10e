"""Agent.once(), and an agent with hardware: what it beats, and a network that is down."""

from contextlib import ExitStack

import pytest

from tests.doubles.packets import CONNECT, DISCONNECT, PUBLISH
from tests.faults.test_unreachable_broker import closed_port, names, silent_port


def begun(world):
    """(the broker's end, the report) of an agent.once() whose report was acknowledged."""
    world.timeout(5)
    world.start("agent.once()")
    peer = world.broker.accept()
    peer.welcome()
    report = peer.expect(PUBLISH)
    peer.puback(report)
    return peer, report


def test_once(world):
    peer, report = begun(world)
    peer.accepted(report)
    assert world.answer() == "accepted"
    world.ledger.accepted(report)
    assert peer.closed() == bytes((DISCONNECT, 0))
    assert world.device.descriptors() == world.descriptors
    # And once more, in what the broker has kept: the second report has what came since the first.
    world.root.traffic(70, 5)
    world.do("advance(300000)")
    world.start("agent.once()")
    world.broker.accept().good(present=1, subscribes=False)
    assert world.answer() == "accepted"


def test_once_and_the_report_is_rejected(world):
    peer, report = begun(world)
    peer.rejected(report, "Throttled")
    assert world.answer() == "rejected"
    assert peer.closed() == bytes((DISCONNECT, 0))


@pytest.mark.parametrize("dead", [closed_port, silent_port])
def test_once_and_nobody_there(world, dead):
    with ExitStack() as stack:
        names(world, f"[{dead(stack)}]")
        assert world.do("agent.once()") == "error"
    assert world.do("agent.status()['error']") == "NetworkError"
    assert world.device.descriptors() == world.descriptors


def test_once_and_the_connection_is_lost_before_the_answer(world):
    begun(world)[0].cut()
    assert world.answer() == "error"
    values = world.do("agent.status()")
    assert (values["unknown"], values["errors"], values["error"]) == (1, 1, "NetworkError")


def test_once_after_a_run_that_was_cancelled(world):
    """It sends a report of its own, and returns that one's outcome."""
    world.start("cancelled(False)")
    peer = world.broker.accept()
    peer.welcome()
    old = peer.expect(PUBLISH)
    peer.puback(old)
    world.answer()
    world.start("agent.once()")
    peer = world.broker.accept()
    peer.welcome(present=1, subscribes=False)
    peer.accepted(old)  # this is not its outcome
    world.ledger.accepted(old)
    report = peer.expect(PUBLISH)
    assert report.report_id > old.report_id
    peer.puback(report)
    peer.rejected(report, "Throttled")
    assert world.answer() == "rejected"


def test_waiting_for_an_address_beats(world):
    with ExitStack() as stack:
        names(world, f"[{silent_port(stack)}]")
        world.do("hardware()")
        world.check(world.do("cycle()"), "NetworkError", "does not answer")
    assert world.do("board.beats") >= 2


def test_waiting_for_the_broker_beats(world):
    world.do("hardware()")
    world.start("cycle()")
    peer = world.broker.accept()
    peer.expect(CONNECT)
    world.failed("TimedOut", "in time")
    assert world.do("board.beats") >= 3
    assert peer.closed() == b""


def test_a_flood_of_messages_beats(world):
    """Where the next message is always there already, nothing is waited for."""
    world.timeout(5)
    world.do("hardware()")
    world.start("cycle()")
    peer = world.broker.accept()
    peer.welcome()
    report = peer.expect(PUBLISH)
    for _ in range(300):
        peer.message("another", b"")
    peer.puback(report)
    peer.accepted(report)
    assert world.answer()["outcome"] == "accepted"
    assert world.do("board.beats") >= 300


def test_a_network_that_is_down_is_brought_up_before_each_connection(world):
    world.do("hardware()")
    world.do("setattr(board, 'down', 'the WiFi network net is not up')")
    for _ in range(2):
        world.check(world.do("cycle()"), "NetworkError", "the WiFi network net is not up")
    world.do("setattr(board, 'down', None)")
    world.drop(world.good())
    assert world.do("board.connects") == 3
    world.good(present=1, subscribes=False)
    assert world.do("board.connects") == 4
