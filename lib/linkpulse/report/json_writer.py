"""JSON (RFC 8259) with the methods of microcbor.Writer, into one buffer, without allocating.

Maps and arrays announce their number of items, as in CBOR; commas, colons and closing brackets follow from it.
"""

import struct
from ..errors import TooLarge

# For struct to copy with: see microcbor.
_FORMATS = (
    "0s", "1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s", "10s", "11s", "12s", "13s", "14s", "15s", "16s",
    "17s", "18s", "19s", "20s", "21s", "22s", "23s", "24s",
)  # fmt: skip
_HEX = b"0123456789abcdef"


class Writer:
    """Appends items to `buf`, a bytearray. Without a buffer, or past its end, it only counts (`size`)."""

    def __init__(self, buf=None, depth=8):
        self._buf = buf
        self._view = None if buf is None else memoryview(buf)
        self._room = 0 if buf is None else len(buf)
        # A level that is open: items still to come, and 2 for a map's key next, 1 for its value, 0 in an array.
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
        """A string from UTF-8 bytes (not checked)."""
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
        """A number; JSON has no infinities and no NaN: ValueError."""
        if x - x != 0:
            raise ValueError("JSON has no number for %s: leave the metric out" % x)
        self._before()
        self.raw(str(x).encode())
        self._after()

    def raw(self, b):
        """Bytes that are part of the JSON already."""
        n = len(b)
        at = self._take(n)
        if at < 0:
            return
        if n < len(_FORMATS):
            struct.pack_into(_FORMATS[n], self._buf, at, b)
            return
        for i in range(n):
            self._buf[at + i] = b[i]

    def open_items(self):
        """Where the caller may write items of an array, and the commas between them, by itself; then `close_items`."""
        self._before()
        return self.size

    def close_items(self, end, n):
        """The caller's n items (one or more) end there, or would end there where they did not fit."""
        self.size = end
        self._left[self._depth - 1] -= n - 1
        self._after()

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
        # A level that has all its items ends here, and is itself an item of the level around it.
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
