# SPDX-License-Identifier: MIT
"""Finds the interface of an IPv4 address in this namespace with rtnetlink(7): one question and one answer for each.

The answer to RTM_GETROUTE with RTM_F_FIB_MATCH (Linux 4.13) is the entry in the table of local addresses, which names
the interface. A dump of all addresses would be simpler, but MicroPython cannot see where one datagram of a dump ends,
and cuts off the next one.
"""

from .proc_lines import ORDER
from ...port import const, socket

_NONE = const(-1)  # no interface has this address: NONE in addresses.py
_NEWLINK, _GETLINK, _NEWROUTE, _GETROUTE = const(16), const(18), const(24), const(26)
_ERROR = const(2)  # NLMSG_ERROR
_OPNOTSUPP = const(161)  # the last byte of -EOPNOTSUPP
_LOCAL, _BROADCAST = const(2), const(3)  # RTN_LOCAL, RTN_BROADCAST
_DST, _OIF, _IFNAME = const(1), const(4), const(3)
_INET = const(2)


class Rtnetlink:
    """`interface(...)` and `name(...)` return slots."""

    def __init__(self):
        self._file = None
        self._works = True  # whether the kernel knows this request
        self._slot = _NONE
        self.begin()
        # The answer about an interface is longer than this, but its name is at the beginning.
        self._answer = bytearray(128)
        # struct nlmsghdr {length 44, RTM_GETROUTE, NLM_F_REQUEST, 1, 0}, struct rtmsg {AF_INET, 32, …, flags
        # RTM_F_FIB_MATCH}, RTA_DST, RTA_OIF
        self._route = _message(44, _GETROUTE)
        self._route[16] = _INET
        self._route[17] = 32
        _put(self._route, 24, 0x2000)
        _attribute(self._route, 28, _DST)
        _attribute(self._route, 36, _OIF)
        # struct nlmsghdr {length 32, RTM_GETLINK, …}, struct ifinfomsg
        self._link = _message(32, _GETLINK)

    def begin(self):
        """Starts a new sample: interfaces may have new names, and failed requests may be tried again."""
        self._device = 0
        self._refused = False

    def interface(self, addresses, raw, device):
        """The slot of the interface whose IPv4 address, or broadcast address, raw[0:4] is. Unless `device` is 0, only
        that index counts.

        Returns _NONE if no interface has the address, and None if this kernel cannot be asked.
        """
        request = self._route
        for i in range(4):
            request[32 + i] = raw[i]
        _put(request, 40, device)
        end = self._ask(request) if self._works else None
        if end is None:
            return None
        answer = self._answer
        kind = _u16(answer, 4)
        if kind == _ERROR and end >= 20:
            return None if answer[16 if ORDER else 19] == _OPNOTSUPP else _NONE
        if kind != _NEWROUTE or end < 28:
            return None
        if answer[25 if ORDER else 26] & 2:  # RTM_F_CLONED: kernels before 4.13 answer with lo for every address
            self._works = False
            return None
        at = _find(answer, 28, end, _OIF)
        if not _LOCAL <= answer[23] <= _BROADCAST or answer[17] != 32 or not at:
            return _NONE
        return self.name(addresses, u32(answer, at))

    def name(self, addresses, device):
        """The slot of the interface with the index `device`, or _NONE if there is none."""
        if device == self._device:
            return self._slot
        _put(self._link, 20, device)
        end = self._ask(self._link)
        answer = self._answer
        if end is None or end < 40 or _u16(answer, 4) != _NEWLINK:
            return _NONE
        at = _find(answer, 32, end, _IFNAME)
        stop = at
        while at and stop < end and answer[stop]:
            stop += 1
        if stop == at or stop == end:
            return _NONE
        self._device = device
        self._slot = addresses.slot(answer, at, stop)
        return self._slot

    def _ask(self, request):
        # The end of the answer, or None.
        if self._refused:
            return None
        try:
            if self._file is None:
                self._file = connect()
            self._file.write(request)
            # The answer is one datagram, and it is there when the request was sent. The part that does not fit is
            # dropped.
            n = self._file.readinto(self._answer)
            if n and n >= 16:
                return n
        except (OSError, AttributeError):
            pass
        self._refused = True
        if self._file is not None:
            self._file.close()
            self._file = None
        return None


def connect():
    """A file of the kernel's rtnetlink. Its reads and writes never wait."""
    s = socket.socket(16, 3, 0)  # AF_NETLINK, SOCK_RAW, NETLINK_ROUTE
    s.setblocking(False)
    return s.makefile("rwb", 0)


def _message(length, kind):
    request = bytearray(length)
    _put(request, 0, length)
    request[4 if ORDER else 5] = kind
    request[6 if ORDER else 7] = 1  # NLM_F_REQUEST
    _put(request, 8, 1)
    return request


def _attribute(request, at, kind):
    request[at if ORDER else at + 1] = 8
    request[at + 2 if ORDER else at + 3] = kind


def _put(request, at, n):
    for i in range(4):
        request[at + (i if ORDER else 3 - i)] = n >> 8 * i & 255


def u32(buf, at):
    """The 32-bit number at buf[at:], in this machine's byte order."""
    n = 0
    for i in range(4):
        n |= buf[at + i] << 8 * (i if ORDER else 3 - i)
    return n


def _u16(buf, at):
    return buf[at] | buf[at + 1] << 8 if ORDER else buf[at] << 8 | buf[at + 1]


def _find(buf, at, end, kind):
    # struct rtattr: length, type, value; aligned to four. Returns the offset of the value, or 0 if there is none.
    while at + 8 <= end:
        if _u16(buf, at + 2) == kind:
            return at + 4
        at += (max(_u16(buf, at), 4) + 3) & ~3
    return 0
