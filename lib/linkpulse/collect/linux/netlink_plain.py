# SPDX-License-Identifier: MIT
"""What netlink_scan.py does, for MicroPython without machine code: C compares and copies whole fields.

Many sockets have the same local address, and `classify` decides the same for all of them that are not bound to a
device. So only the first one goes through it.
"""

from random import getrandbits
from struct import pack_into
from .netlink_scan import messages
from ...port import const

# See ../layout.py.
_POS = const(0)
_PORT = const(8)
_SLOT = const(9)
_HINT = const(10)
_LENGTH = const(11)
_COUNTED = const(12)
_ANSWER = const(13)
_DONE = const(0)
_LISTENING = const(1)
_TOTAL = const(0)
_CAPACITY = const(1)
_RECORD_REMOTE = const(6)
_RECORD = const(22)
_ENTRY_SLOT = const(0)
_ENTRY_FAMILY = const(1)
_ENTRY = const(18)

_HEAD = const(18)  # of a message: all of it that is the same for the sockets of one dump, family and state
_INET = const(2)
_MOST = const(16)  # sockets that are remembered
# What is done with a socket that is like a remembered one. From _CONNECTION on, it is counted.
_LEAVE = const(0)
_LISTENER = const(1)
_CONNECTION = const(2)
_MAPPED = const(3)  # the same, with IPv4 addresses in IPv6

_UNBOUND = b"\x00\x00\x00\x00"


class Messages:
    """`messages(...)` has the arguments and results of netlink_scan.messages. `view` is a view of its buffer."""

    def __init__(self, view):
        self._view = view
        self._fields = {}  # by the size of messages: views of five fields of each message in the buffer
        self._known = []  # [head, local address, what is done, slot, family] of each remembered socket
        self._count = self._next = 0

    def messages(self, buf, end, st, raw, addresses, records, table):
        if not st[_LENGTH]:
            return messages(buf, end, st, raw, addresses, records, table)
        if not st[_COUNTED]:
            self._count = self._next = 0  # another sample: interfaces may have other addresses
        self._cut(st[_LENGTH], end)
        while True:
            if self._run(end, st, records, table):
                return _LISTENING
            if st[_POS] >= end:
                return _DONE
            event = self._first(buf, end, st, raw, addresses, records, table)
            if event:
                return event

    def _first(self, buf, end, st, raw, addresses, records, table):
        # Has `classify` take one socket, and remembers it if the answer is for all like it.
        pos = st[_POS]
        answered = st[_ANSWER]
        total = table[_TOTAL]
        event = messages(buf, min(pos + st[_LENGTH], end), st, raw, addresses, records, table)
        if event <= _LISTENING and not answered:
            self._remember(pos // st[_LENGTH], event, st, addresses, table[_TOTAL] > total)
        return event

    def _cut(self, size, end):
        # The views are made when there are so many messages for the first time.
        fields = self._fields.get(size)
        if fields is None or len(fields[4]) < len(fields[0]):  # memory ran out within a message
            self._fields[size] = [], [], [], [], []
        self._heads, self._ports, self._locals, self._remotes, self._devices = self._fields[size]
        at = len(self._heads) * size
        while at + size <= end:
            view = self._view[at : at + size]
            self._heads.append(view[:_HEAD])
            self._ports.append(view[20:24])
            self._locals.append(view[24:40])
            self._remotes.append(view[40:56])
            self._devices.append(view[56:60])
            at += size

    def _run(self, end, st, records, table):  # noqa: C901
        # Takes sockets that are like remembered ones. True after one that listens.
        heads = self._heads
        locals_ = self._locals
        devices = self._devices
        ports = self._ports
        remotes = self._remotes
        total = table[_TOTAL]
        capacity = table[_CAPACITY]
        size = st[_LENGTH]
        first = i = st[_POS] // size
        most = end // size
        head = local = None
        what = _LEAVE
        while i < most:
            if locals_[i] != local or heads[i] != head or devices[i] != _UNBOUND:
                known = self._like(i)
                if known is None:
                    break
                head, local, what, slot, family = known
            if what >= _CONNECTION:
                place = total
                total += 1
                if place >= capacity:
                    place = getrandbits(30) % total  # reservoir sampling, as in `classify`
                if place < capacity:
                    place *= _RECORD
                    pack_into("BB4s16s", records, place, slot, family, ports[i], remotes[i])
                    if what == _MAPPED:
                        for k in range(_RECORD_REMOTE, _RECORD_REMOTE + 4):
                            records[place + k] = records[place + k + 12]
            i += 1
            if what == _LISTENER:
                port = ports[i - 1]
                st[_PORT] = port[0] << 8 | port[1]
                st[_SLOT] = slot
                break
        table[_TOTAL] = total
        st[_COUNTED] += i - first
        st[_POS] = i * size
        return i > first and what == _LISTENER

    def _like(self, i):
        # The remembered socket that message `i` is like, or None.
        head = self._heads[i]
        local = self._locals[i]
        if self._devices[i] == _UNBOUND:
            for k in range(self._count):
                known = self._known[k]
                if known[1] == local and known[0] == head:
                    return known
        return None

    def _remember(self, i, event, st, addresses, counted):
        if self._next == len(self._known):
            self._known.append([bytearray(_HEAD), bytearray(16), 0, 0, 0])
        known = self._known[self._next]
        pack_into("18s", known[0], 0, self._heads[i])
        pack_into("16s", known[1], 0, self._locals[i])
        known[2] = _LEAVE
        if event == _LISTENING:
            known[2] = _LISTENER
            known[3] = st[_SLOT]
        elif counted:
            entry = st[_HINT] * _ENTRY
            known[3] = addresses[entry + _ENTRY_SLOT]
            known[4] = addresses[entry + _ENTRY_FAMILY]
            known[2] = _MAPPED if known[4] == 4 and known[0][16] != _INET else _CONNECTION
        self._count = max(self._count, self._next + 1)
        self._next = (self._next + 1) % _MOST
