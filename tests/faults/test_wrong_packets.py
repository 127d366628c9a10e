"""Faults 7 to 15: refusals, wrong packets, wrong lengths, and acknowledgements that are missing, late or foreign."""

import time

import pytest

from tests.doubles.packets import CONNECT, PINGREQ, PUBACK, PUBLISH, SUBACK, SUBSCRIBE, encode
from tests.faults.harness import TIMEOUT, steady

REFUSALS = {
    1: "does not speak MQTT 3.1.1",
    2: "does not take the client id",
    4: "user name",
    5: "policy",
    7: "iot:Connect",
}


@pytest.mark.parametrize("code", REFUSALS)
def test_fault_07_connack_refusals_that_last(world, code):
    for _ in range(2):  # every time, not only the first
        peer = world.begin()
        peer.expect(CONNECT)
        peer.connack(code)
        world.failed("AuthError", REFUSALS[code], lasting=True)
        assert peer.closed() == b""
        # Nothing is tried before that, and the reason stays.
        world.do("advance(890000)")
        assert not world.do("step()")["connected"]
        assert f"(CONNACK {code})" in world.do("agent.status()")["last_error"]
        assert world.broker.idle()
    assert len(set(world.waits)) == 2, "no jitter"
    world.good()


@pytest.mark.parametrize("code, kind", [(3, "NetworkError"), (6, "ProtocolError"), (255, "ProtocolError")])
def test_fault_07_connack_refusals_that_may_pass(world, code, kind):
    peer = world.begin()
    peer.expect(CONNECT)
    peer.connack(code)
    world.failed(kind, f"CONNACK {code}")
    assert peer.closed() == b""
    world.good()


def test_fault_08_subscribes_unless_the_session_was_present(world):
    peer = world.begin()
    # After a start of the process it always subscribes: the session may be an older program's.
    peer.good(present=1)
    assert world.answer()["outcome"] == "accepted"
    world.ledger.accepted(world.broker.packets[-1])
    world.drop(peer)
    assert all(not packet.clean for packet in world.broker.packets if packet.kind == CONNECT)
    world.drop(world.good(present=1, subscribes=False))
    world.drop(world.good(present=0, subscribes=True))
    world.drop(world.good(present=1, subscribes=False))


def test_fault_08_subscribes_after_a_restart(world):
    peer = world.good()
    world.drop(peer)
    world.do("make()")
    world.settle()
    world.ledger.restarted()
    world.drop(world.good(present=1, subscribes=True))


def test_fault_08_subscribes_again_when_it_failed_in_a_new_session(world):
    world.drop(world.good())
    peer = world.begin()
    peer.expect(CONNECT)
    peer.connack(present=0)  # the broker has lost the session, and with it the subscriptions
    peer.expect(SUBSCRIBE)
    peer.reset()
    world.failed("NetworkError")
    world.good(present=1, subscribes=True)  # a session is present, but an empty one


FIRST = {
    "SUBACK": encode(SUBACK, b"\0\1\1\1"),
    "PUBACK": encode(PUBACK, b"\0\1"),
    "PINGRESP": b"\xd0\0",
    "PUBLISH": encode(PUBLISH, b"\0\1tx"),
    "CONNECT": encode(CONNECT, b"\0\4MQTT\4\2\0\0\0\1x"),
    "CONNACK with flags": b"\x21\2\0\0",
    "short CONNACK": b"\x20\1\0",
    "long CONNACK": b"\x20\3\0\0\0",
    "reserved 0": b"\0\0",
    "reserved 15": b"\xf0\0",
}


@pytest.mark.parametrize("what", FIRST)
def test_fault_09_wrong_first_packet(world, what):
    peer = world.begin()
    peer.expect(CONNECT)
    peer.send(FIRST[what])
    world.failed("ProtocolError", "from the broker")
    assert peer.closed() == b""


def test_fault_09_a_large_message_is_no_first_packet(world):
    peer = world.begin()
    peer.expect(CONNECT)
    peer.send(encode(PUBLISH | 2, b"\0\1t\0\1" + bytes(2000)))
    world.failed("ProtocolError", "not CONNACK")
    assert peer.closed() == b""


LATER = {
    "a second CONNACK": b"\x20\2\0\0",
    "PUBACK with flags": b"\x42\2\0\2",
    "SUBACK with flags": b"\x91\3\0\1\1",
    "PINGRESP with a body": b"\xd0\1x",
    "PUBREC": b"\x50\2\0\2",
    "SUBSCRIBE": encode(SUBSCRIBE | 2, b"\0\1\0\1t\1"),
    "DISCONNECT": b"\xe0\0",
    "QoS 2": encode(PUBLISH | 4, b"\0\1t\0\1payload"),
    "QoS 3": encode(PUBLISH | 6, b"\0\1t\0\1payload"),
    "a topic longer than the packet": encode(PUBLISH, b"\0\x09t"),
    "QoS 1 without an id": encode(PUBLISH | 2, b"\0\1t\0"),
    "an empty PUBLISH": encode(PUBLISH, b""),
}


@pytest.mark.parametrize("what", LATER)
def test_fault_09_wrong_packet_later(world, what):
    peer = world.begin()
    peer.welcome()
    peer.expect(PUBLISH)
    peer.send(LATER[what])
    world.failed("ProtocolError", "from the broker")
    assert peer.closed() == b""
    world.do("agent._subscribed = False")
    world.drop(world.good())
    peer = world.good(present=1, subscribes=False)
    peer.send(LATER[what])  # and while nothing is waited for
    world.check(world.do("wait()"), "ProtocolError", "from the broker")
    assert peer.closed() == b""


HEADERS = {
    "five bytes of length": (b"\x30\xff\xff\xff\xff\x01", "ProtocolError", "more than four bytes"),
    "endless length": (b"\x30" + b"\xff" * 200, "ProtocolError", "more than four bytes"),
    "256 MB": (b"\x30\xff\xff\xff\x7f", "TooLarge", "a packet of 268435455 bytes"),
    "over what any message has": (b"\x30\x81\x80\x10", "TooLarge", "a packet of 262145 bytes"),
    "a long SUBACK": (b"\x90\xff\x7f", "TooLarge", "over 1024"),
}


@pytest.mark.parametrize("what", HEADERS)
def test_fault_10_lengths_are_refused_before_anything_is_allocated(world, what):
    header, kind, reason = HEADERS[what]
    world.drop(world.good())
    peer = world.good(present=1, subscribes=False)
    world.do("gc.collect()")
    world.do("gc.disable()")
    before = world.do("gc.mem_alloc()")
    begun = time.monotonic()
    peer.send(header)  # nothing comes after it, and nothing is waited for
    result = world.do("wait()")
    assert world.do("gc.mem_alloc()") - before < 6000  # the error, its text, the harness
    world.do("gc.enable()")
    world.check(result, kind, reason)
    assert time.monotonic() - begun < TIMEOUT
    assert peer.closed() == b""


def test_fault_10_the_largest_packet_that_is_taken(world):
    peer = world.good()
    peer.message("t", b"x" * (1024 - 3 - 3))
    result = world.do("wait(60)")
    assert result["connected"] and not result["failure"]


def test_fault_11_no_puback(world):
    peer = world.begin()
    peer.welcome()
    first = peer.expect(PUBLISH)
    again = peer.expect(PUBLISH)
    assert (first.dup, first.qos) == (False, 1)
    assert (again.dup, again.qos, again.packet_id, again.payload) == (True, 1, first.packet_id, first.payload)
    assert 0.7 * TIMEOUT < again.time - first.time < 2 * TIMEOUT
    peer.puback(again)
    peer.accepted(again)
    assert world.answer()["outcome"] == "accepted"
    assert world.do("agent.status()")["errors"] == 0


def test_fault_11_no_puback_at_all(world):
    heaps = []
    world.do("hasty(80)")
    for _ in range(10):
        peer = world.begin()
        peer.welcome()
        tries = [peer.expect(PUBLISH) for _ in range(3)]
        assert [packet.dup for packet in tries] == [False, True, True]
        assert len({(packet.packet_id, packet.payload) for packet in tries}) == 1
        result = world.failed("TimedOut", "did not answer in time")
        assert peer.closed() == b""
        world.do("agent._subscribed = False")
        heaps.append(world.do("heap()"))
    assert steady(heaps[1:]), str(heaps)  # a few reports are kept, for answers that come late
    status = world.do("agent.status()")
    assert (status["unknown"], status["errors"], result["outcome"]) == (10, 10, "error")
    world.do("hasty(5000)")
    world.good()


def test_fault_12_no_suback(world):
    peer = world.begin()
    peer.expect(CONNECT)
    peer.connack()
    first = peer.expect(SUBSCRIBE)
    again = peer.expect(SUBSCRIBE)
    assert again.raw == first.raw and first.flags == 2  # with the same id; DUP does not exist here
    assert [qos for _, qos in first.filters] == [1, 1]
    peer.suback(again)
    report = peer.expect(PUBLISH)
    peer.puback(report)
    peer.accepted(report)
    assert world.answer()["outcome"] == "accepted"


def test_fault_12_no_suback_at_all(world):
    peer = world.begin()
    peer.expect(CONNECT)
    peer.connack()
    for _ in range(3):
        peer.expect(SUBSCRIBE)
    world.failed("TimedOut", "did not answer in time")
    assert peer.closed() == b""
    world.good(present=1)  # the session is, the subscription is not


@pytest.mark.parametrize("codes, topic", [((1, 0x80), "rejected"), ((0x80, 1), "accepted"), ((3, 1), "accepted")])
def test_fault_12_suback_with_a_refusal(world, codes, topic):
    peer = world.begin()
    peer.expect(CONNECT)
    peer.connack()
    peer.suback(peer.expect(SUBSCRIBE), *codes)
    world.failed("AuthError", f"a subscription to $aws/things/thing-1/defender/metrics/cbor/{topic}", lasting=True)
    assert peer.closed() == b""


def test_fault_13_duplicate_unknown_and_late_puback(world):
    peer = world.begin()
    subscribe = peer.welcome()
    report = peer.expect(PUBLISH)
    for foreign in (0, report.packet_id + 1, 65535, subscribe.packet_id):
        peer.puback(foreign)
    peer.suback(subscribe)  # a late one
    again = peer.expect(PUBLISH)  # none of them was for it
    peer.puback(report)
    peer.puback(again)
    peer.puback(again)
    peer.accepted(again)
    assert world.answer()["outcome"] == "accepted"
    world.ledger.accepted(again)
    # Acknowledgements that nobody waits for.
    peer.puback(again)
    peer.pingresp()
    result = world.do("wait(60)")
    assert result["connected"] and not result["failure"]
    world.root.traffic(9, 9)
    world.start("cycle()")
    report = peer.expect(PUBLISH)
    peer.puback(again)
    peer.puback(report)
    peer.accepted(report)
    assert world.answer()["outcome"] == "accepted"


def test_fault_13_answer_before_the_puback_and_all_in_one_record(world):
    peer = world.begin()
    peer.welcome()
    report = peer.expect(PUBLISH)
    peer.accepted(report, qos=1)
    peer.puback(report)
    assert peer.expect(PUBACK).packet_id == 7
    assert world.answer()["outcome"] == "accepted"
    world.ledger.accepted(report)
    world.root.traffic(1, 1)
    world.start("cycle()")
    report = peer.expect(PUBLISH)
    held = []
    peer.send = held.append
    peer.puback(report)
    peer.accepted(report)
    del peer.send
    peer.send(b"".join(held))
    assert world.answer()["outcome"] == "accepted"


def test_fault_14_packet_ids_wrap_to_one(world):
    peer = world.good()
    world.do("setattr(agent.session._client, 'pid', 65533)")
    found = []
    for _ in range(4):
        world.start("cycle()")
        report = peer.expect(PUBLISH)
        found.append(report.packet_id)
        peer.puback(report)
        peer.accepted(report)
        assert world.answer()["outcome"] == "accepted"
        world.ledger.accepted(report)
    assert found == [65534, 65535, 1, 2]


def test_fault_14_the_same_id_again_at_the_wrap(world):
    peer = world.good()
    world.do("setattr(agent.session._client, 'pid', 65535)")
    world.start("cycle()")
    first, again = peer.expect(PUBLISH), peer.expect(PUBLISH)
    assert (first.packet_id, again.packet_id, again.dup) == (1, 1, True)
    peer.puback(again)
    peer.accepted(again)
    assert world.answer()["outcome"] == "accepted"


def test_fault_15_no_pingresp(make_world):
    world = make_world(interval=3600)
    peer = world.good()
    quiet = world.do("step()")
    assert quiet["wait"] == 900000  # nothing before it is needed
    world.do("advance(900000)")
    world.do("step()")
    peer.expect(PINGREQ)
    peer.pingresp()
    assert world.do("wait(60)")["connected"]
    world.unanswered_ping(peer)


def test_fault_15_no_ping_at_the_default_interval(world):
    peer = world.good()
    for _ in range(3):
        world.do("due()")
        world.start("cycle()")
        report = peer.expect()  # a PUBLISH, and never a PINGREQ
        assert report.kind == PUBLISH
        peer.puback(report)
        peer.accepted(report)
        assert world.answer()["outcome"] == "accepted"
        world.ledger.accepted(report)
