# SPDX-License-Identifier: MIT
"""Counts at the socket layer, for stock firmware whose network stack cannot be read (ESP32, ESP8266, Pico W, ...).

    from linkpulse.collect.counted import install; install()

Call it early, best in boot.py, because sockets that exist already are not seen. Modules that have imported `socket`
before get the counted one, too; code that did `from socket import socket` keeps the platform's.

From then on every socket made in Python is counted: its bytes (below TLS, if it uses TLS), the port that it listens on,
and the remote end that it is connected to. Sockets that firmware makes in C (DHCP, DNS, mDNS) are not seen. Packets are
estimated: one for each 1,460 bytes of TCP, one for each datagram. The local port of an outgoing connection is not known
and is left out. A listener whose port the platform chose is left out, too.

Close your sockets. A socket that was dropped without close() stays in the table until two more reports were accepted
(ledger.Ledger), and a listener until its port is used again. Errors are raised as the platform's socket raises them.
Under TLS, whose C code calls the socket, they are returned as -errno, and TLS raises them.
"""

from .ledger import CONNECTED, DATAGRAM, LISTENING
from .socket_proxy import install
from ..interface_filter import is_loopback
from ...sample.names import NO_INTERFACE

_NAME = b"sockets"


class Collector:
    """Fills a sample from the ledger of all counted sockets, which `install` makes. They count as one interface.

    A connection that ended between two reports is in the next report, too. It is there once, however often it was made.
    """

    width = 64
    counts_from_start = True

    def __init__(self, loopback=False, ledger=None):
        self._ledger = ledger or install()
        self._loopback = loopback

    @property
    def source(self):
        text = "this program's own sockets; packets estimated; contacts that ended included, %d met %d times"
        return text % self._ledger.ended()

    @property
    def skipped(self):
        return self._ledger.missed

    def counters(self, into):
        into.begin()
        into.put(_NAME, 0, len(_NAME), self._ledger.totals())

    def sockets(self, into):
        into.begin()
        for i in range(self._ledger.capacity):
            if self._ledger.kind(i) >= CONNECTED and self._reported(i):
                self._connection(into, i)
        self._ledger.hand_on()
        into.tcp_total = self._ports(LISTENING, into.tcp_ports)
        into.udp_total = self._ports(DATAGRAM, into.udp_ports)
        into.tcp_read = into.udp_read = True

    def accepted(self):
        """Called when the report of the last sample was accepted."""
        self._ledger.forget()

    def _reported(self, i):
        return self._loopback or not is_loopback(self._ledger.buffer, self._ledger.address(i), self._ledger.family(i))

    def _connection(self, into, i):
        entries = self._ledger
        at = entries.address(i)
        into.add(NO_INTERFACE, entries.family(i), entries.local(i), entries.remote(i), entries.buffer, at)

    def _ports(self, kind, ports):
        total = 0
        table = ports
        while table is not None:
            for i in range(self._ledger.capacity):
                if self._ledger.kind(i) == kind and self._reported(i):
                    table.add(self._ledger.local(i), NO_INTERFACE)
            total += table.kept
            table = table.rest(ports)
        return total
