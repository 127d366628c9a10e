# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""Decides what to do with one socket on Linux: leave it out, or take it as a listening port or as a connection.

One source serves two compilers: see proc_scan.py.
"""

from ...port import const

# See ../layout.py.
_LOOPBACK = const(5)
_KNOWN = const(6)
_PORT = const(8)
_SLOT = const(9)
_HINT = const(10)
_ANSWER = const(13)
_BOUND = const(14)
_DONE = const(0)
_LISTENING = const(1)
_UNKNOWN = const(2)
_LOCAL_PORT = const(16)
_REMOTE = const(18)
_REMOTE_PORT = const(34)
_TOTAL = const(0)
_CAPACITY = const(1)
_RANDOM_A = const(2)
_RANDOM_B = const(3)
_RECORD_SLOT = const(0)
_RECORD_FAMILY = const(1)
_RECORD_PORT = const(2)
_RECORD_REMOTE_PORT = const(4)
_RECORD_REMOTE = const(6)
_RECORD = const(22)
_ENTRY_SLOT = const(0)
_ENTRY_FAMILY = const(1)
_ENTRY_ADDRESS = const(2)
_ENTRY = const(18)
_OPEN = const(252)
_OPEN_LEFT_OUT = const(253)
_LEFT_OUT = const(254)
_NO_INTERFACE = const(255)


def ptr8(buf):
    return buf


def ptr32(buf):
    return buf


def classify(raw, family: int, listening: int, st, addresses, records, table) -> int:
    """Takes the socket in `raw`. Returns _DONE, or _LISTENING or _UNKNOWN if its reader must do the rest.

    A connection is written to `records` and `table` (see sample.SocketTable). ../layout.py describes all arrays. Of the
    state `st` this uses _LOOPBACK, _KNOWN, _PORT, _SLOT, _HINT, _ANSWER and _BOUND.
    """
    r = ptr8(raw)
    s = ptr32(st)
    known = ptr8(addresses)
    out = ptr8(records)
    t = ptr32(table)
    if family == 6:
        # An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) counts as the IPv4 address.
        i = 0
        while i < 10 and r[i] == 0:
            i += 1
        if i == 10 and r[10] == 255 and r[11] == 255:
            family = 4
            i = 0
            while i < 4:
                r[i] = r[12 + i]
                r[_REMOTE + i] = r[_REMOTE + 12 + i]
                i += 1
    size = 4 if family == 4 else 16
    i = 0
    while i < size and r[i] == 0:
        i += 1
    wildcard = i == size
    loopback = r[0] == 127 if family == 4 else i == 15 and r[15] == 1
    if loopback and not int(s[_LOOPBACK]):
        return _DONE
    slot = _NO_INTERFACE
    if not (wildcard and listening) or int(s[_BOUND]):
        a = int(s[_HINT])
        tried = 0
        count = int(s[_KNOWN])
        found = 0
        if int(s[_BOUND]) and (family == 4 or wildcard):
            # Several interfaces may have its address, as with VRFs, so its device tells.
            found = 1
            slot = _OPEN
        while tried < count and not found:
            if a >= count:
                a = 0
            at = a * _ENTRY
            if known[at + _ENTRY_FAMILY] == family:
                i = 0
                while i < size and known[at + _ENTRY_ADDRESS + i] == r[i]:
                    i += 1
                if i == size:
                    found = 1
                    slot = int(known[at + _ENTRY_SLOT])
                    s[_HINT] = a
            a += 1
            tried += 1
        if not found:
            s[_PORT] = 0
            s[_SLOT] = family
            return _UNKNOWN
        if slot == _OPEN or slot == _OPEN_LEFT_OUT:
            if not int(s[_ANSWER]):
                s[_PORT] = slot
                s[_SLOT] = family
                return _UNKNOWN
            slot = int(s[_ANSWER]) - 1
            s[_ANSWER] = 0
        if slot == _LEFT_OUT:
            return _DONE
    if listening:
        s[_PORT] = int(r[_LOCAL_PORT]) << 8 | int(r[_LOCAL_PORT + 1])
        s[_SLOT] = slot
        return _LISTENING
    total = int(t[_TOTAL])
    room = int(t[_CAPACITY])
    t[_TOTAL] = total + 1
    if total >= room:
        # Reservoir sampling: the n-th connection takes a place with probability room/n.
        x = int(t[_RANDOM_A])
        y = int(t[_RANDOM_B])
        x = 16275 * (x & 0xFFFF) + (x >> 16)
        y = 15963 * (y & 0xFFFF) + (y >> 16)
        t[_RANDOM_A] = x
        t[_RANDOM_B] = y
        total = ((x & 0x3FFF) << 16 | (y & 0xFFFF)) % (total + 1)
        if total >= room:
            return _DONE
    at = total * _RECORD
    out[at + _RECORD_SLOT] = slot
    out[at + _RECORD_FAMILY] = family
    out[at + _RECORD_PORT] = r[_LOCAL_PORT]
    out[at + _RECORD_PORT + 1] = r[_LOCAL_PORT + 1]
    out[at + _RECORD_REMOTE_PORT] = r[_REMOTE_PORT]
    out[at + _RECORD_REMOTE_PORT + 1] = r[_REMOTE_PORT + 1]
    i = 0
    while i < 16:
        out[at + _RECORD_REMOTE + i] = r[_REMOTE + i]
        i += 1
    return _DONE
