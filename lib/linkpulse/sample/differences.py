# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""The arithmetic of interface counters. One source serves two compilers: see ../collect/linux/proc_scan.py.

A counter is kept modulo 2**54 in two small ints of 24 and 30 bits, so that a 64-bit counter needs no heap even if small
ints have 31 bits. All arrays are array("i"), with the low and the high part of each counter in turn.
"""


def ptr32(buf):
    return buf


def ptr8(buf):
    return buf


def difference(now, base, at: int, width: int, out) -> int:
    """Writes now[at:at+2] - base[at:at+2] to out[0:2]. Returns 0, or -1 if the counter was reset.

    A fall counts as a wrap only if `width` allows one and if the resulting difference is under half the range. (A radio
    that restarts has small packet counters, and as a wrap they would give nearly the whole range.) With a width of 64,
    a driver may still count with 32 bits.
    """
    n = ptr32(now)
    b = ptr32(base)
    o = ptr32(out)
    low = int(n[at]) - int(b[at])
    high = int(n[at + 1]) - int(b[at + 1])
    if low < 0:
        low += 0x1000000
        high -= 1
    if high < 0:
        if width == 32 or int(b[at + 1]) < 0x100:
            high += 0x100
            if high < 0 or high >= 0x80:
                return -1
        else:
            high &= 0x3FFFFFFF
            if high >= 0x20000000:
                return -1
    o[0] = low
    o[1] = high
    return 0


def take(values, now, base, at: int, width: int, out) -> int:
    """Copies the four counters values[0:8] to now[at:at+8]. Returns 0, or -1 if one of them was reset."""
    v = ptr32(values)
    n = ptr32(now)
    i = 0
    while i < 8:
        n[at + i] = v[i]
        i += 1
    while i > 0:
        i -= 2
        if int(difference(now, base, at + i, width, out)):
            return -1
    return 0


def total(now, base, seen, known: int, which: int, width: int, out):
    """Writes the sum of the differences of counter `which` over all slots that `seen` marks to out[2:4], mod 2**54."""
    s = ptr8(seen)
    o = ptr32(out)
    low = 0
    high = 0
    slot = 0
    while slot < known:
        if int(s[slot]) & 1:
            if not int(difference(now, base, (slot << 3) + 2 * which, width, out)):
                low += int(o[0])
                high = (high + int(o[1]) + (low >> 24)) & 0x3FFFFFFF
                low &= 0xFFFFFF
        slot += 1
    o[2] = low
    o[3] = high
