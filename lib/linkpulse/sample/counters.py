# SPDX-License-Identifier: MIT
"""Bytes and packets of each interface, and their differences since the last report that was accepted.

Nothing here knows a platform or a report. It allocates only when an interface is seen for the first time.
"""

from array import array
from ..port import const
from .differences import take, total
from .names import NAMES, NO_INTERFACE, Names

# The low part of a counter (see differences.py). Differences are exact, and totals are never reported.
_LOW_BITS = const(24)

BYTES_IN, PACKETS_IN, BYTES_OUT, PACKETS_OUT = range(4)

_ZEROS = array("i", (0,) * 8)


class Counters:
    """Bytes and packets of each interface, and their differences since the last report that was accepted.

    `width` is the number of bits after which the platform's counters wrap (32 or 64). `from_start` says that they began
    at zero with this process, so that the first difference is a true one.

    A collector calls `begin()`, and then `put()` once for each interface. If it cannot read them all, it calls
    `missing()`. Its caller calls `end()` when the collector is done.
    """

    def __init__(self, width=64, from_start=False):
        self.width = width
        self.from_start = from_start
        self.names = Names()
        self.resets = 0  # how many interfaces were left out because a counter went backwards
        self.gaps = 0  # how often an interface appeared, vanished or was reset, so that a part of it was not counted
        self._now = array("i")
        self._base = array("i")
        self._out = array("i", (0, 0, 0, 0))
        self._samples = 0
        self._collected = self._open = False

    def begin(self):
        self.names.begin()
        self._collected = self._open = True
        self._samples += self._samples < 2

    def end(self):
        if self._open:
            for slot in range(self.names.known()):
                self.gaps += self.names.vanished(slot)
        self._open = False

    def missing(self):
        if self._open:
            self.names.again()
        self._collected = self._open = False

    def available(self):
        """Whether there is a difference to report."""
        return self._collected and (self._samples > 1 or self.from_start)

    def put(self, buf, start, end, values):
        """Takes the counters of the interface with the name buf[start:end].

        `values` has eight ints: the low and high part of each counter, from BYTES_IN to PACKETS_OUT. False if there is
        no room for another interface.
        """
        known = self._grow()
        slot = self.names.find(buf, start, end)
        if slot == NO_INTERFACE:
            return False
        at = slot << 3
        reset = take(values, self._now, self._base, at, self.width, self._out)
        if self.names.fresh:
            # Its totals may be older than this process, unless all counting began with it.
            if not (slot == known and self.from_start):
                self.gaps += self._samples > 1
                self._rebase(at)
        elif reset:
            # The counter was reset. What came before is unknown, so this interface starts again from here.
            self.resets += 1
            self.gaps += 1
            self._rebase(at)
        return True

    def difference(self, which):
        """The sum over all interfaces in the last sample, since the last `commit()`."""
        names = self.names
        out = self._out
        total(self._now, self._base, names.marks, names.known(), which, self.width, out)
        return out[3] << _LOW_BITS | out[2]

    def commit(self):
        """Called when the report of the last sample was accepted. The next differences count from it."""
        if self._collected:
            for slot in range(self.names.known()):
                if self.names.seen(slot):
                    self._rebase(slot << 3)

    def snapshot(self):
        """The last sample, for `commit_late()`; None where it came to nothing."""
        if self._collected:
            found = self._now[:]
            found.append(self.gaps)
            return found

    def commit_late(self, snapshot):
        """The report of that earlier sample was accepted. Nothing happens where an interface has come, gone or been
        reset since: then the difference goes on counting from where it did."""
        if snapshot[-1] == self.gaps:
            for i in range(len(snapshot) - 1):
                self._base[i] = snapshot[i]

    def baseline(self):
        """(name, eight values) for each interface of the last sample. `restore` takes them after a restart."""
        for slot in range(self.names.known()):
            if self.names.seen(slot):
                yield self.names.name(slot), self._base[slot << 3 : (slot << 3) + 8]

    def restore(self, name, values):
        """Before the first sample, sets the counters that the interface had when the last report was accepted."""
        self._grow()
        slot = self.names.find(name, 0, len(name))
        if slot != NO_INTERFACE:
            for i in range(8):
                self._base[(slot << 3) + i] = values[i]
            self._samples = 1

    def _grow(self):
        # Makes room for one more interface before it gets a name. If it had a name and memory ran out then, the next
        # sample would take its whole total for a difference. Returns the number of names.
        known = self.names.known()
        if known < NAMES:
            if len(self._now) >> 3 == known:
                self._now.extend(_ZEROS)
            if len(self._base) >> 3 == known:
                self._base.extend(_ZEROS)
        return known

    def _rebase(self, at):
        for i in range(8):
            self._base[at + i] = self._now[at + i]
