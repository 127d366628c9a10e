# SPDX-License-Identifier: MIT
"""CBOR (RFC 8949) for microcontrollers: write into a buffer of yours, and read messages that you do not trust.

    buf = bytearray(64)
    w = Writer(buf)
    w.map(2)
    w.text(b"id")
    w.uint(7)
    w.text(b"ok")
    w.array(0)
    publish(w.result())

Writing allocates nothing except the view that `result()` returns. Integers take their shortest form and lengths are
definite, so the output is deterministic (section 4.2.1) if map keys are in order. The module needs only `struct`.
"""

import struct

__version__ = "0.1.0"

# struct copies bytes in C. A slice assignment would allocate the slice, and a loop takes 0.1 us or more for each byte.
# Written out, it is a constant: in a firmware it stays in flash, where made at the start it took 1.2 KB of heap.
_FORMATS = (
    "0s", "1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s", "10s", "11s", "12s", "13s", "14s", "15s", "16s",
    "17s", "18s", "19s", "20s", "21s", "22s", "23s", "24s", "25s", "26s", "27s", "28s", "29s", "30s", "31s", "32s",
)  # fmt: skip


class NoRoom(ValueError):
    """The items need `needed` bytes, and the buffer has only `room`."""

    def __init__(self, needed, room):
        super().__init__(
            "%d bytes do not fit in a buffer of %d: give it a larger one or less to write" % (needed, room)
        )
        self.needed = needed
        self.room = room


class Malformed(ValueError):
    """The input is not the CBOR that the caller asked for: it is cut off, of another type, or nested too deeply."""


class Writer:
    """Appends items to `buf`, a bytearray. Without a buffer, or past its end, only `size` grows and nothing raises.

    `map(n)` and `array(n)` write the head only: the caller then writes the 2 * n or n items.
    """

    def __init__(self, buf=None):
        self._buf = buf
        self._view = None if buf is None else memoryview(buf)
        self._room = 0 if buf is None else len(buf)
        self.size = 0

    def reset(self):
        """Starts again at the beginning of the buffer."""
        self.size = 0

    def result(self):
        """A memoryview of what was written, valid until the next write. Raises NoRoom if it did not fit."""
        if self.size > self._room:
            raise NoRoom(self.size, self._room)
        return self._view[: self.size]

    def map(self, n):
        """The head of a map of `n` pairs, from 0 to 2**64 - 1."""
        self._head(0xA0, n)

    def array(self, n):
        """The head of an array of `n` items, from 0 to 2**64 - 1."""
        self._head(0x80, n)

    def text(self, b):
        """A text string. `b` is its UTF-8 as bytes, which is not checked."""
        n = len(b)
        if n > 23:
            self._head(0x60, n)
            self.raw(b)
            return
        # Nearly all texts are this short. Their head is one byte, and writing it here saves calls.
        at = self.size
        self.size = at + 1 + n
        if self.size <= self._room:
            self._buf[at] = 0x60 | n
            struct.pack_into(_FORMATS[n], self._buf, at + 1, b)

    def uint(self, n):
        """An integer from 0 to 2**64 - 1."""
        self._head(0, n)

    def int(self, n):
        """An integer from -2**64 to 2**64 - 1."""
        if n < 0:
            self._head(0x20, -1 - n)
        else:
            self._head(0, n)

    def float(self, x):
        """A float, in four bytes if they hold it exactly and in eight bytes otherwise. NaN is always 7fc00000."""
        if x != x:
            return self.raw(b"\xfa\x7f\xc0\x00\x00")  # The bits of a NaN differ between platforms.
        narrow = x - x != 0 or (abs(x) < 3.4028235e38 and struct.unpack(">f", struct.pack(">f", x))[0] == x)
        at = self._take(5 if narrow else 9)
        if at >= 0:
            self._buf[at] = 0xFA if narrow else 0xFB
            struct.pack_into(">f" if narrow else ">d", self._buf, at + 1, x)

    def raw(self, b):
        """Bytes that already are CBOR: an item or a part of one."""
        n = len(b)
        at = self._take(n)
        if at >= 0 and n <= 32:
            struct.pack_into(_FORMATS[n], self._buf, at, b)
        elif at >= 0:
            for i in range(n):
                self._buf[at + i] = b[i]

    def _take(self, n):
        # The offset for n bytes, or -1 if they do not fit. They are counted in both cases.
        at = self.size
        self.size = at + n
        return at if at + n <= self._room else -1

    def _head(self, major, n):
        if n < 24:
            at = self.size
            self.size = at + 1
            if at < self._room:
                self._buf[at] = major | n
            return
        if n < 0x100:
            extra, width, code = 24, 1, ">B"
        elif n < 0x10000:
            extra, width, code = 25, 2, ">H"
        elif n >> 32 == 0:
            extra, width, code = 26, 4, ">I"
        else:
            extra, width, code = 27, 8, ">Q"
        at = self._take(1 + width)
        if at >= 0:
            self._buf[at] = major | extra
            struct.pack_into(code, self._buf, at + 1, n)


UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
INDEFINITE = -1


class Reader:
    """Reads items from `buf` (bytes or memoryview), one with each call, starting at offset `pos`.

    It never reads past the buffer's end and never nests deeper than `depth`. Malformed is the only exception it raises.
    """

    def __init__(self, buf, depth=8):
        self._buf = buf
        self._end = len(buf)
        self._depth = depth
        self.pos = 0

    def peek(self):
        """The major type of the next item (UINT to SIMPLE)."""
        if self.pos >= self._end:
            raise Malformed("the CBOR ends where an item should start")
        return self._buf[self.pos] >> 5

    def map(self):
        """The number of pairs that follow. If it is INDEFINITE, read pairs until `at_break()` is true."""
        return self._container(MAP, 2)

    def array(self):
        """The number of items that follow. If it is INDEFINITE, read items until `at_break()` is true."""
        return self._container(ARRAY, 1)

    def at_break(self):
        """Whether the next byte ends an indefinite map or array. If so, it is read."""
        if self.pos < self._end and self._buf[self.pos] == 0xFF:
            self.pos += 1
            return True
        return False

    def text(self):
        """The next text string, as a slice of the buffer. Its UTF-8 is not checked, and its length must be definite."""
        n = self._argument(TEXT)
        if n == INDEFINITE:
            raise Malformed("a text in pieces, where one piece was expected")
        self.pos += n
        return self._buf[self.pos - n : self.pos]

    def int(self):
        """The next integer, which may be negative."""
        if self.peek() == NEGATIVE:
            return -1 - self._argument(NEGATIVE)
        return self._argument(UINT)

    def skip(self):
        """Skips one complete item of any type, with everything inside it."""
        self._skip(self._depth)

    def _skip(self, depth):
        if depth == 0:
            raise Malformed("the CBOR is nested too deeply")
        major = self.peek()
        n = self._argument(major)
        if major == TAG:
            self._skip(depth - 1)
        elif n == INDEFINITE:
            while not self.at_break():
                self._skip(depth - 1)
        elif major == BYTES or major == TEXT:
            self.pos += n
        elif major == ARRAY or major == MAP:
            for _ in range(n if major == ARRAY else 2 * n):
                self._skip(depth - 1)

    def _container(self, major, items):
        n = self._argument(major)
        if n * items > self._end - self.pos:
            raise Malformed("the CBOR promises more items than it has bytes")
        return n

    def _argument(self, major):
        # The number in an item's head (section 3). If it is a length, it is at most the number of bytes left.
        if self.peek() != major:
            raise Malformed("CBOR type %d where type %d was expected" % (self.peek(), major))
        n = self._buf[self.pos] & 31
        self.pos += 1
        if n == 31 and BYTES <= major <= MAP:
            return INDEFINITE
        if n > 27:
            raise Malformed("a CBOR head that is not defined")
        if n >= 24:
            width = 1 << (n - 24)
            if self.pos + width > self._end:
                raise Malformed("the CBOR ends inside an item's head")
            n = 0
            for _ in range(width):
                n = n << 8 | self._buf[self.pos]
                self.pos += 1
        if BYTES <= major <= MAP and n > self._end - self.pos:
            raise Malformed("a CBOR length goes past the end")
        return n
