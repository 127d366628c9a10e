# SPDX-License-Identifier: MIT
"""Report ids that always increase, also across restarts and power cuts. Flash is written once in 256 reports."""

import binascii
import os
from ..port.clock import epoch
from ..port import const

_RESERVE = const(256)


class Ids:
    """Report ids. `next()` returns one.

    The ids come from a reserve of 256, whose end is written to the file at `path` before the first id is used. A
    reserve starts at the time in seconds since 1970, or above the last reserve if the clock is behind or not set. With
    a report every 300 s, the file is written about every 21 hours. After a restart, the time is usually above the old
    reserve; if the clock is wrong, the file makes sure that ids increase.

    `path` may be None or "". Ids then start at the time, so they increase across restarts only if the clock is right.
    `problem` says why the file could not be used, or is None.
    """

    def __init__(self, path=None):
        self._path = path or None
        self.problem = None
        self._last = 0
        self._reserved = 0
        self._load()

    def next(self):
        if self._last >= self._reserved:
            last = max(epoch() or 0, self._reserved + 1) - 1
            self._store(last + _RESERVE)  # first, because memory may run out there
            self._last = last
            self._reserved = last + _RESERVE
        self._last += 1
        return self._last

    def _load(self):
        if self._path is None:
            return
        try:
            with open(self._path, "rb") as f:
                line = f.read(40)
            number, _, check = line.strip().partition(b" ")
            if check != _check(number):
                raise ValueError("it is not whole")
            self._reserved = self._last = int(number)
        except OSError:
            pass  # the first start. If the file system is gone, _store says so
        except ValueError as e:
            self.problem = "the state file %s is ignored: %s" % (self._path, e)

    def _store(self, reserved):
        if self._path is None:
            return
        number = b"%d" % reserved
        temporary = self._path + ".new"
        try:
            with open(temporary, "wb") as f:
                f.write(number + b" " + _check(number) + b"\n")
                f.flush()  # fsync(2) on the unix port: the bytes must be on the disk before the rename
            os.rename(temporary, self._path)
            self.problem = None
        except OSError as e:
            self.problem = "the state file %s cannot be written (error %s): report ids rest on the clock" % (
                self._path,
                e.args[0],
            )


def _check(number):
    return b"%08x" % (binascii.crc32(number) & 0xFFFFFFFF)
