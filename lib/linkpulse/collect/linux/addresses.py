# SPDX-License-Identifier: MIT
"""Finds the interface of a local address on Linux. The scanners look addresses up in its table.

IPv6 addresses are read from /proc/net/if_inet6 before each sample. An IPv4 address is looked up when its first socket
is read: with rtnetlink for this process's own namespace, and in the namespace's files for another one. Therefore the
number of addresses does not matter. Addresses that do not fit the table are looked up again.
"""

from . import proc_scan
from .proc_lines import HEXA, ProcLines
from ...port import const

NONE = const(-1)  # no interface has this address

# See ../layout.py.
_PORT = const(8)
_SLOT = const(9)
_ANSWER = const(13)
_ENTRY_SLOT = const(0)
_ENTRY_FAMILY = const(1)
_ENTRY_ADDRESS = const(2)
_ENTRY = const(18)
_OPEN = const(252)
_OPEN_LEFT_OUT = const(253)
_LEFT_OUT = const(254)
_NO_INTERFACE = const(255)

_DIGITS = b"0123456789abcdef"

_ENTRIES = const(32)  # entries at the start, and as many more each time
_MOST = const(256)
_LOOKED_UP = const(32)  # entries that if_inet6 leaves free for addresses that are looked up


class Addresses:
    """The table in which `classify` looks up local addresses. It is filled again for each sample."""

    def __init__(self, net, own_namespace, wanted):
        self.table = bytearray(_ENTRY * _ENTRIES)
        self.count = self._filled = self._next = 0
        self._more = False  # if_inet6 has addresses that are not in the table
        self._wanted = wanted
        self._net = net
        self._inet6 = net("if_inet6")
        self._text = None  # of if_inet6, if it is short and the first entries of the table are still those of it
        self._names = None
        self._raw = bytearray(16)
        self._sought = bytearray(32)
        self._take = self._inet6_line  # a method that is taken from its object needs heap
        self._lines = self._files = self._kernel = None
        if own_namespace:
            from .rtnetlink import Rtnetlink

            self._kernel = Rtnetlink()

    def fill(self, names, lines):
        """Reads the IPv6 addresses. `names` (sample.Names) keeps the interfaces, and `lines` lends its buffer."""
        if self._kernel is not None:
            self._kernel.begin()
        if self._same(names, lines):
            self.count = self._next = self._filled
            return
        text = self._text
        self._text = None
        self.count = self._filled = self._next = 0
        self._more = False
        self._names = names
        if lines.each(self._inet6, self._take):
            self._text = text  # all of it is in the table
        self._filled = self.count

    def _same(self, names, lines):
        # Whether if_inet6 says what it said before, so that its entries need not be made again.
        known = self._text
        self._text = None
        if not lines.begin(self._inet6):
            return False
        try:
            if not lines.fill():
                return False
            size = lines.end - lines.start
            if known is None or len(known) != size or lines.buf.find(known, lines.start, lines.end) < 0:
                known = bytes(lines.buf[lines.start : lines.end])
                same = False
            else:
                same = names is self._names
            if lines.fill():
                return False  # it is long
        except OSError:
            return False  # what can be read is used
        self._text = known
        return same and self._kept(names)

    def _kept(self, names):
        # Keeps the names of the entries. False if one has none: perhaps there is room for it now.
        for entry in range(self._filled):
            slot = self.table[entry * _ENTRY + _ENTRY_SLOT]
            if slot == _NO_INTERFACE:
                return False
            if slot < _OPEN:
                names.keep(slot)
        return True

    def learn(self, raw, state, device=0):
        """Answers `classify`, which returned UNKNOWN for a socket with the local address raw[0:16].

        An address that is not in the table is added. If several interfaces have or may have the address, the answer is
        for this socket only: it depends on the index of the device to which the socket is bound (0 if it is bound to
        none, or if the source does not say).
        """
        family = state[_SLOT]
        if state[_PORT]:
            state[_ANSWER] = 1 + self._of_device(raw, family, device, state[_PORT])
        else:
            self.add(self._look_up(raw, family), raw, 0, family)

    def interface(self, device):
        """The slot of the interface with this index."""
        slot = NONE if self._kernel is None else self._kernel.name(self, device)
        return self.unknown() if slot == NONE else slot

    def add(self, slot, raw, at, family):
        if self._next == len(self.table) // _ENTRY:
            if self._next < _MOST:
                self.table.extend(bytes(_ENTRY * _ENTRIES))  # a host with many addresses gets its room once
            else:
                self._next = (
                    self._filled
                )  # new addresses replace those that were looked up; those that `fill` read stay
        entry = self._next * _ENTRY
        self.table[entry + _ENTRY_SLOT] = slot
        self.table[entry + _ENTRY_FAMILY] = family
        for i in range(4 if family == 4 else 16):
            self.table[entry + _ENTRY_ADDRESS + i] = raw[at + i]
        self._next += 1
        self.count = max(self.count, self._next)

    def slot(self, buf, start, end):
        if not self._wanted.name(buf, start, end):
            return _LEFT_OUT
        return self._names.find(buf, start, end)

    def shared(self, a, b):
        """The slot for an address that the interfaces with the slots `a` and `b` both have."""
        if a == b or a == _OPEN_LEFT_OUT:
            return a
        return _OPEN_LEFT_OUT if self._wanted.chosen and (a == _LEFT_OUT or b == _LEFT_OUT) else _OPEN

    def unknown(self):
        """The slot if the interface is not known. If the owner chose interfaces, it may be one that is not wanted."""
        return _LEFT_OUT if self._wanted.chosen else _NO_INTERFACE

    def _look_up(self, raw, family):
        if raw[0] == 255 or (family == 4 and raw[0] >> 4 == 14):
            return _OPEN  # multicast, or broadcast on all networks: any interface, unless the socket has a device
        if family == 6:
            slot = self._find_inet6(raw, 0) if self._more else NONE
            return self.unknown() if slot == NONE else slot
        if raw[0] == 127:
            return self.slot(b"lo", 0, 2)
        if self._kernel is not None:
            slot = self._kernel.interface(self, raw, 0)
            if slot == NONE:
                # An address of a VRF (its own table of routes) is found by the socket's device.
                return _OPEN_LEFT_OUT if self._wanted.chosen else _OPEN
            if slot is not None:
                return slot
        if self._files is None:
            from .fib_files import FibFiles

            self._files = FibFiles(self._net)
        return self._files.interface(self, self._reader(), raw)

    def _of_device(self, raw, family, device, slot):
        if not device:
            return _LEFT_OUT if slot == _OPEN_LEFT_OUT else _NO_INTERFACE
        found = None
        if family == 6:
            found = self._find_inet6(raw, device)
        elif raw[0] and self._kernel is not None:
            found = self._kernel.interface(self, raw, device)
        return self.interface(device) if found is None or found == NONE else found

    def _reader(self):
        if self._lines is None:
            self._lines = ProcLines(4)
        return self._lines

    def _inet6_line(self, buf, start, end):
        # 32 hex digits, five fields in hex, the first of them the interface's index, and its name
        raw = self._raw
        if end - start <= 34 or proc_scan.unhex(buf, start, 32, HEXA, raw, 0, 0):
            return
        slot = self.slot(buf, proc_scan.rfind(buf, start, end, 32), end)
        at = self._position(raw)
        if at >= 0:
            self.table[at] = self.shared(self.table[at], slot)
        elif self.count < _MOST - _LOOKED_UP:
            self.add(slot, raw, 0, 6)
        else:
            self._more = True

    def _find_inet6(self, raw, device):
        # The slot of this IPv6 address. If `device` is not 0, only the interface with that index counts.
        found = NONE
        text = self._sought
        for i in range(16):
            text[2 * i] = _DIGITS[raw[i] >> 4]
            text[2 * i + 1] = _DIGITS[raw[i] & 15]
        # An address is looked up while a file is being read, so this needs its own buffer.
        lines = self._reader()
        if not lines.begin(self._inet6):
            return found
        try:
            while lines.fill():
                start = lines.buf.find(text, lines.start, lines.end)
                while start >= 0:
                    end = lines.buf.find(b"\n", start, lines.end)
                    if not device or device == _hex(lines.buf, start + 33, end):
                        slot = self.slot(lines.buf, proc_scan.rfind(lines.buf, start, end, 32), end)
                        found = slot if found == NONE else self.shared(found, slot)
                    start = lines.buf.find(text, end, lines.end)
        except OSError as e:
            self._inet6.fail(e)
        return found

    def _position(self, raw):
        # The entry of this IPv6 address in the table. Addresses usually differ at their ends.
        table = self.table
        at = _ENTRY_ADDRESS
        for _ in range(self.count):
            i = 15
            while i >= 0 and table[at + i] == raw[i]:
                i -= 1
            if i < 0:
                return at - _ENTRY_ADDRESS
            at += _ENTRY
        return NONE


def _hex(buf, at, end):
    n = 0
    while at < end and HEXA[buf[at]] < 16:
        n = n << 4 | HEXA[buf[at]]
        at += 1
    return n
