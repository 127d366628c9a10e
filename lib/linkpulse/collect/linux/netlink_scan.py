# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""The loop over the messages of sock_diag(7). One source serves two compilers: see proc_scan.py."""

from .classify import classify
from ...port import const

# See ../layout.py.
_POS = const(0)
_LISTEN = const(2)
_CONNECTED = const(3)
_ORDER = const(4)
_LENGTH = const(11)
_COUNTED = const(12)
_BOUND = const(14)
_DONE = const(0)
_UNKNOWN = const(2)
_OVER = const(3)
_BROKEN = const(4)
_LOCAL_PORT = const(16)
_REMOTE = const(18)
_REMOTE_PORT = const(34)


def ptr8(buf):
    return buf


def ptr32(buf):
    return buf


def messages(buf, end: int, st, raw, addresses, records, table) -> int:
    """Reads messages (struct nlmsghdr, struct inet_diag_msg) from buf[st[_POS]:end]. It continues where it stopped.

    Returns _DONE at the end of the range, _OVER at the end of the dump, _BROKEN for a wrong message, or what `classify`
    returns. If the length of the messages is not known yet, it takes that of the first one and stops.
    """
    b = ptr8(buf)
    s = ptr32(st)
    r = ptr8(raw)
    little = int(s[_ORDER])
    pos = int(s[_POS])
    while pos < end:
        if pos + 16 > end:
            return _BROKEN
        if little:
            length = int(b[pos]) | int(b[pos + 1]) << 8
            kind = int(b[pos + 4])
        else:
            length = int(b[pos + 3]) | int(b[pos + 2]) << 8
            kind = int(b[pos + 5])
        if length < 16 or pos + length > end:
            return _BROKEN
        if kind == 3:  # NLMSG_DONE
            return _OVER
        if (kind != 20 and kind != 18) or length < 88:  # SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK
            return _BROKEN
        if int(s[_LENGTH]) == 0:
            s[_LENGTH] = length
            return _BROKEN
        if length != int(s[_LENGTH]):
            return _BROKEN
        state = int(b[pos + 17])
        listening = 1 if state == int(s[_LISTEN]) else 0
        event = _DONE
        if listening or state == int(s[_CONNECTED]):
            i = 0
            while i < 16:
                r[i] = b[pos + 24 + i]
                r[_REMOTE + i] = b[pos + 40 + i]
                i += 1
            r[_LOCAL_PORT] = b[pos + 20]
            r[_LOCAL_PORT + 1] = b[pos + 21]
            r[_REMOTE_PORT] = b[pos + 22]
            r[_REMOTE_PORT + 1] = b[pos + 23]
            s[_BOUND] = int(b[pos + 56]) | int(b[pos + 57]) | int(b[pos + 58]) | int(b[pos + 59])  # idiag_if
            event = int(classify(raw, 4 if b[pos + 16] == 2 else 6, listening, st, addresses, records, table))
            if event == _UNKNOWN:
                s[_POS] = pos
                return _UNKNOWN
        s[_COUNTED] = int(s[_COUNTED]) + 1
        pos += length
        if event:
            s[_POS] = pos
            return event
    s[_POS] = pos
    return _DONE
