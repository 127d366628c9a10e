"""Report ids that strictly increase across restarts and power cuts, with a write to flash once in 256 reports."""

import binascii
import os
from ..port.clock import epoch
from ..port import const

_RESERVE = const(256)


class Ids:
    """Report ids, from a reserve that is written down before it is used.

    A reserve starts at the epoch second, or above the last one where the clock is behind or not set. Of the 256 ids in
    it one is used a report, so at 300 s a report it is written about every 21 hours, and falls behind the epoch: after
    a restart the epoch is above it, unless the clock lies, and then the file is.

    `path` may be None or "": then ids increase from the epoch, and across restarts only as far as the clock is right.
    `problem` says why the file could not be used.
    """

    def __init__(self, path=None):
        self._path = path or None
        self.problem = None
        self._last = 0
        self._reserved = 0
        self._load()

    def next(self):
        if self._last >= self._reserved:
            now = epoch() or 0
            self._last = max(now, self._reserved + 1) - 1
            self._reserved = self._last + _RESERVE
            self._store()
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
            pass  # the first start, or a file system that is gone: _store says so
        except ValueError as e:
            self.problem = "the state file %s is ignored: %s" % (self._path, e)

    def _store(self):
        if self._path is None:
            return
        number = b"%d" % self._reserved
        temporary = self._path + ".new"
        try:
            with open(temporary, "wb") as f:
                f.write(number + b" " + _check(number) + b"\n")
                f.flush()  # fsync(2) on the unix port: the rename must not come before the bytes
            os.rename(temporary, self._path)
            self.problem = None
        except OSError as e:
            self.problem = "the state file %s cannot be written (error %s): report ids rest on the clock" % (
                self._path,
                e.args[0],
            )


def _check(number):
    return b"%08x" % (binascii.crc32(number) & 0xFFFFFFFF)
