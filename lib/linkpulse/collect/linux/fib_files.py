# SPDX-License-Identifier: MIT
"""Finds the interface of an IPv4 address in the files of another namespace, whose kernel tables cannot be asked.

/proc/net/route has the networks of each interface. /proc/net/fib_trie has all local addresses, but not their
interfaces. An address belongs to an interface if only this interface has a network around it, if some interface has an
address in that network, which the network's broadcast address shows, and if no other local address is in it. For any
other address, the interface is not known.
"""

from . import proc_scan
from .proc_lines import HEXA, ORDER
from ...port import const

_NONE = const(-1)  # no interface has this address: NONE in addresses.py
# See ../layout.py.
_OPEN = const(252)
_OPEN_LEFT_OUT = const(253)
_LEFT_OUT = const(254)
_NO_INTERFACE = const(255)
_GATEWAY = const(2)  # RTF_GATEWAY: the network is behind a gateway, and not on the interface


class FibFiles:
    """`interface(...)` reads both files for one address. It needs no memory of its own."""

    def __init__(self, net):
        self._route = net("route")
        self._trie = net("fib_trie")
        self._network = bytearray(8)  # address and mask in the current line
        self._longest = bytearray(8)  # the networks around the address
        self._leaf = bytearray(4)
        self._take_route = self._route_line  # a method that is taken from its object needs heap
        self._take_trie = self._trie_line

    def interface(self, addresses, lines, raw):
        """The slot for the IPv4 address raw[0:4], or the slot of none if its interface is not known."""
        self._raw = raw
        self._addresses = addresses
        self._found = _NONE
        for i in range(8):
            self._longest[i] = 0
        self._here = self._others = self._ends = 0
        self._counting = False
        whole = lines.each(self._route, self._take_route) and lines.each(self._trie, self._take_trie)
        found = self._found
        if not whole or found == _NONE or self._here != 1 or not self._ends:
            return addresses.unknown()
        if found == _OPEN_LEFT_OUT or found == _LEFT_OUT:
            return _LEFT_OUT
        return _NO_INTERFACE if found == _OPEN or self._others else found

    def _route_line(self, buf, start, end):  # noqa: C901
        # name, destination, gateway, flags, three numbers, mask, …: separated by tabs; addresses in the host's byte
        # order
        name = proc_scan.find(buf, start, end, 9)
        mask = name + 1
        flags = 0
        for i in range(6):
            if i == 3 and mask <= end:  # not in a line that is too short
                flags = HEXA[buf[mask - 2]]
            mask = proc_scan.find(buf, mask, end, 9) + 1
        # The name * stands for none: a network whose packets are refused or dropped (ip route add blackhole).
        if end - mask < 8 or flags & _GATEWAY or (buf[start] == 42 and name == start + 1):
            return
        network = self._network
        bad = proc_scan.unhex(buf, name + 1, 8, HEXA, network, 0, ORDER)
        if bad | proc_scan.unhex(buf, mask, 8, HEXA, network, 4, ORDER) or not network[4]:
            return  # also a default route, which does not say where an address is
        longer = 0
        for i in range(4):
            if self._raw[i] & network[4 + i] != network[i]:
                return
            longer += network[4 + i] - self._longest[4 + i]
        slot = self._addresses.slot(buf, start, name)
        self._found = slot if self._found == _NONE else self._addresses.shared(self._found, slot)
        if longer > 0:
            for i in range(8):
                self._longest[i] = network[i]

    def _trie_line(self, buf, start, end):
        # "Local:", "  |-- 192.0.2.1", "     /32 host LOCAL" or "     /32 link BROADCAST". Main may repeat them.
        while start < end and buf[start] == 32:
            start += 1
        n = end - start
        if n > 4 and buf[start] == 124:
            _dotted(buf, start + 4, end, self._leaf)
        elif buf[end - 1] == 58:
            self._counting = buf[start] != 77
        elif self._counting and n > 9 and buf[start + 1] == 51 and buf[start + 3] == 32:
            kind = buf[end - 5]
            same = inside = last = True
            for i in range(4):
                leaf = self._leaf[i]
                mask = self._longest[4 + i]
                same = same and leaf == self._raw[i]
                inside = inside and leaf & mask == self._longest[i]
                last = last and leaf | mask == 255
            if kind == 76:  # LOCAL
                self._here += same
                self._others += inside and not same
            elif kind == 68:  # BROADCAST: a route to an interface without an address does not make one
                self._ends += inside and last


def _dotted(buf, at, end, into):
    part = n = 0
    while at < end:
        if buf[at] == 46:
            into[part] = n & 255
            part = min(part + 1, 3)
            n = 0
        else:
            n = n * 10 + buf[at] - 48
        at += 1
    into[part] = n & 255
