# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""Writes numbers and listening ports of a report. One source serves two compilers: see collect/linux/proc_scan.py."""

from ..port import const

# See collect/layout.py.
_NEXT = const(0)
_LEFT = const(2)


def ptr8(buf):
    return buf


def ptr32(buf):
    return buf


def put(out, at: int, room: int, form: int, piece, n: int) -> int:
    """Writes `piece` and then `n` into out[at:room]. Returns where that ends, or would end if there was room for it.

    `n` is a decimal number where `form` is 1, otherwise a CBOR head of that major type; -1 for none.
    """
    o = ptr8(out)
    p = ptr8(piece)
    size = int(len(piece))
    width = 0
    if n >= 0:
        width = 1
        if form == 1:
            limit = 10
            while width < 10 and n >= limit:
                width += 1
                limit *= 10
        elif n > 65535:
            width = 5
        elif n > 255:
            width = 3
        elif n > 23:
            width = 2
    end = at + size + width
    if end > room:
        return end
    i = 0
    while i < size:
        o[at + i] = p[i]
        i += 1
    if form == 1:
        at = end
        while width > 0:
            width -= 1
            at -= 1
            o[at] = 48 + n % 10
            n //= 10
    elif width == 1:
        o[at + size] = form | n
    elif width:
        o[at + size] = form | (24 + (width - 1 >> 1))
        at = end
        while width > 1:
            width -= 1
            at -= 1
            o[at] = n & 255
            n >>= 8
    return end


def ports(out, at: int, room: int, form: int, first, last, keys, state) -> int:
    """Writes listening ports into out[at:room], as long as they are of one interface. Returns where the last one
    ends.

    A port is `first`, its number, `last`. `keys` are those of sample.PortTable, `state` is as layout.py says.
    """
    o = ptr8(out)
    k = ptr32(keys)
    s = ptr32(state)
    i = int(s[_NEXT])
    slot = int(k[i]) & 255
    while int(s[_LEFT]) > 0 and int(k[i]) & 255 == slot:
        at = int(put(out, at, room, form, first, int(k[i]) >> 8))
        at = int(put(out, at, room, form, last, -1))
        i += 1
        s[_LEFT] = int(s[_LEFT]) - 1
        if form == 1 and int(s[_LEFT]) > 0:
            if at < room:
                o[at] = 44
            at += 1
    s[_NEXT] = i
    return at
