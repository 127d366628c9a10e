# SPDX-License-Identifier: MIT
"""The counters' baseline across restarts of the agent on one boot of Linux, in a file of a tmpfs.

The counters go on counting while the agent is down, so with the baseline of the last accepted report nothing of that
interval is lost. After a reboot they start at zero, and the boot id (proc(5)) says so: then the file is not used.
"""

import os
from ...port import const

_LINE = const(128)  # a name of 15 bytes and eight numbers of ten digits take 104
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Baseline:
    """`load` and `save` a sample.Counters. `problem` says why the file could not be written."""

    def __init__(self, path, boot_id=_BOOT_ID):
        self._path = path
        self._boot_id = boot_id
        self.problem = None

    def load(self, counters):
        """Gives the counters the baseline of this boot, if the file has one. Never raises for what is in the file."""
        try:
            with open(self._path, "rb") as f:
                # All of it is read before any of it is used; a line at a time, since heaps are small.
                for use in (None, counters.restore):
                    f.seek(0)
                    self._read(f, use)
        except (OSError, ValueError):
            pass

    def _read(self, f, use):
        if _line(f) != self._boot():
            raise ValueError
        line = _line(f)
        while line != b"end":
            name, values = _row(line)
            if use:
                use(name, values)
            line = _line(f)
        if f.read(1):
            raise ValueError

    def save(self, counters):
        try:
            with open(self._path + ".new", "wb") as f:
                f.write(self._boot() + b"\n")
                for name, values in counters.baseline():
                    f.write(name)
                    for value in values:
                        f.write(b" %d" % value)
                    f.write(b"\n")
                f.write(b"end\n")
            os.rename(self._path + ".new", self._path)
            self.problem = None
        except OSError as e:
            self.problem = (
                "the baseline file %s cannot be written (error %s): make its folder, or let the agent write there"
                % (self._path, e.args[0])
            )

    def _boot(self):
        with open(self._boot_id, "rb") as f:
            return f.read(64).strip()


def _line(f):
    line = f.readline(_LINE)
    if line[-1:] != b"\n":
        raise ValueError
    return line[:-1]


def _row(line):
    fields = line.split(b" ")
    values = [int(field) for field in fields[1:]]
    if len(values) != 8 or not fields[0] or any(not 0 <= value < 0x40000000 for value in values):
        raise ValueError
    return fields[0], values
