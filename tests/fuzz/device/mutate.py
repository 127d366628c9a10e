"""Inputs for parsers: valid ones, changed at random. The same on CPython and MicroPython, from one seed."""

import random

_NASTY = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\n",
    b" ",
    b"\t",
    b":",
    b'"',
    b"\\",
    b"{",
    b"[",
    b"]",
    b"}",
    b",",
    b"-",
    b"0",
)
_NASTY += (
    b"\xff\xff\xff\xff",
    b"\x9f",
    b"\xbf",
    b"\x5f",
    b"\x7f\x61a\xff",
    b"\xd8",
    b"\xf7",
    b"\xfb",
    b"\x1b" + b"\xff" * 8,
)
_NASTY += (
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"9" * 30,
    b"\\u0000",
    b"\xed\xa0\x80",
    b"null",
    b"true",
    b"FFFFFFFF",
    b"\r\n",
)
_LIMIT = 4000


def bits(n):
    return random.getrandbits(n)


def below(n):
    return random.getrandbits(16) % n if n else 0


def example(seeds):
    """The next input: now and then one as it is, or nothing but noise; mostly one with a few changes."""
    what = bits(6)
    if what == 0:
        return bytes([bits(8) for _ in range(below(80))])
    data = bytearray(seeds[below(len(seeds))])
    if what == 1:
        return bytes(data)
    for _ in range(1 + bits(2)):
        data = _change(data, seeds)
    return bytes(data[:_LIMIT])


def _change(data, seeds):  # noqa: C901
    n = len(data)
    at = below(n)
    what = bits(4)
    if what < 4 and n:
        data[at] ^= 1 << bits(3)
    elif what < 6 and n:
        data[at] = bits(8)
    elif what < 8:
        data[at:at] = _NASTY[below(len(_NASTY))]
    elif what == 8 and n:
        piece = _NASTY[below(len(_NASTY))]
        data[at : at + len(piece)] = piece
    elif what == 9:
        data[at : at + 1 + below(12)] = b""
    elif what == 10:
        data = data[:at]
    elif what == 11:
        data[at:at] = data[at : at + 1 + below(40)]
    elif what == 12:
        data[at:at] = bytes([bits(8)]) * (1 + below(20))
    elif what == 13:
        other = seeds[below(len(seeds))]
        data = data[:at] + other[below(len(other)) :]
    elif what == 14 and n:
        data[at] = (data[at] + (1 if bits(1) else 255)) & 255
    elif n < 800 and bits(3) == 0:
        data += data + data
    return data
