# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""The loops over the kernel's text: rows of /proc/net/{tcp,tcp6,udp,udp6} and numbers of /proc/net/dev.

One source serves two compilers. If the interpreter has a native emitter, this file is compiled with the one that its
first line names, and `ptr8` and `ptr32` are machine pointers. Otherwise it is bytecode, and they are the functions
below. The code uses only what both understand, allocates nothing, and never reads or writes outside of the range that
it is given.
"""

from .classify import classify
from ...port import const

# See ../layout.py.
_POS = const(0)
_DIGITS = const(1)
_LISTEN = const(2)
_CONNECTED = const(3)
_ORDER = const(4)
_SKIPPED = const(7)
_DONE = const(0)
_UNKNOWN = const(2)
_REMOTE = const(18)


def ptr8(buf):
    return buf


def ptr32(buf):
    return buf


def move(buf, start: int, end: int, to: int):
    """Copies buf[start:end] to `to`. If that is higher, it copies from the end backwards."""
    b = ptr8(buf)
    n = end - start
    if to > start:
        while n > 0:
            n -= 1
            b[to + n] = b[start + n]
    else:
        i = 0
        while i < n:
            b[to + i] = b[start + i]
            i += 1


def find(buf, start: int, end: int, char: int) -> int:
    """The offset of `char` in buf[start:end], or `end`."""
    b = ptr8(buf)
    while start < end and b[start] != char:
        start += 1
    return start


def rfind(buf, start: int, end: int, char: int) -> int:
    """The offset after the last `char` in buf[start:end], or `start`."""
    b = ptr8(buf)
    while end > start and b[end - 1] != char:
        end -= 1
    return end


def columns(buf, start: int, end: int, values) -> int:
    """The counters of a line of /proc/net/dev, in columns 0, 1, 8 and 9, as low and high parts (24 + 30 bits) in
    values[0:8]; 0 if a column is missing."""
    b = ptr8(buf)
    v = ptr32(values)
    column = 0
    at = 0
    while column < 10:
        while start < end and b[start] == 32:
            start += 1
        first = start
        low = 0
        high = 0
        if column < 2 or column > 7:
            while start < end and b[start] >= 48 and b[start] <= 57:
                low = low * 10 + int(b[start]) - 48
                high = (high * 10 + (low >> 24)) & 0x3FFFFFFF
                low &= 0xFFFFFF
                start += 1
            v[at] = low
            v[at + 1] = high
            at += 2
        else:
            while start < end and b[start] >= 48 and b[start] <= 57:
                start += 1
        if start == first:
            return 0
        column += 1
    return 1


def unhex(buf, start: int, digits: int, hexa, raw, at: int, order: int) -> int:
    """Reads `digits` hex digits as bytes into raw[at:]. `order` 3 reverses words of four bytes, 0 does not. Returns 0
    if all digits are valid."""
    b = ptr8(buf)
    h = ptr8(hexa)
    r = ptr8(raw)
    bad = 0
    k = 0
    while k < digits >> 1:
        high = int(h[b[start + 2 * k]])
        low = int(h[b[start + 2 * k + 1]])
        bad |= high | low
        r[at + (k ^ order)] = (high << 4 | low) & 255
        k += 1
    return bad >> 4


def rows(buf, end: int, st, hexa, raw, addresses, records, table) -> int:
    """Reads socket rows from buf[st[_POS]:end], which must contain complete lines. It continues where it stopped.

    Returns _DONE at the end, or what `classify` returns if its caller must do more. `hexa` has the value of each hex
    digit and 255 for other characters. ../layout.py describes all other arrays.
    """
    b = ptr8(buf)
    s = ptr32(st)
    h = ptr8(hexa)
    r = ptr8(raw)
    digits = int(s[_DIGITS])
    order = int(s[_ORDER])
    pos = int(s[_POS])
    while pos < end:
        line = pos
        while b[pos] != 10:
            pos += 1
        pos += 1  # the next line; `end` is after a newline, so this stays in the range
        p = line
        while b[p] == 32:
            p += 1
        while b[p] >= 48 and b[p] <= 57:
            p += 1
        p += 2  # ": "
        # local address ":" port " " remote address ":" port " " state
        state_at = p + 2 * digits + 12
        if state_at + 2 > pos or b[p - 2] != 58:
            s[_SKIPPED] = int(s[_SKIPPED]) + 1
            continue
        high = int(h[b[state_at]])
        low = int(h[b[state_at + 1]])
        bad = high | low
        state = high << 4 | low
        listening = state == int(s[_LISTEN])
        if not listening and state != int(s[_CONNECTED]):
            if bad > 15 or b[state_at - 1] != 32:
                s[_SKIPPED] = int(s[_SKIPPED]) + 1
            continue
        if b[p + digits] != 58 or b[p + digits + 5] != 32 or b[p + 2 * digits + 6] != 58 or b[state_at - 1] != 32:
            bad = 255
        q = p
        k = 0
        half = 0
        while half < 2 * _REMOTE:
            i = 0
            while i < digits:
                high = int(h[b[q]])
                low = int(h[b[q + 1]])
                bad |= high | low
                r[half + (k ^ order)] = (high << 4 | low) & 255
                k += 1
                i += 2
                q += 2
            q += 1
            k = half + 16
            i = 0
            while i < 2:
                high = int(h[b[q]])
                low = int(h[b[q + 1]])
                bad |= high | low
                r[k + i] = (high << 4 | low) & 255
                q += 2
                i += 1
            q += 1
            k = 0
            half += _REMOTE
        if bad > 15:
            s[_SKIPPED] = int(s[_SKIPPED]) + 1
            continue
        event = int(classify(raw, 4 if digits == 8 else 6, 1 if listening else 0, st, addresses, records, table))
        if event:
            s[_POS] = line if event == _UNKNOWN else pos
            return event
    s[_POS] = pos
    return _DONE
