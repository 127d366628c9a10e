# SPDX-License-Identifier: MIT
"""Reads the TCP sockets of this namespace with sock_diag(7), in a fifth of the time that the text of /proc takes.

MicroPython can only read until a buffer is full. After one datagram it would continue with the next one and cut it off.
Therefore every dump has records of one size, and it is read into a buffer that whole records fill, so the kernel fills
it too. At the end, their number must be the kernel's own (/proc/net/sockstat). If anything is not as it should be,
`tcp` returns False, and the text of /proc is read instead.
"""

from array import array
from .proc_lines import ORDER
from .netlink_scan import messages
from .rtnetlink import u32
from ...port import const, socket

_SIZE = const(4096)  # over NLMSG_GOODSIZE, under which the kernel's datagrams do not go
_READS = const(4096)
_INET, _INET6 = const(2), const(10)
_LISTENERS = const(0x480)  # TCP_LISTEN and TCP_CLOSE: their IPv6 records have one attribute more
# All that sockstat counts: not TIME_WAIT, nor the requests that SYN_RECV stands for.
_OTHERS = const(0xB36)
_INUSE = b"TCP: inuse ", b"TCP6: inuse "
# See ../layout.py.
_POS = const(0)
_KNOWN = const(6)
_PORT = const(8)
_SLOT = const(9)
_LENGTH = const(11)
_COUNTED = const(12)
_DONE = const(0)
_LISTENING = const(1)
_UNKNOWN = const(2)
_OVER = const(3)
_BROKEN = const(4)
_LEFT_OUT = const(254)
_NO_INTERFACE = const(255)


class Netlink:
    """`tcp(...)` fills the TCP half of a sample.SocketTable."""

    def __init__(self, net):
        self._stats = net("sockstat"), net("sockstat6")
        self._file = None
        self._buf = None

    def tcp(self, state, raw, addresses, into, lines):
        """True if all TCP sockets are in `into`. False if only a part of them is."""
        try:
            if self._file is None:
                self._open()
            state[_COUNTED] = 0
            for kind in range(4):
                if not self._dump(kind, state, raw, addresses, into):
                    return False
            return not into.tcp_ports.more and state[_COUNTED] == self._inuse(lines)
        except (OSError, AttributeError, MemoryError):
            self._file = None
            return False

    def _open(self):
        if self._buf is None:
            self._buf = bytearray(_SIZE)
            self._view = memoryview(self._buf)
            # struct nlmsghdr {length 72, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, inet_diag_req_v2
            self._request = bytearray(72)
            self._request[0 if ORDER else 3] = 72
            self._request[4 if ORDER else 5] = 20
            self._request[6 if ORDER else 7] = 1
            self._request[7 if ORDER else 6] = 3
            self._request[17] = 6  # IPPROTO_TCP
            self._sizes = array("i", (0, 0, 0, 0))
            self._views = [None] * 4
        self._file = connect()
        # A first dump, of no socket, tells the kernel how large our buffer is.
        self._ask(_INET, 0)
        self._drain()

    def _ask(self, family, states):
        r = self._request
        r[16] = family
        r[20 if ORDER else 23] = states & 255
        r[21 if ORDER else 22] = states >> 8
        self._file.write(r)

    def _drain(self):
        for _ in range(_READS):
            if not self._file.readinto(self._view):
                return

    def _dump(self, kind, state, raw, addresses, into):  # noqa: C901
        family = _INET if kind < 2 else _INET6
        states = _LISTENERS if kind & 1 else _OTHERS
        if not self._sizes[kind]:
            # The size of the records is not known yet: look at the first one.
            self._ask(family, states)
            if not self._file.readinto(self._view):
                return False
            state[_POS] = state[_LENGTH] = 0
            event = messages(self._buf, len(self._buf), state, raw, addresses.table, into.records, into.state)
            self._drain()
            if event == _OVER:
                return True  # there are none
            size = self._sizes[kind] = state[_LENGTH]
            if not size:
                return False
            self._views[kind] = self._view[: _SIZE // size * size]
        state[_LENGTH] = self._sizes[kind]
        self._ask(family, states)
        over = False
        for _ in range(_READS):
            n = self._file.readinto(self._views[kind])
            if not n:
                break
            state[_POS] = 0
            event = _UNKNOWN
            while event != _DONE and event < _OVER:
                state[_KNOWN] = addresses.count
                event = messages(self._buf, n, state, raw, addresses.table, into.records, into.state)
                if event == _LISTENING:
                    self._listening(state, addresses, into.tcp_ports)
                elif event == _UNKNOWN:
                    addresses.learn(raw, state, self._device(state[_POS]))
            if event == _BROKEN:
                self._sizes[kind] = 0
                self._drain()
                return False
            over = event == _OVER
        return over

    def _listening(self, state, addresses, ports):
        slot = state[_SLOT]
        if slot == _NO_INTERFACE:
            # It listens on any address, but perhaps of one device only.
            device = self._device(state[_POS] - state[_LENGTH])
            if device:
                slot = addresses.interface(device)
        if slot != _LEFT_OUT:
            ports.add(state[_PORT], slot)

    def _device(self, at):
        return u32(self._buf, at + 56)  # idiag_if of the message at `at`

    def _inuse(self, lines):
        # "TCP: inuse 12 orphan 0 …" and "TCP6: inuse 3"; without IPv6 there is no second file.
        total = 0
        for which in range(2):
            key = _INUSE[which]
            if lines.begin(self._stats[which]):
                while lines.fill():
                    at = lines.buf.find(key, lines.start, lines.end)
                    if at >= 0:
                        total += _number(lines.buf, at + len(key))
                        break
        return total


def connect():
    """A file of the kernel's sock_diag. Its reads and writes never wait."""
    s = socket.socket(16, 3, 4)  # AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG
    s.setblocking(False)
    return s.makefile("rwb", 0)


def _number(buf, at):
    n = 0
    while 48 <= buf[at] <= 57:
        n = n * 10 + buf[at] - 48
        at += 1
    return n
