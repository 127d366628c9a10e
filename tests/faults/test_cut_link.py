"""Faults 1 to 6: the link cut, trickling, silent, reset or stuck, at any byte and in any state."""

import time

import pytest

from tests.doubles.packets import CONNECT, PUBLISH, SUBSCRIBE, answer, encode
from tests.faults.harness import TIMEOUT, steady

KINDS = {"CONNECT": CONNECT, "SUBSCRIBE": SUBSCRIBE, "PUBLISH": PUBLISH}
SEALED = 13  # bytes of TLS before those of a packet: a record's header and nonce (RFC 5288)


def until(peer, stop):
    """The broker's side of a good connection, up to `stop`."""
    for kind, then in ((CONNECT, peer.connack), (SUBSCRIBE, peer.suback), (PUBLISH, peer.puback)):
        if kind == stop:
            return None
        packet = peer.expect(kind)
        if stop == -kind:
            return packet
        then() if kind == CONNECT else then(packet)
    return packet


def cut_everywhere(world, offsets, cut):
    """One connection an offset, which `cut(peer, offset)` ends. That the next one comes as far shows that the device
    got over it; a dozen times in between a report is accepted, and holds what the lost ones carried (the ledger looks).
    """
    slowest, heaps = 0, []
    for n, offset in enumerate(offsets, 1):
        world.do("agent._subscribed = False")
        peer = world.begin()
        cut(peer, offset)
        begun = time.monotonic()
        world.failed("NetworkError")
        slowest = max(slowest, time.monotonic() - begun)
        if n % (len(offsets) // 12) == 0:
            world.do("agent._subscribed = False")
            world.drop(world.good())
            heaps.append(world.do("heap()"))
    # A cut is noticed, not waited for; the bound leaves a busy machine its time.
    assert slowest < 4 * TIMEOUT, slowest
    assert steady(heaps), str(heaps)
    assert len(set(world.waits)) > len(world.waits) // 2, "no jitter"


@pytest.mark.parametrize("name", KINDS)
def test_fault_01_cut_after_each_byte_the_device_sends(world, name):
    def cut(peer, k):
        until(peer, KINDS[name])
        peer.read_wire(SEALED + k)
        peer.reset()

    world.drop(world.good())
    length = next(len(packet.raw) for packet in world.broker.packets if packet.kind == KINDS[name])
    cut_everywhere(world, range(1, length + 1), cut)


def text(topic):
    return bytes((len(topic) >> 8, len(topic) & 255)) + topic.encode()


def acceptance(report):
    return encode(PUBLISH, text(report.topic + "/accepted") + answer(report, "ACCEPTED"))


# The broker's packets: what comes before each (as for `until`), and the packet itself, from what that returned.
ANSWERS = {
    "CONNACK": (-CONNECT, lambda _: encode(0x20, b"\0\0")),
    "SUBACK": (-SUBSCRIBE, lambda packet: encode(0x90, bytes((0, packet.packet_id, 1, 1)))),
    "PUBACK": (-PUBLISH, lambda packet: encode(0x40, bytes((0, packet.packet_id)))),
    "acceptance": (None, acceptance),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_fault_01_cut_after_each_byte_the_broker_sends(world, name):
    stop, make = ANSWERS[name]

    def cut(peer, k):
        data = make(until(peer, stop))[:k]
        if data:
            peer.send(data)
        peer.cut()

    world.drop(world.good())
    length = len(acceptance(world.broker.packets[-1])) if name == "acceptance" else 6 if name == "SUBACK" else 4
    cut_everywhere(world, [*range(length)] * (1 if length > 12 else 3), cut)


def test_fault_01_cut_after_each_byte_of_a_tls_record(world):
    def cut(peer, k):
        until(peer, -CONNECT)
        peer.sock.sendall(peer.sealed(b"\x20\2\0\0")[:k])
        peer.cut()

    world.drop(world.good())
    cut_everywhere(world, range(33), cut)


def test_fault_02_one_byte_a_write_and_one_a_read(world):
    world.do("import sockets")
    world.do(f"linkpulse.session.tls_stream.socket = sockets.Names([{world.broker.port}], make=sockets.Slow)")
    peer = world.good()
    assert world.do("agent.session.stream._raw.writes") > 300
    assert world.do("agent.session.stream._raw.reads") > 300
    world.drop(peer)
    assert world.device.descriptors() == world.descriptors


def test_fault_02_one_byte_at_a_time_from_and_to_the_broker(world):
    world.timeout(5)
    peer = world.begin()
    peer.chunk = 1
    peer.expect(CONNECT)
    peer.trickle(b"\x20\2\0\0")  # a record a byte
    subscribe = peer.expect(SUBSCRIBE)
    peer.trickle(peer.sealed(encode(0x90, bytes((0, subscribe.packet_id, 1, 1)))), wire=True)
    report = peer.expect(PUBLISH)
    peer.trickle(peer.sealed(encode(0x40, bytes((0, report.packet_id)))), wire=True)
    peer.trickle(encode(PUBLISH, text(report.topic + "/accepted") + answer(report, "ACCEPTED")))
    assert world.answer()["outcome"] == "accepted"


def test_fault_02_too_slow_a_byte_at_a_time_ends_at_the_deadline(world):
    peer = world.begin()
    peer.welcome()
    report = peer.expect(PUBLISH)
    begun = time.monotonic()
    peer.trickle(encode(0x40, bytes((0, report.packet_id))), pause=0.8 * TIMEOUT)
    world.failed("TimedOut", "did not answer in time")
    # The first byte has come, so there is nothing to send again: the packet has to be there by the deadline.
    assert time.monotonic() - begun < 3 * TIMEOUT + 0.5
    peer.closed()


STEADY = 1.5  # of the keep-alive: when a broker itself gives up (MQTT 3.1.1, 3.1.2.10)


@pytest.mark.parametrize("interval, keep_alive", [(300, 600), (3600, 1200), (86400, 1200)])
def test_fault_03_half_open_connection_is_found(make_world, interval, keep_alive):
    world = make_world(interval=interval)
    peer = world.good()
    assert world.broker.packets[0].keep_alive == keep_alive
    begun = world.do("clock.now")
    while True:  # the peer is silent, and everything that is sent to it gets lost
        result = world.do("step()")
        if result["failure"]:
            break
        world.do(f"advance({max(1, result['wait'])})")
        assert result["now"] - begun < 3 * keep_alive * 1000
    world.check(result, "TimedOut")
    # What the link waited for, three tries of 30 s, is not in virtual time.
    assert result["now"] - begun + 90000 <= STEADY * keep_alive * 1000
    peer.closed()
    world.do("agent._subscribed = False")
    world.good()


SILENT = {
    "TCP": (lambda peer: None, "TLS handshake"),
    "ClientHello": (lambda peer: peer.read_wire(5), "TLS handshake"),
    "TLS": (lambda peer: peer.handshake(), "answer"),
    "CONNECT": (lambda peer: until(peer.handshake(), -CONNECT), "answer"),
    "SUBSCRIBE": (lambda peer: until(peer.handshake(), -SUBSCRIBE), "answer"),
    "PUBLISH": (lambda peer: until(peer.handshake(), -PUBLISH), "answer"),
}


@pytest.mark.parametrize("state", SILENT)
def test_fault_03_silence_in_each_state_ends_at_the_deadline(world, state):
    how, reason = SILENT[state]
    world.root.traffic(1, 1)
    world.start("cycle()")
    peer = world.broker.accept(tls=False)
    begun = time.monotonic()
    how(peer)
    world.failed("TimedOut", reason)
    tries = 3 if state in ("SUBSCRIBE", "PUBLISH") else 1
    assert 0.8 * TIMEOUT < time.monotonic() - begun < (tries + 2) * TIMEOUT
    peer.sock.close()
    world.good()


STATES = {
    "TCP": lambda peer: None,
    "ClientHello": lambda peer: peer.read_wire(5),
    "TLS": lambda peer: peer.handshake(),
    "CONNECT": lambda peer: until(peer.handshake(), -CONNECT),
    "SUBSCRIBE": lambda peer: until(peer.handshake(), -SUBSCRIBE),
    "PUBLISH": lambda peer: until(peer.handshake(), -PUBLISH),
    "answer": lambda peer: until(peer.handshake(), None),
}


@pytest.mark.parametrize("state", STATES)
def test_fault_04_reset_in_each_state(world, state):
    world.root.traffic(1, 1)
    world.start("cycle()")
    peer = world.broker.accept(tls=False)
    STATES[state](peer)
    peer.reset()
    if state == "TLS":  # just when the broker has judged the certificate: the device cannot know that it was found good
        result = world.answer()
        world.check(result, ("NetworkError", "AuthError"), lasting=result["failure"][0] == "AuthError")
    else:
        # The device may not know yet that the TCP connection stood.
        world.failed("NetworkError", "" if state == "TCP" else "the connection is lost")
    world.good()


def test_fault_04_reset_while_idle_and_while_a_ping_is_out(make_world):
    world = make_world(interval=3600)
    peer = world.good()
    peer.reset()
    world.check(world.do("wait()"), "NetworkError", "the connection is lost")
    world.do("agent._subscribed = False")
    peer = world.good()
    world.do("advance(900000)")
    world.do("step()")
    peer.expect(0xC0)
    peer.reset()
    world.check(world.do("wait()"), "NetworkError", "the connection is lost")


def test_fault_05_slow_loris_connack(world):
    peer = world.begin()
    peer.expect(CONNECT)
    begun = time.monotonic()
    for byte in b"\x20\2\0":  # each in time, all of them not
        peer.trickle(bytes((byte,)), pause=0.4 * TIMEOUT)
    world.failed("TimedOut", "did not answer in time")
    assert time.monotonic() - begun < 2 * TIMEOUT
    peer.closed()
    world.good()


def test_fault_05_slow_loris_below_tls(world):
    peer = world.begin()
    peer.expect(CONNECT)
    begun = time.monotonic()
    peer.trickle(peer.sealed(b"\x20\2\0\0"), pause=0.2 * TIMEOUT, wire=True)
    world.failed("TimedOut", "did not answer in time")
    assert time.monotonic() - begun < 2 * TIMEOUT
    peer.closed()


@pytest.fixture
def stuck(make_world):
    """A device that has filled the window of a broker that has stopped reading."""
    world = make_world(receive_buffer=1)
    world.good()
    world.do("fill()")
    assert world.do("agent.status()['connected_since'] is not None")
    return world


def test_fault_06_zero_window_while_publishing(stuck):
    begun = time.monotonic()
    stuck.root.traffic(1, 1)
    stuck.check(stuck.do("cycle()"), "TimedOut", "did not take a packet in time")
    assert time.monotonic() - begun < 3 * TIMEOUT
    stuck.good()


def test_fault_06_zero_window_while_disconnecting(stuck):
    begun = time.monotonic()
    stuck.do("agent.close()")
    assert 0.9 < time.monotonic() - begun < 1.9  # a second for DISCONNECT, and closed all the same
    assert not stuck.do("agent.status()['connected_since'] is not None")
    assert stuck.device.descriptors() == stuck.descriptors
    stuck.good()
