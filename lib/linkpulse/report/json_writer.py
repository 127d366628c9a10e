# SPDX-License-Identifier: MIT
"""JSON (RFC 8259) with the methods of microcbor.Writer, into one buffer, without allocating.

The head of a map or array gives its number of items, as in CBOR. Commas, colons and closing brackets follow from it.
"""

import struct
from ..errors import TooLarge

# struct copies bytes in C, as in microcbor.
_FORMATS = (
    "0s", "1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s", "10s", "11s", "12s", "13s", "14s", "15s", "16s",
    "17s", "18s", "19s", "20s", "21s", "22s", "23s", "24s",
)  # fmt: skip
_HEX = b"0123456789abcdef"


class Writer:
    """Appends items to `buf`, a bytearray. Without a buffer, or past its end, it only counts the bytes (`size`)."""

    def __init__(self, buf=None, depth=8):
        self._buf = buf
        self._view = None if buf is None else memoryview(buf)
        self._room = 0 if buf is None else len(buf)
        # An open level: the items still to come, and what comes next: 2 a map's key, 1 its value, 0 an array's item.
        self._left = [0] * depth
        self._kind = bytearray(depth)
        self._first = True
        self._depth = 0
        self.size = 0

    def reset(self):
        self.size = 0
        self._depth = 0
        self._first = True

    def result(self):
        """A memoryview of what was written, valid until the next write. Raises TooLarge if it did not fit."""
        if self.size > self._room:
            raise TooLarge("%d bytes do not fit in a buffer of %d" % (self.size, self._room))
        return self._view[: self.size]

    def map(self, n):
        self._open(0x7B, 2 * n, 2)

    def array(self, n):
        self._open(0x5B, n, 0)

    def text(self, b):
        """A string. `b` is its UTF-8 as bytes, which is not checked."""
        self._before()
        self._byte(0x22)
        plain = True
        for c in b:
            if c < 0x20 or c == 0x22 or c == 0x5C:
                plain = False
        if plain:
            self.raw(b)
        else:
            for c in b:
                self._escaped(c)
        self._byte(0x22)
        self._after()

    def uint(self, n):
        self._before()
        self._digits(n)
        self._after()

    def int(self, n):
        self._before()
        if n < 0:
            self._byte(0x2D)
            n = -n
        self._digits(n)
        self._after()

    def float(self, x):
        """A number. Raises ValueError for infinities and NaN, which JSON does not have."""
        if x - x != 0:
            raise ValueError("JSON has no number for %s: leave the metric out" % x)
        self._before()
        self.raw(str(x).encode())
        self._after()

    def raw(self, b):
        """Bytes that already are JSON."""
        n = len(b)
        at = self._take(n)
        if at < 0:
            return
        if n < len(_FORMATS):
            struct.pack_into(_FORMATS[n], self._buf, at, b)
            return
        for i in range(n):
            self._buf[at + i] = b[i]

    def _take(self, n):
        at = self.size
        self.size = at + n
        return at if at + n <= self._room else -1

    def _byte(self, c):
        at = self._take(1)
        if at >= 0:
            self._buf[at] = c

    def _escaped(self, c):
        if c == 0x22 or c == 0x5C:
            self._byte(0x5C)
        elif c < 0x20:
            self.raw(b"\\u00")
            self._byte(_HEX[c >> 4])
            c = _HEX[c & 15]
        self._byte(c)

    def _digits(self, n):
        width = 1
        top = n
        while top > 9:
            top //= 10
            width += 1
        at = self._take(width)
        if at >= 0:
            while width:
                width -= 1
                self._buf[at + width] = 48 + n % 10
                n //= 10

    def _open(self, bracket, items, kind):
        self._before()
        self._byte(bracket)
        if not items:
            self._byte(bracket + 2)
            self._after()
            return
        self._left[self._depth] = items
        self._kind[self._depth] = kind
        self._depth += 1
        self._first = True

    def _before(self):
        if self._depth:
            if self._kind[self._depth - 1] == 1:
                self._byte(0x3A)
            elif not self._first:
                self._byte(0x2C)

    def _after(self):
        # A level with all its items ends here. It is itself an item of the level around it.
        while self._depth:
            self._first = False
            d = self._depth - 1
            self._left[d] -= 1
            if self._kind[d]:
                self._kind[d] ^= 3
            if self._left[d]:
                return
            self._depth = d
            self._byte(0x7D if self._kind[d] else 0x5D)
