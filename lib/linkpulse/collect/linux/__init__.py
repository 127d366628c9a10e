# SPDX-License-Identifier: MIT
"""The collector for Linux. It needs the same memory for ten thousand sockets as for ten.

It reads /proc/net/{dev,tcp,tcp6,udp,udp6}. `proc` may be another root, such as /host_proc/1 for the host of a
container.
"""

import gc
import os
from array import array
from ..interface_filter import InterfaceFilter
from . import proc_scan
from .addresses import Addresses
from .proc_lines import HEXA, ORDER, ProcFile, ProcLines
from ...port import const, mem_free

_TCP = const(10)  # TCP_LISTEN of include/net/tcp_states.h
_UDP = const(7)  # TCP_CLOSE: a UDP socket that is not connected
_ESTABLISHED = const(1)
_ROOM = const(49152)
_NONE = const(256)  # a state that no row has, not even a malformed one
# See ../layout.py.
_POS = const(0)
_DIGITS = const(1)
_LISTEN = const(2)
_CONNECTED = const(3)
_ORDER = const(4)
_LOOPBACK = const(5)
_KNOWN = const(6)
_SKIPPED = const(7)
_PORT = const(8)
_SLOT = const(9)
_BOUND = const(14)
_STATE = const(15)
_DONE = const(0)
_LISTENING = const(1)
_RAW = const(36)

_OTHER = "complete, from %s/net; that namespace's files do not tell the interface of every address"
_OTHER_CHOSEN = _OTHER + ": what may be on an unwanted interface is left out, but not a listener on any address"
_MORE = "; not all interfaces are counted"


class Collector:
    """`counters(into)` fills a sample.Counters, and `sockets(into)` a sample.SocketTable.

    Loopback is left out unless `loopback` is true. `include` and `exclude` choose interfaces by name, and a name may
    end in `*`. `skipped` counts the rows that could not be read since the start.
    """

    width = 64
    counts_from_start = False  # the kernel's totals are older than this process

    def __init__(self, proc="/proc", loopback=False, include=(), exclude=()):
        def net(name, align=1):
            return ProcFile(proc + "/net/" + name, align)

        self._wanted = InterfaceFilter(loopback, include, exclude)
        self._lines = ProcLines()
        self._dev = net("dev")
        self._tcp = (net("tcp", 150), net("tcp6"))
        self._udp = (net("udp", 128), net("udp6"))
        own = _own_namespace(proc)
        self._source = "complete, from /proc/net"
        if not own:
            self._source = (_OTHER_CHOSEN if self._wanted.chosen else _OTHER) % proc
        self._more = False  # there are interfaces that the last report does not count
        self._addresses = Addresses(net, own, self._wanted)
        self._diag = None
        if own and _roomy():
            from .netlink import Netlink

            self._diag = Netlink(net)
        self._state = array("i", (0,) * _STATE)
        self._state[_ORDER] = ORDER
        self._state[_LOOPBACK] = self._wanted.loopback
        self._raw = bytearray(_RAW)
        self._values = array("i", (0,) * 8)
        self._skipped = 0

    @property
    def skipped(self):
        return self._skipped + self._state[_SKIPPED] + self._lines.dropped

    @property
    def source(self):
        return self._source + _MORE if self._more else self._source

    def counters(self, into):
        lines = self._lines
        self._more = False
        if not lines.begin(self._dev):
            into.missing()
            return
        into.begin()
        header = 2
        try:
            while lines.fill():
                end = lines.line()
                while end >= 0:
                    if header:
                        header -= 1
                    else:
                        self._skipped += not self._interface(lines.buf, lines.start, end, into)
                    lines.start = end + 1
                    end = lines.line()
        except OSError as e:
            self._dev.fail(e)
            into.missing()

    def sockets(self, into):
        into.reserve()
        into.begin()
        self._addresses.fill(into.names, self._lines)
        total = self._protocol(_TCP, _ESTABLISHED, into, into.tcp_ports)
        into.tcp_read = total >= 0
        into.tcp_total = max(total, 0)
        total = self._protocol(_UDP, _NONE, into, into.udp_ports)
        into.udp_read = total >= 0
        into.udp_total = max(total, 0)

    def _interface(self, buf, start, end, into):
        while start < end and buf[start] == 32:
            start += 1
        colon = buf.find(b":", start, end)
        if colon < 0:
            return False
        if not self._wanted.name(buf, start, colon):
            return True
        if not proc_scan.columns(buf, colon + 1, end, self._values):
            return False
        counted = into.put(buf, start, colon, self._values)
        self._more = self._more or not counted
        return counted

    def _protocol(self, listen, connected, into, ports):
        # The number of listening ports, or -1 if they could not be read.
        total = -1
        if self._diag is not None:
            total = self._total(True, listen, connected, into, ports)
            if total < 0:
                ports.begin()
                if listen == _TCP:
                    into.begin_tcp()
        return self._total(False, listen, connected, into, ports) if total < 0 else total

    def _total(self, netlink, listen, connected, into, ports):
        # If there are more ports than the table takes, the others are counted in further passes, one table for each
        # pass. This is rare, so the second table is made only then.
        if not self._pass(netlink, listen, connected, into, ports):
            return -1
        total = ports.kept
        skipped = self._state[_SKIPPED]
        dropped = self._lines.dropped
        more = ports.rest(ports)
        while more is not None:
            if not self._pass(netlink, listen, _NONE, into, more):
                return -1
            total += more.kept
            self._state[_SKIPPED] = skipped  # read the same rows again
            self._lines.dropped = dropped
            more = more.rest(ports)
        return total

    def _pass(self, netlink, listen, connected, into, ports):
        state = self._state
        state[_LISTEN] = listen
        state[_CONNECTED] = connected
        if netlink:
            return self._diag.read(state, self._raw, self._addresses, into, ports, self._lines)
        files = self._tcp if listen == _TCP else self._udp
        # Without IPv6 in the kernel, the IPv6 half is missing.
        return self._table(files[0], 8, into, ports) and (self._table(files[1], 32, into, ports) or files[1].absent())

    def _table(self, file, digits, into, ports):
        lines = self._lines
        state = self._state
        addresses = self._addresses
        if not lines.begin(file):
            return False
        state[_DIGITS] = digits
        state[_BOUND] = 0  # /proc does not say it
        header = True
        try:
            while lines.fill():
                if header and lines.end > lines.start:
                    header = False
                    lines.start = lines.line() + 1
                state[_POS] = lines.start
                while True:
                    state[_KNOWN] = addresses.count
                    event = proc_scan.rows(
                        lines.buf, lines.end, state, HEXA, self._raw, addresses.table, into.records, into.state
                    )
                    if event == _DONE:
                        break
                    if event == _LISTENING:
                        ports.add(state[_PORT], state[_SLOT])
                    else:
                        addresses.learn(self._raw, state)
        except OSError as e:
            file.fail(e)
            return False
        return True


def _roomy():
    # sock_diag needs 8 KB for its code and buffer. Reading the text of /proc needs no more memory.
    gc.collect()
    return mem_free() > _ROOM


def _own_namespace(proc):
    # A namespace is known by the inode of its file (namespaces(7)). If that is hidden, it counts as another one.
    try:
        own = os.stat("/proc/self/ns/net")[1]
        try:
            return os.stat(proc + "/ns/net")[1] == own
        except OSError:
            return os.stat(proc + "/self/ns/net")[1] == own
    except OSError:
        return False
