"""Faults 16, 17, 18 and 23: when the device comes back, and what it comes back to."""

import json
import random
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from tests.doubles.packets import CONNECT, PUBLISH
from tests.faults.harness import FLOOR, SCRIPTS, TIMEOUT

HINT = "does another client use the client id thing-1?"


@contextmanager
def fleet():
    """The module fleet, with the device's own back-off, on CPython."""
    folders = [str(paths.LIB), str(SCRIPTS)]
    sys.path[:0] = folders
    try:
        import fleet as found

        yield found
    finally:
        for folder in folders:
            sys.path.remove(folder)


@pytest.mark.parametrize("accepted", [False, True])
def test_fault_16_kicked_ten_times_by_a_duplicate_client_id(world, accepted):
    times = []
    for kick in range(1, 11):
        peer = world.begin()
        if accepted:  # as between two devices that both report
            report = peer.good(present=kick > 1, subscribes=kick == 1)
            result = world.answer()
            world.ledger.accepted(report)
            times.append(result["now"])
            world.do("advance(150000)")
            peer.close()
            result = world.do("wait()")
        else:
            peer.expect(CONNECT)
            peer.connack()
            peer.close()
            result = world.answer()
            times.append(result["now"])
        world.check(result, "NetworkError", "the broker closed the connection")
        assert (HINT in result["last_error"]) == (kick >= 3), (kick, result)
    apart = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert min(apart) >= FLOOR, apart


def test_fault_16_a_connection_that_lasts_is_no_kick(world):
    for present in range(4):
        peer = world.good(present=bool(present), subscribes=not present)
        world.root.traffic(1, 1)
        world.start("cycle()")
        report = peer.expect(PUBLISH)
        peer.puback(report)
        peer.accepted(report)
        assert world.answer()["outcome"] == "accepted"
        world.ledger.accepted(report)
        world.do("advance(1000)")
        peer.close()
        world.check(world.do("wait()"), "NetworkError")
        assert HINT not in world.do("agent.status()")["last_error"]


def test_fault_17_ten_reconnects(world):
    world.drop(world.good())
    for n in range(10):
        world.root.traffic(1, 1)
        world.start("cycle()")
        world.broker.accept(tls=False).reset()
        world.failed("NetworkError", longest=FLOOR + min(600000, 2000 << n))
    assert len(set(world.waits)) == 10, "no jitter"
    assert world.do("agent._retry._backoff._bound") == 600000
    world.good()
    assert world.do("agent._retry._backoff._bound") == 2000


@pytest.mark.parametrize("seed", range(5))
def test_fault_17_a_thousand_devices_after_an_outage(seed):
    random.seed(seed)
    with fleet() as f:
        assert f.worst(f.outage(1000, 300), 60, 300) <= 3


def test_fault_17_a_thousand_devices_under_micropython(runtime, vendor):
    compiled = mpy.for_interpreter(paths.LIB, paths.MPY, runtime.arch)
    command = runtime.command(SCRIPTS / "fleet.py", "1000", "300")
    env = {"MICROPYPATH": mpy.search_path(compiled, vendor)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    counts = json.loads(done.stdout)
    with fleet() as f:
        assert sum(counts) > 8000
        assert f.worst(counts, 60, 300) <= 3


def test_fault_17_a_hundred_thousand_devices():
    random.seed(1)
    with fleet() as f:
        counts = f.outage(100_000, 1800)
        assert f.worst(counts, 60, 2400) <= 3
        assert f.worst(counts, 120, 1800) <= 1.7  # while none comes through: little more than a minute's own slope
        # Those that get power at once report evenly over the interval.
        assert f.worst(f.power(100_000, 300), 0, 300) <= 1.3


def test_fault_18_dropped_right_after_connack_again_and_again(world):
    world.drop(world.good())
    for n in range(12):
        peer = world.begin()
        peer.expect(CONNECT)
        peer.connack(present=1)
        peer.cut()
        world.failed("NetworkError", longest=FLOOR + min(600000, 2000 << n))
        assert world.do("agent._retry._backoff._bound") == min(600000, 4000 << n)


def test_fault_18_back_off_is_reset_by_a_stable_link_only(world):
    def lost(lived):
        peer = world.begin()
        peer.welcome()
        peer.puback(peer.expect(PUBLISH))  # and no answer: that would tell that all is well
        result = world.answer()
        assert result["connected"] and result["waiting"]
        world.do(f"advance({lived})")
        world.do("step()")
        peer.cut()
        world.check(world.do("wait()"), "NetworkError")
        world.do("agent._subscribed = False")
        return world.do("agent._retry._backoff._bound")

    assert [lost(lived) for lived in (0, 20000, 59000, 31000)] == [4000, 8000, 16000, 32000]
    assert lost(61000) == 4000  # the failure after a stable link is a first one
    world.good()


def names(world, *answers, delay=0):
    """The device's getaddrinfo gives these, one after another."""
    world.do("import sockets")
    world.do(f"linkpulse.session.tls_stream.socket = sockets.Names({', '.join(answers)}, delay={delay})")


def test_fault_23_names_fail_are_empty_and_come_back(world):
    names(world, "OSError(-2)", "OSError(-3)", "[]", f"[{world.broker.port}]")
    for reason in ("is not resolved (error -2)", "is not resolved (error -3)", "has no address"):
        world.root.traffic(7, 7)
        world.check(world.do("cycle()"), "NetworkError", f"the name 127.0.0.1 {reason}")
    world.good()
    assert world.do("linkpulse.session.tls_stream.socket.asked") == 4


def closed_port(stack):
    """A port where nobody listens: it stays ours, so that nobody begins to."""
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    return held.getsockname()[1]


def silent_port(stack):
    """A port that does not answer: its queue is full."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return listener.getsockname()[1]


@pytest.mark.parametrize("dead", [closed_port, silent_port])
def test_fault_23_names_change_and_every_address_is_tried(world, dead):
    with ExitStack() as stack:
        port = dead(stack)
        names(world, f"[{port}]", f"[{port}, {port}]", f"[{port}, {world.broker.port}]", f"[{world.broker.port}]")
        for _ in range(2):
            world.check(world.do("cycle()"), "NetworkError", "does not answer (error ")
        world.drop(world.good())  # by the second address
        world.drop(world.good(present=1, subscribes=False))
        assert world.do("linkpulse.session.tls_stream.socket.asked") == 4


def test_what_tls_had_for_the_last_try_is_gone_before_the_next(world):
    """A board has no room for two of them."""
    with ExitStack() as stack:
        names(world, f"[{closed_port(stack)}]")
        world.check(world.do("cycle()"), "NetworkError")
        world.do("held = []")
        world.do("linkpulse.session.session.context = lambda *files: held.append(agent.session.stream.context)")
        world.check(world.do("cycle()"), "NetworkError")
    assert world.do("held == [None]")


def test_fault_23_names_are_slow(world):
    names(world, f"[{world.broker.port}]", delay=int(TIMEOUT * 400))
    world.drop(world.good())
    names(world, f"[{world.broker.port}]", delay=int(TIMEOUT * 1200))
    world.root.traffic(1, 1)
    world.start("cycle()")
    peer = world.broker.accept(tls=False)
    world.failed(("TimedOut", "NetworkError"), "in time")
    peer.sock.close()
