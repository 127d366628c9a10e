# SPDX-License-Identifier: MIT
"""Keeps what a program's own sockets did, for platforms whose tables cannot be read: see collect.counted."""

from array import array
from ...port import const

FREE, DATAGRAM, LISTENING, CONNECTED, ENDED, HANDED_ON = range(6)

_ENTRY = const(28)  # offsets of kind, family, local port, remote port, hits and address; then:
_AGE = const(24)  # the number of accepted reports since the connection was last used
_SERIAL = const(25)  # two bytes that identify the entry, because places are used again
_QUIET = const(2)
_SEGMENT = const(1460)  # the bytes of a full TCP segment over Ethernet, to estimate packets
# The parts of a counter: see sample/differences.py.
_LOW_BITS = const(24)
_LOW_MASK = const(0xFFFFFF)
_HIGH_MASK = const(0x3FFFFFFF)


class Ledger:
    """A bounded table of the open sockets, and of the remote ends of connections that ended since the last accepted
    report, with the number of connections to each. Nothing is allocated after construction.

    `buffer` contains `capacity` entries (at most 255). `missed` counts the sockets that found no room.

    A socket that was dropped without close() looks like an open socket that is idle, because MicroPython calls no
    finaliser of a Python object. Therefore a connection that was not read, written or polled while two reports were
    accepted is removed from the table. It comes back when it is used.
    """

    def __init__(self, capacity=24):
        self.buffer = bytearray(_ENTRY * capacity)
        self.capacity = capacity
        self.missed = 0
        self._serial = 0
        self._totals = array("i", (0,) * 8)

    def open(self, kind, family, local, remote, address):
        """Makes an entry for a socket. Returns its number, or -1 if the table is full. `address` has 4 or 16 bytes."""
        if kind != CONNECTED:
            self._replace(kind, family, local, address)
        place = self._room()
        if place < 0:
            return -1
        e = self.buffer
        at = place * _ENTRY
        self._serial = (self._serial + 1) & 0xFFFF
        e[at] = kind
        e[at + 1] = family
        e[at + _AGE] = 0
        _put(e, at + 2, local)
        _put(e, at + 4, remote)
        _put(e, at + 6, 1)
        _put(e, at + _SERIAL, self._serial)
        for k in range(len(address)):
            e[at + 8 + k] = address[k]
        return self._serial << 8 | place

    def used(self, number):
        """Notes that the socket was used. False if its entry does not exist any more."""
        at = (number & 255) * _ENTRY
        if not self._owned(number, at):
            return False
        self.buffer[at + _AGE] = 0
        return True

    def close(self, number):
        """Notes that the socket is closed. A connection's remote end stays until a report with it was accepted."""
        e = self.buffer
        i = number & 255
        at = i * _ENTRY
        if not self._owned(number, at):
            return
        if e[at] != CONNECTED:
            e[at] = FREE
            return
        e[at] = ENDED
        for k in range(self.capacity):
            other = k * _ENTRY
            if k != i and e[other] >= ENDED and self._same(at, other):
                _put(e, at + 6, min(65535, self.hits(k) + 1))
                e[other] = FREE
                return

    def count(self, sent, n, segmented=True):
        """Counts `n` bytes that were sent or received, in at least so many packets."""
        at = 4 if sent else 0
        self._add(at, n)
        self._add(at + 2, (n + _SEGMENT - 1) // _SEGMENT if segmented else 1)

    def totals(self):
        """The low and high parts of the counters, in the order of sample.Counters.put."""
        return self._totals

    def kind(self, i):
        return self.buffer[i * _ENTRY]

    def family(self, i):
        return self.buffer[i * _ENTRY + 1]

    def local(self, i):
        return _get(self.buffer, i * _ENTRY + 2)

    def remote(self, i):
        return _get(self.buffer, i * _ENTRY + 4)

    def hits(self, i):
        """The number of ended connections to this remote end."""
        return _get(self.buffer, i * _ENTRY + 6)

    def address(self, i):
        """The offset of its address in `buffer`."""
        return i * _ENTRY + 8

    def ended(self):
        """(remote ends of connections that ended since the last accepted report, the number of these connections)."""
        ends = hits = 0
        for i in range(self.capacity):
            if self.kind(i) > CONNECTED:
                ends += 1
                hits += self.hits(i)
        return ends, hits

    def hand_on(self):
        """Notes that a report now contains what has ended."""
        for at in range(0, len(self.buffer), _ENTRY):
            if self.buffer[at] == ENDED:
                self.buffer[at] = HANDED_ON

    def forget(self):
        """Called when the report was accepted. Removes the ended connections that it contained."""
        e = self.buffer
        for at in range(0, len(e), _ENTRY):
            if e[at] == CONNECTED:
                e[at + _AGE] += 1
            if e[at] == HANDED_ON or (e[at] == CONNECTED and e[at + _AGE] > _QUIET):
                e[at] = FREE

    def _owned(self, number, at):
        return self.buffer[at] != FREE and _get(self.buffer, at + _SERIAL) == number >> 8

    def _replace(self, kind, family, local, address):
        # Only one socket can have this port, so the earlier one is gone, closed or not.
        e = self.buffer
        for at in range(0, len(e), _ENTRY):
            if e[at] == kind and e[at + 1] == family and _get(e, at + 2) == local:
                if e[at + 8 : at + 8 + len(address)] == address:
                    e[at] = FREE

    def _room(self):
        # Take a free place, or that of an ended connection, and of these one that was in a report first.
        worst = ENDED
        place = -1
        for i in range(self.capacity):
            kind = self.buffer[i * _ENTRY]
            if kind == FREE:
                return i
            if kind >= worst:
                worst = kind
                place = i
        self.missed += 1
        return place

    def _same(self, a, b):
        e = self.buffer
        if e[a + 1] != e[b + 1] or e[a + 4] != e[b + 4] or e[a + 5] != e[b + 5]:
            return False
        for k in range(4 if e[a + 1] == 4 else 16):
            if e[a + 8 + k] != e[b + 8 + k]:
                return False
        return True

    def _add(self, at, n):
        t = self._totals
        low = t[at] + n
        t[at] = low & _LOW_MASK
        t[at + 1] = (t[at + 1] + (low >> _LOW_BITS)) & _HIGH_MASK


def _put(buf, at, n):
    buf[at] = n & 255
    buf[at + 1] = n >> 8


def _get(buf, at):
    return buf[at] | buf[at + 1] << 8
