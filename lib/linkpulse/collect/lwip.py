# SPDX-License-Identifier: MIT
"""Reads lwIP's own tables and counters with the C module lwipstat (firmware/lwipstat/README.md).

It sees all sockets, whatever opened them, and also DHCP's UDP port 68. The counters started at zero with this boot, so
the first report contains them.
"""

from array import array
from .interface_filter import InterfaceFilter, is_loopback
from ..port import const
from ..sample.names import NO_INTERFACE
from lwipstat import interfaces, tcp, udp  # by name, because a folder lwipstat could also be imported

_SOCKET = const(40)
_INTERFACE = const(48)
_LISTEN = const(1)  # enum tcp_state of lwIP's tcpbase.h
_ESTABLISHED = const(4)
_COUNTED = const(4)
_MOST = const(256)


class Collector:
    """The collector for lwIP. `loopback`, `include` and `exclude` choose interfaces (InterfaceFilter)."""

    width = 64
    counts_from_start = True
    source = "complete, from lwIP's tables and interfaces (lwipstat)"

    def __init__(self, loopback=False, include=(), exclude=(), rows=16):
        self._wanted = InterfaceFilter(loopback, include, exclude)
        self._rows = bytearray(_SOCKET * rows)
        self._interfaces = bytearray(_INTERFACE * 4)
        self._count = 0
        self.skipped = 0  # the number of records that did not fit
        self._values = array("i", (0,) * 8)

    def counters(self, into):
        self._read_interfaces()
        into.begin()
        buf = self._interfaces
        counted = uncounted = 0
        for i in range(self._count):
            at = i * _INTERFACE
            end = _name_end(buf, at)
            if not self._wanted.name(buf, at, end):
                continue
            if not buf[at + 9] & _COUNTED:
                uncounted += 1
            else:
                counted += 1
                for k in range(4):
                    field = at + 16 + 8 * k
                    self._values[2 * k] = buf[field] | buf[field + 1] << 8 | buf[field + 2] << 16
                    high = buf[field + 3] | buf[field + 4] << 8 | buf[field + 5] << 16
                    self._values[2 * k + 1] = high | (buf[field + 6] & 63) << 24
                into.put(buf, at, end, self._values)
        if uncounted and not counted:
            into.missing()  # such as PPP, whose bytes nobody counts: zero would be wrong

    def sockets(self, into):
        self._read_interfaces()
        into.begin()
        n = self._fill(tcp)
        for i in range(n):
            if self._rows[i * _SOCKET] == _ESTABLISHED:
                self._socket(into, i * _SOCKET, None)
        into.tcp_total = self._listening(into, n, _LISTEN, into.tcp_ports)
        into.tcp_read = True
        n = self._fill(udp)
        into.udp_total = self._listening(into, n, 0, into.udp_ports)
        into.udp_read = True

    def _listening(self, into, n, state, ports):
        # For the true number, count the ports that do not fit the table in further passes, one table for each pass.
        total = 0
        table = ports
        while table is not None:
            for i in range(n):
                at = i * _SOCKET
                if self._rows[at] == state and (self._rows[at + 4] or self._rows[at + 5]):
                    self._socket(into, at, table)
            total += table.kept
            table = table.rest(ports)
        return total

    def _socket(self, into, at, ports):
        buf = self._rows
        if not self._wanted.loopback and is_loopback(buf, at + 8, buf[at + 1]):
            return
        slot = NO_INTERFACE
        if buf[at + 2]:
            for i in range(self._count):
                entry = i * _INTERFACE
                if self._interfaces[entry + 8] == buf[at + 2]:
                    end = _name_end(self._interfaces, entry)
                    if not self._wanted.name(self._interfaces, entry, end):
                        return
                    slot = into.names.find(self._interfaces, entry, end)
        local = buf[at + 4] | buf[at + 5] << 8
        if ports is not None:
            ports.add(local, slot)
        else:
            into.add(slot, buf[at + 1], local, buf[at + 6] | buf[at + 7] << 8, buf, at + 24)

    def _read_interfaces(self):
        n = interfaces(self._interfaces)
        if n * _INTERFACE > len(self._interfaces):
            self._interfaces = bytearray(_INTERFACE * n)
            n = interfaces(self._interfaces)
        self._count = min(n, len(self._interfaces) // _INTERFACE)

    def _fill(self, read):
        # lwIP's configuration allows few sockets. If there are more than rows, make room for them once.
        n = read(self._rows)
        if n * _SOCKET > len(self._rows) and len(self._rows) < _MOST * _SOCKET:
            self._rows = bytearray(_SOCKET * min(n + 4, _MOST))
            n = read(self._rows)
        room = len(self._rows) // _SOCKET
        if n > room:
            self.skipped += n - room
            n = room
        return n


def _name_end(buf, at):
    end = at
    while end < at + 8 and buf[end]:
        end += 1
    return end
