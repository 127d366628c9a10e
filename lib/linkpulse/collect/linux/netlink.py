# SPDX-License-Identifier: MIT
"""Reads the sockets of this namespace with sock_diag(7), in a fifth of the time that the text of /proc takes.

Only here the kernel says to which device a socket is bound.

MicroPython can only read until a buffer is full. After one datagram it would continue with the next one and cut it off.
Therefore every dump has records of one size, and it is read into a buffer that whole records fill, so the kernel fills
it too. At the end, their number must be the kernel's own (/proc/net/sockstat). If anything is not as it should be,
`read` returns False, and the text of /proc is read instead.
"""

from array import array
from .proc_lines import ORDER
from .netlink_scan import messages
from .rtnetlink import u32
from ...port import const, socket
from ...port.native import BYTECODE

# Over NLMSG_GOODSIZE, under which the kernel's datagrams do not go, where pages have 4 KB. With larger pages they have
# 8 KB, so from 43 sockets of one kind on the text of /proc is read.
_SIZE = const(4096)
_READS = const(4096)
_BY_FAMILY = const(20)  # SOCK_DIAG_BY_FAMILY, with struct inet_diag_req_v2
_GETSOCK = const(18)  # TCPDIAG_GETSOCK, with struct inet_diag_req: IPv4 and IPv6 in one pass over the kernel's table
_INET, _INET6 = const(2), const(10)
_LISTENERS = const(0x400)  # their IPv6 records have one attribute more
# All others that sockstat counts: not TIME_WAIT, nor the requests that SYN_RECV stands for, nor CLOSE. FIN_WAIT2 comes
# by itself.
_OTHERS = const(0xB16)
_FIN_WAIT2 = const(0x20)
_CLOSE = const(0x80)  # UDP sockets that are not connected
_ESTABLISHED = const(2)
_DUMPS = const(3)  # of TCP
_ALL = const(7)
_INUSE = b"TCP: inuse ", b"TCP6: inuse ", b"UDP: inuse ", b"UDP6: inuse "
# See ../layout.py.
_POS = const(0)
_LISTEN = const(2)
_KNOWN = const(6)
_PORT = const(8)
_SLOT = const(9)
_LENGTH = const(11)
_COUNTED = const(12)
_TIMER = const(18)  # in a message: idiag_timer
_TIME_WAIT = const(3)
_DONE = const(0)
_LISTENING = const(1)
_UNKNOWN = const(2)
_OVER = const(3)
_BROKEN = const(4)


class Netlink:
    """`read(...)` fills the TCP or the UDP half of a sample.SocketTable."""

    def __init__(self, net):
        self._stats = net("sockstat"), net("sockstat6")
        self._file = None
        self._buf = None

    def read(self, state, raw, addresses, into, ports, lines):
        """True if all sockets of the protocol whose state _LISTEN is are in `into`. False if only a part of them is."""
        udp = state[_LISTEN] != 10
        try:
            if self._file is None:
                self._open()
            state[_COUNTED] = 0
            for kind in range(_DUMPS if udp else 0, _ALL if udp else _DUMPS):
                if not self._dump(kind, state, raw, addresses, into, ports):
                    return False
            missing = self._inuse(2 if udp else 0, lines) - state[_COUNTED]
            return not missing or (not udp and missing == self._half_closed())
        except (OSError, AttributeError, MemoryError):
            if self._file is not None:
                self._file.close()  # MicroPython closes no file that is forgotten
                self._file = None
            return False

    def _open(self):
        if self._buf is None:
            self._buf = bytearray(_SIZE)
            self._view = memoryview(self._buf)
            self._requests = (
                _request(_BY_FAMILY, _INET, _LISTENERS),
                _request(_BY_FAMILY, _INET6, _LISTENERS),
                _request(_GETSOCK, _INET, _OTHERS),
                _request(_BY_FAMILY, _INET, _CLOSE, 17),  # IPPROTO_UDP
                _request(_BY_FAMILY, _INET6, _CLOSE, 17),
                _request(_BY_FAMILY, _INET, _ESTABLISHED, 17),
                _request(_BY_FAMILY, _INET6, _ESTABLISHED, 17),
            )
            self._sizes = array("i", (0,) * _ALL)
            self._views = [None] * _ALL
            self._messages = messages
            if BYTECODE:
                from .netlink_plain import Messages

                self._messages = Messages(self._view).messages
        self._file = connect()
        # A first dump, of no socket, tells the kernel how large our buffer is.
        self._file.write(_request(_BY_FAMILY, _INET, 0))
        self._drain()

    def _drain(self):
        for _ in range(_READS):
            if not self._file.readinto(self._view):
                return

    def _dump(self, kind, state, raw, addresses, into, ports):
        if not self._sizes[kind]:
            # The size of the records is not known yet: look at the first one.
            event = self._probe(kind, state, raw, addresses, into)
            if event == _OVER or not self._sizes[kind]:
                return event == _OVER  # there are none
        state[_LENGTH] = self._sizes[kind]
        self._file.write(self._requests[kind])
        for _ in range(_READS):
            n = self._file.readinto(self._views[kind])
            if not n:
                break
            event = self._datagrams(n, state, raw, addresses, into, ports)
            if event == _OVER:
                return True  # nothing follows
            if event == _BROKEN:
                self._sizes[kind] = 0
                self._drain()
                break
        return False

    def _probe(self, kind, state, raw, addresses, into):
        self._file.write(self._requests[kind])
        n = self._file.readinto(self._view)
        if not n:
            return _BROKEN
        state[_POS] = state[_LENGTH] = 0
        event = messages(self._buf, n, state, raw, addresses.table, into.records, into.state)
        if event != _OVER:
            self._drain()
            size = self._sizes[kind] = state[_LENGTH]
            if size:
                self._views[kind] = self._view[: _SIZE // size * size]
        return event

    def _datagrams(self, n, state, raw, addresses, into, ports):
        # Reads the messages in buf[:n]. Returns _DONE, _OVER or _BROKEN.
        state[_POS] = 0
        while True:
            state[_KNOWN] = addresses.count
            event = self._messages(self._buf, n, state, raw, addresses.table, into.records, into.state)
            if event == _LISTENING:
                ports.add(state[_PORT], state[_SLOT])
            elif event == _UNKNOWN:
                addresses.learn(raw, state, u32(self._buf, state[_POS] + 56))  # idiag_if
            else:
                return event

    def _half_closed(self):
        # The number of sockets in FIN_WAIT2, or None if it is not known. The kernel also sends those of which it keeps
        # only what TIME_WAIT needs: in shorter records, so all must fit one read, and sockstat does not count them.
        self._file.write(_request(_GETSOCK, _INET, _FIN_WAIT2))
        end = self._file.readinto(self._view) or 0
        at = found = 0
        while at + 20 <= end:
            length = u32(self._buf, at)
            if self._buf[at + (4 if ORDER else 5)] == 3:  # NLMSG_DONE
                return found
            if length < 88 or at + length > end:
                break
            found += self._buf[at + _TIMER] != _TIME_WAIT
            at += length
        self._drain()
        return None

    def _inuse(self, first, lines):
        # "TCP: inuse 12 orphan 0 …" and "TCP6: inuse 3"; without IPv6 there is no second file.
        total = 0
        for which in range(2):
            key = _INUSE[first + which]
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


def _request(kind, family, states, protocol=6):  # IPPROTO_TCP
    # struct nlmsghdr {length, kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0} and what the kind takes
    length, at = (72, 20) if kind == _BY_FAMILY else (76, 68)
    r = bytearray(length)
    r[0 if ORDER else 3] = length
    r[4 if ORDER else 5] = kind
    r[6 if ORDER else 7] = 1
    r[7 if ORDER else 6] = 3
    r[16] = family
    if kind == _BY_FAMILY:
        r[17] = protocol
    r[at if ORDER else at + 3] = states & 255
    r[at + 1 if ORDER else at + 2] = states >> 8
    return r


def _number(buf, at):
    n = 0
    while 48 <= buf[at] <= 57:
        n = n * 10 + buf[at] - 48
        at += 1
    return n
