"""CBOR (RFC 8949) for microcontrollers: write into a buffer you own, read without trusting what arrives.

    buf = bytearray(64)
    w = Writer(buf)
    w.map(2)
    w.text(b"id")
    w.uint(7)
    w.text(b"ok")
    w.array(0)
    publish(w.result())

Writing allocates nothing: no dict, no bytes objects, only the view that `result()` returns. Integers take their
shortest form and lengths are definite, so what is written is deterministic (section 4.2.1) as long as the caller
orders map keys. Depends on nothing but `struct`.
"""

import struct

__version__ = "0.1.0"

# C copies for us through struct: a slice assignment would allocate the slice, a loop costs 0.1 us a byte and more.
_FORMATS = tuple(["%ds" % n for n in range(33)])


class NoRoom(ValueError):
    """What was written is larger than the buffer: `needed` bytes against `room`."""

    def __init__(self, needed, room):
        super().__init__(
            "%d bytes do not fit in a buffer of %d: give it a larger one or less to write" % (needed, room)
        )
        self.needed = needed
        self.room = room


class Malformed(ValueError):
    """The bytes read are not the CBOR that was asked for: truncated, of another type, or too deeply nested."""


class Writer:
    """Appends items to `buf`, a bytearray. Without a buffer, or past its end, it only counts (`size`).

    A map or an array is its head; the caller then writes the 2*n or n items that belong to it.
    """

    def __init__(self, buf=None):
        self._buf = buf
        self._view = None if buf is None else memoryview(buf)
        self._room = 0 if buf is None else len(buf)
        self.size = 0

    def reset(self):
        self.size = 0

    def result(self):
        """A memoryview of what was written, valid until the next write. Raises NoRoom if it did not fit."""
        if self.size > self._room:
            raise NoRoom(self.size, self._room)
        return self._view[: self.size]

    def map(self, n):
        self._head(0xA0, n)

    def array(self, n):
        self._head(0x80, n)

    def text(self, b):
        """A text string from UTF-8 bytes (not checked)."""
        n = len(b)
        if n > 23:
            self._head(0x60, n)
            self.raw(b)
            return
        # Nearly all texts: a head of one byte, and no further call.
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
        """A float in four bytes when they hold it exactly, else in eight."""
        narrow = x - x != 0 or (abs(x) < 3.4028235e38 and struct.unpack(">f", struct.pack(">f", x))[0] == x)
        at = self._take(5 if narrow else 9)
        if at >= 0:
            self._buf[at] = 0xFA if narrow else 0xFB
            struct.pack_into(">f" if narrow else ">d", self._buf, at + 1, x)

    def raw(self, b):
        """Bytes that are CBOR already: an item, or part of one."""
        n = len(b)
        at = self._take(n)
        if at < 0:
            return
        if n <= 32:
            struct.pack_into(_FORMATS[n], self._buf, at, b)
            return
        for i in range(n):
            self._buf[at + i] = b[i]

    def open_items(self):
        """Where the caller may write items of an array into the buffer by itself; then it calls `close_items`."""
        return self.size

    def close_items(self, end, n):
        """The caller's n items (one or more) end there, or would end there where they did not fit."""
        self.size = end

    def _take(self, n):
        # The place for n bytes, or -1 where there is none; counted in both cases.
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
    """Pulls items from `buf` (bytes or memoryview), never past its end, never deeper than `depth`.

    Every method raises Malformed and nothing else. Lengths are checked against what is there before they are used.
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
        """The number of pairs that follow, or INDEFINITE: then read until `at_break()`."""
        return self._container(MAP, 2)

    def array(self):
        """The number of items that follow, or INDEFINITE: then read until `at_break()`."""
        return self._container(ARRAY, 1)

    def at_break(self):
        """True, and past it, when the next byte ends an indefinite map or array."""
        if self.pos < self._end and self._buf[self.pos] == 0xFF:
            self.pos += 1
            return True
        return False

    def text(self):
        """The next text string as a view of the buffer, UTF-8 not checked; it must be of definite length."""
        n = self._argument(TEXT)
        if n == INDEFINITE:
            raise Malformed("a text in pieces, where one piece was expected")
        self.pos += n
        return self._buf[self.pos - n : self.pos]

    def int(self):
        """The next integer, of either sign."""
        if self.peek() == NEGATIVE:
            return -1 - self._argument(NEGATIVE)
        return self._argument(UINT)

    def skip(self):
        """Goes past one whole item of any type."""
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
        # The number in an item's head (section 3), bounded by what is left where it is a length.
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
