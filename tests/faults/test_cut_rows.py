"""Rows 1 to 6: the link cut, trickling, silent, reset or stuck, at any byte and in any state."""

import time

import pytest

from tests.faults.packets import CONNECT, PUBLISH, SUBSCRIBE, answer, encode

KINDS = {"CONNECT": CONNECT, "SUBSCRIBE": SUBSCRIBE, "PUBLISH": PUBLISH}
SEALED = 13  # bytes of TLS before those of a packet: a record's header and nonce (RFC 5288)
TIMEOUT = 0.25  # the device's, as device_agent.py has it


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


def lengths(world):
    """What a good connection sends in each packet."""
    peer = world.good()
    found = {packet.kind: len(packet.raw) for packet in world.broker.packets}
    world.drop(peer)
    return found


class Cutter:
    """Cuts one connection after another, and sees to it that the device is well after each."""

    def __init__(self, world):
        self.world = world
        self.heaps = []
        self.slowest = 0
        self.count = 0

    def cut(self, how):
        world = self.world
        peer = world.begin()
        how(peer)
        begun = time.monotonic()
        result = world.failed("NetworkError", "")
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.count += 1
        if self.count % 8 == 0:
            # All that the lost reports carried is in this one: the ledger looks.
            self.world.do("agent._subscribed = False")
            self.world.drop(self.world.good())
            self.heaps.append(self.world.do("heap()"))
        return result

    def check(self):
        # A cut is noticed, not waited for; the bound leaves a busy machine its time.
        assert self.slowest < 4 * TIMEOUT, self.slowest
        assert steady(self.heaps[1:]), str(self.heaps)
        assert len(set(self.world.waits)) > len(self.world.waits) // 2, "no jitter"


def steady(heaps):
    """No growth. The least of four, since the collector also takes a number on the stack for a pointer now and then."""
    return min(heaps[-4:]) <= min(heaps[:4])


@pytest.mark.parametrize("name", KINDS)
def test_fault_01_cut_after_each_byte_the_device_sends(world, name):
    kind = KINDS[name]
    cutter = Cutter(world)
    for k in range(lengths(world)[kind]):

        def how(peer, k=k):
            until(peer, kind)
            peer.read_wire(SEALED + k + 1)
            peer.reset()

        world.do("agent._subscribed = False")
        cutter.cut(how)
    cutter.check()
