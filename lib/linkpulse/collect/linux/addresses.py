"""Which interface a local address belongs to, on Linux.

IPv6 from /proc/net/if_inet6; IPv4 from a netlink dump of addresses (rtnetlink(7), RTM_GETADDR) where netlink speaks of
the namespace that is being read, otherwise from the networks of /proc/net/route.
"""

import sys
from array import array
from . import proc_scan
from ...port import const
from ...sample.names import NO_INTERFACE

ENTRY = const(18)  # slot, family, address
LEFT_OUT = const(254)  # the slot of an interface that the owner does not want reported

_ENTRIES = const(32)  # at first, and as many more each time
_MOST = const(256)
_ROUTE = const(9)  # slot, network, mask
_ROUTES = const(32)
# struct nlmsghdr {length 20, RTM_GETADDR 22, NLM_F_REQUEST | NLM_F_DUMP, 1, 0} and rtgenmsg {AF_INET}.
if sys.byteorder == "little":
    _REQUEST = array("I", (20, 0x03010016, 1, 0, 2))
else:
    _REQUEST = array("I", (20, 0x00160301, 1, 0, 0x02000000))
_NEWADDR = const(20)
_IFA_LOCAL = const(2)
_IFA_LABEL = const(3)

HEXA = bytearray(b"\xff" * 256)
for _i in range(16):
    HEXA[b"0123456789ABCDEF"[_i]] = HEXA[b"0123456789abcdef"[_i]] = _i

ORDER = 3 if sys.byteorder == "little" else 0  # /proc prints addresses as words of the host


class Addresses:
    """The table in which local addresses are looked up: ENTRY bytes an address, filled anew for each sample."""

    def __init__(self, net, own_namespace, wanted):
        self.table = bytearray(ENTRY * _ENTRIES)
        self.count = self._filled = self._next = 0
        self._wanted = wanted
        self._inet6 = net("if_inet6")
        self._route = net("route")
        self._routes = bytearray(_ROUTE * _ROUTES)
        self._route_count = 0
        self._netlink = _Netlink() if own_namespace else None

    def fill(self, names, lines):
        """Reads all local addresses. `names` (sample.Names) keeps the interfaces, `lines` lends its buffer."""
        self.count = self._filled = self._next = self._route_count = 0
        self._names = names
        self._read(lines, self._inet6)
        if self._netlink is None or not self._netlink.dump(self, lines.buf):
            self._read(lines, self._route)
        self._filled = self.count

    def learn(self, raw, at, family):
        """An address that `fill` did not see (raw[at:]): looks it up among the networks and keeps it."""
        slot = NO_INTERFACE
        if family == 4:
            if raw[at] == 127:
                slot = self.slot(b"lo", 0, 2)
            else:
                slot = self._route_to(raw, at)
        self.add(slot, raw, at, family)

    def add(self, slot, raw, at, family):
        if self._next == len(self.table) // ENTRY:
            if self._next < _MOST:
                self.table.extend(bytes(ENTRY * _ENTRIES))  # a host of many addresses gets its room once
            else:
                # What was looked up gives way to what is; what `fill` read stays, but for the last one.
                self._next = min(self._filled, _MOST - 1)
        entry = self._next * ENTRY
        self.table[entry] = slot
        self.table[entry + 1] = family
        for i in range(4 if family == 4 else 16):
            self.table[entry + 2 + i] = raw[at + i]
        self._next += 1
        self.count = max(self.count, self._next)

    def slot(self, buf, start, end):
        if not self._wanted.name(buf, start, end):
            return LEFT_OUT
        return self._names.find(buf, start, end)

    def _read(self, lines, file):
        if not lines.begin(file):
            return
        try:
            while lines.fill():
                end = lines.line()
                while end >= 0:
                    if file is self._inet6:
                        self._inet6_line(lines.buf, lines.start, end)
                    else:
                        self._route_line(lines.buf, lines.start, end)
                    lines.start = end + 1
                    end = lines.line()
        except OSError as e:
            file.fail(e)

    def _inet6_line(self, buf, start, end):
        # 32 hex digits, five fields, name
        if end - start > 34 and not proc_scan.unhex(buf, start, 32, HEXA, buf, start, 0):
            self.add(self.slot(buf, proc_scan.rfind(buf, start, end, 32), end), buf, start, 6)

    def _route_line(self, buf, start, end):
        # name, destination, gateway, flags, three numbers, mask, …: separated by tabs, addresses as words of the host
        name = proc_scan.find(buf, start, end, 9)
        mask = start
        for _ in range(7):
            mask = proc_scan.find(buf, mask, end, 9) + 1
        if self._route_count == _ROUTES or end - mask < 8:
            return
        entry = self._route_count * _ROUTE
        bad = proc_scan.unhex(buf, name + 1, 8, HEXA, self._routes, entry + 1, ORDER)
        if not bad | proc_scan.unhex(buf, mask, 8, HEXA, self._routes, entry + 5, ORDER):
            self._routes[entry] = self.slot(buf, start, name)
            self._route_count += 1

    def _route_to(self, raw, at):
        # The longest network around the address; a default route says nothing of where an address lives.
        best = NO_INTERFACE
        longest = 0  # by the sum of the mask's bytes, which orders masks by length
        for route in range(self._route_count):
            entry = route * _ROUTE
            bits = 0
            for i in range(4):
                mask = self._routes[entry + 5 + i]
                if raw[at + i] & mask != self._routes[entry + 1 + i]:
                    bits = -1
                    break
                bits += mask
            if bits > longest:
                longest = bits
                best = self._routes[entry]
        return best


class _Netlink:
    """A dump of this namespace's IPv4 addresses."""

    def __init__(self):
        self._file = None

    def dump(self, into, buf):
        """Adds every address to `into`. False when the kernel refused or the answer was larger than `buf`."""
        try:
            if self._file is None:
                from ...port import socket

                self._socket = socket.socket(16, 3, 0)  # AF_NETLINK, SOCK_RAW, NETLINK_ROUTE
                self._socket.setblocking(False)
                self._file = self._socket.makefile("rwb", 0)
            self._file.write(_REQUEST)
            whole = True
            # A dump is made while it is read, and ends with nothing to read; bounded all the same.
            for _ in range(_ENTRIES):
                n = self._file.readinto(buf)
                if not n:
                    return whole
                # A full buffer may have cut an answer, and between two messages nothing would show it.
                whole = self._messages(into, buf, n) and n < len(buf) and whole
        except (OSError, AttributeError, ImportError):
            self._file = None
        return False

    def _messages(self, into, buf, n):
        at = 0
        while at + 16 <= n:
            size = _u16(buf, at if ORDER else at + 2)  # the low half of 32 bits
            if size < 16 or at + size > n:
                return False
            if _u16(buf, at + 4) == _NEWADDR:
                self._address(into, buf, at + 24, at + size)
            at += (size + 3) & ~3
        return True

    def _address(self, into, buf, at, end):
        # struct rtattr: length, type, value; aligned to four
        address = label = 0
        label_end = 0
        while at + 4 <= end:
            size = _u16(buf, at)
            if size < 4 or at + size > end:
                return
            kind = _u16(buf, at + 2)
            if kind == _IFA_LOCAL and size == 8:
                address = at + 4
            elif kind == _IFA_LABEL:
                label = at + 4
                # An alias such as eth0:1 is an address of eth0.
                label_end = proc_scan.find(buf, label, proc_scan.find(buf, label, at + size, 0), 58)
            at += (size + 3) & ~3
        if address and label_end > label:
            into.add(into.slot(buf, label, label_end), buf, address, 4)


def _u16(buf, at):
    if ORDER:
        return buf[at] | buf[at + 1] << 8
    return buf[at] << 8 | buf[at + 1]
