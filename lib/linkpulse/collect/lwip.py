"""lwIP's own tables and interface counters, through the C module lwipstat (firmware/lwipstat/README.md).

Complete: whatever opened a socket, and DHCP's UDP port 68. Counters began with this boot, so the first report has them.
"""

from array import array
from lwipstat import interfaces, tcp, udp  # by name: a folder of that name is no such module
from linkpulse.collect.wanted import Wanted, is_loopback
from linkpulse.names import NO_INTERFACE
from micropython import const

_SOCKET = const(40)
_INTERFACE = const(48)
_LISTEN = const(1)  # enum tcp_state of lwIP's tcpbase.h
_ESTABLISHED = const(4)
_BOTH = const(46)  # a wildcard for IPv4 and IPv6
_MOST = const(256)


class Collector:
    """Loopback is left out unless `loopback`; `include` or `exclude` choose interfaces (collect/wanted.py)."""

    width = 64
    counts_from_start = True
    source = "lwIP's tables and interfaces (lwipstat)"
    skipped = 0  # records have one form

    def __init__(self, loopback=False, include=(), exclude=(), rows=16):
        self._wanted = Wanted(loopback, include, exclude)
        self._rows = bytearray(_SOCKET * rows)
        self._interfaces = bytearray(_INTERFACE * 4)
        self._count = 0
        self._values = array("i", (0,) * 8)

    def counters(self, into):
        self._read_interfaces()
        into.begin()
        buf = self._interfaces
        for i in range(self._count):
            at = i * _INTERFACE
            end = _name_end(buf, at)
            if self._wanted.name(buf, at, end):
                for k in range(4):
                    field = at + 16 + 8 * k
                    self._values[2 * k] = buf[field] | buf[field + 1] << 8 | buf[field + 2] << 16
                    high = buf[field + 3] | buf[field + 4] << 8 | buf[field + 5] << 16
                    self._values[2 * k + 1] = high | (buf[field + 6] & 63) << 24
                into.put(buf, at, end, self._values)

    def sockets(self, into):
        self._read_interfaces()
        into.begin()
        for i in range(self._fill(tcp)):
            at = i * _SOCKET
            state = self._rows[at]
            if state == _LISTEN or state == _ESTABLISHED:
                self._socket(into, at, state == _LISTEN, into.tcp_ports)
        into.tcp_read = True
        into.tcp_total = into.tcp_ports.kept
        for i in range(self._fill(udp)):
            at = i * _SOCKET
            if _open(self._rows, at) and (self._rows[at + 4] or self._rows[at + 5]):
                self._socket(into, at, True, into.udp_ports)
        into.udp_read = True
        into.udp_total = into.udp_ports.kept

    def _socket(self, into, at, listening, ports):
        buf = self._rows
        if not self._wanted.loopback and is_loopback(buf, at + 8, buf[at + 1]):
            return
        slot = NO_INTERFACE
        if not (listening and buf[at + 1] == _BOTH) and buf[at + 2]:
            for i in range(self._count):
                entry = i * _INTERFACE
                if self._interfaces[entry + 8] == buf[at + 2]:
                    end = _name_end(self._interfaces, entry)
                    if not self._wanted.name(self._interfaces, entry, end):
                        return
                    slot = into.names.find(self._interfaces, entry, end)
        local = buf[at + 4] | buf[at + 5] << 8
        if listening:
            ports.add(local, slot)
        else:
            into.add(slot, buf[at + 1], local, buf[at + 6] | buf[at + 7] << 8, buf, at + 24)

    def _read_interfaces(self):
        n = interfaces(self._interfaces)
        self._count = min(n, len(self._interfaces) // _INTERFACE)

    def _fill(self, read):
        # lwIP has few sockets by its configuration. Should there be more than rows, they get room once.
        n = read(self._rows)
        if n * _SOCKET > len(self._rows) and len(self._rows) < _MOST * _SOCKET:
            self._rows = bytearray(_SOCKET * min(n + 4, _MOST))
            n = read(self._rows)
        return min(n, len(self._rows) // _SOCKET)


def _open(buf, at):
    # A UDP socket that takes what any address sends. DHCP's client has only the server's port for its remote end.
    if buf[at]:
        for i in range(at + 24, at + 40):
            if buf[i]:
                return False
    return True


def _name_end(buf, at):
    end = at
    while end < at + 8 and buf[end]:
        end += 1
    return end
