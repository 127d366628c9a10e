# SPDX-License-Identifier: MIT
"""Reads complete lines of a /proc file through one fixed buffer, without allocating.

Files stay open and are read again from their start, because the kernel makes their text again for each pass.
"""

import sys
from errno import ENOENT
from . import proc_scan
from ...port import const

_CARRY = const(400)  # a longer line is not from the kernel, so it is dropped and counted

HEXA = bytearray(b"\xff" * 256)
for _i in range(16):
    HEXA[b"0123456789ABCDEF"[_i]] = HEXA[b"0123456789abcdef"[_i]] = _i

ORDER = 3 if sys.byteorder == "little" else 0  # /proc prints addresses as words in the host's byte order


class ProcLines:
    """If `fill()` returns True, buf[start:end] contains complete lines.

    The rows of /proc/net/tcp and udp are padded to 150 and 128 bytes. Reading a multiple of that leaves no partial
    line, but partial lines work, too.
    """

    def __init__(self, rows=8):
        self.buf = bytearray(_CARRY + 150 * rows)
        self._views = {}
        self._all = memoryview(self.buf)
        self.dropped = 0
        self.start = self.end = self._last = _CARRY

    def begin(self, file):
        """Starts `file` again from its first line. False if it cannot be read."""
        self.start = self.end = self._last = _CARRY
        self._dropping = False
        self._file = file.rewind()
        self._view = self._view_for(file.align)
        return self._file is not None

    def fill(self):
        """Reads the next lines. False at the end of the file. Raises OSError if the kernel refuses to continue."""
        buf = self.buf
        carry = self._last - self.end
        if carry > _CARRY:
            self._drop()
            carry = 0
        if carry:
            proc_scan.move(buf, self._last - carry, self._last, _CARRY - carry)
        self.start = _CARRY - carry
        n = self._file.readinto(self._view)
        if not n:
            self._last = self.end = self.start
            if carry and not self._dropping:
                # The last line has no end: it is given one, and whoever reads it judges it. It may lie where `buf` has
                # no room behind it only if it filled the carry, and then the first byte of the read area is free.
                self._last = self.end = _CARRY + 1
                buf[_CARRY] = 10
                return True
            return False
        self._last = _CARRY + n
        if self._dropping:
            self.start = self._last
            end = buf.find(b"\n", _CARRY, self._last)
            if end >= 0:
                self.start = end + 1
                self._dropping = False
        self.end = max(self.start, buf.rfind(b"\n", self.start, self._last) + 1)
        if self._dropping:
            self._last = self.end
        return True

    def line(self):
        """The offset of the newline of the next line, or -1 if buf[start:end] is used up.

        The line is buf[start:that]. Set `start` to one more than that when you are done with it.
        """
        return self.buf.find(b"\n", self.start, self.end)

    def each(self, file, take):
        """Calls take(buf, start, end) for each line of `file`. False if it cannot be read to its end."""
        if not self.begin(file):
            return False
        try:
            while self.fill():
                end = self.line()
                while end >= 0:
                    take(self.buf, self.start, end)
                    self.start = end + 1
                    end = self.line()
        except OSError as e:
            file.fail(e)
            return False
        return True

    def _drop(self):
        self.dropped += not self._dropping
        self._dropping = True

    def _view_for(self, align):
        if align not in self._views:
            room = len(self.buf) - _CARRY
            self._views[align] = self._all[_CARRY : _CARRY + room // align * align]
        return self._views[align]


class ProcFile:
    """A file that stays open and is read repeatedly. If it is gone, the next pass tries again."""

    def __init__(self, path, align=1):
        self.path = path
        self.align = align
        self.error = None
        self._file = None

    def rewind(self):
        """The open file at its start, or None, with the OSError in `error`."""
        try:
            if self._file is None:
                self._file = open(self.path, "rb", 0)
            else:
                self._file.seek(0)
            self.error = None
        except OSError as e:
            self.fail(e)
        return self._file

    def fail(self, error):
        self.error = error
        self.close()

    def absent(self):
        """Whether the file does not exist, such as tcp6 in a kernel without IPv6."""
        return self.error is not None and abs(self.error.errno) == ENOENT

    def close(self):
        if self._file is not None:
            self._file.close()
            self._file = None
