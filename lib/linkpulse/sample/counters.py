"""Bytes and packets of each interface, and their differences since the last report that was accepted.

Nothing here knows a platform or a report. Only an interface that is seen for the first time allocates, once.
"""

from array import array
from ..port import const
from .names import NAMES, NO_INTERFACE, Names

# A counter is kept modulo 2**54 in two small ints, 24 + 30 bits, so that a 64-bit counter costs no heap where ints
# have 31 bits. Differences are exact all the same; a total is never reported.
LOW_BITS = const(24)
LOW_MASK = const(0xFFFFFF)
HIGH_MASK = const(0x3FFFFFFF)

BYTES_IN, PACKETS_IN, BYTES_OUT, PACKETS_OUT = range(4)

_ZEROS = array("i", (0,) * 8)


class Counters:
    """Bytes and packets of each interface, and their differences since the last report that was accepted.

    `width` is the counters' size in bits where the platform lets them wrap (32 or 64). `from_start` says that they
    began at zero with this process, so that the first difference is a true one.

    A collector calls `begin()`, then `put()` once an interface; or `missing()` when it could not, or not to the end.
    Its caller calls `end()` when it is done.
    """

    def __init__(self, width=64, from_start=False):
        self.width = width
        self.from_start = from_start
        self.names = Names()
        self.resets = 0  # interfaces whose difference was left out because a counter went backwards
        self._now = array("i")
        self._base = array("i")
        self._samples = 0
        self._collected = self._open = False

    def begin(self):
        self.names.begin()
        self._collected = self._open = True
        self._samples += self._samples < 2

    def end(self):
        self._open = False

    def missing(self):
        if self._open:
            self.names.again()
        self._collected = self._open = False

    def available(self):
        """True when there is a difference to report."""
        return self._collected and (self._samples > 1 or self.from_start)

    def put(self, buf, start, end, values):
        """Interface buf[start:end] stands at `values`: low and high part of each counter, BYTES_IN to PACKETS_OUT.

        False when there is no room for another interface.
        """
        known = self._grow()
        slot = self.names.find(buf, start, end)
        if slot == NO_INTERFACE:
            return False
        at = slot << 3
        for i in range(8):
            self._now[at + i] = values[i]
        if self.names.fresh:
            # It may bring totals from before it was ours to watch, unless all counting began with this process.
            if not (slot == known and self.from_start):
                self._rebase(at)
            return True
        for which in range(4):
            if self._difference(at + 2 * which) < 0:
                # A reset: what came before it cannot be known, so this interface starts again from here.
                self.resets += 1
                self._rebase(at)
                break
        return True

    def difference(self, which):
        """The sum over all interfaces of the last sample, since the last `commit()`."""
        total = 0
        for slot in range(self.names.known()):
            if self.names.seen(slot):
                total += self._difference((slot << 3) + 2 * which)
        return total

    def commit(self):
        """The report of the last sample was accepted: the next differences count from it."""
        if self._collected:
            for slot in range(self.names.known()):
                if self.names.seen(slot):
                    self._rebase(slot << 3)

    def baseline(self):
        """(name, eight values) of each interface of the last sample: what `restore` takes after a restart."""
        for slot in range(self.names.known()):
            if self.names.seen(slot):
                yield self.names.name(slot), self._base[slot << 3 : (slot << 3) + 8]

    def restore(self, name, values):
        """Before the first sample: the interface stood at `values` when the last report was accepted."""
        self._grow()
        slot = self.names.find(name, 0, len(name))
        if slot != NO_INTERFACE:
            for i in range(8):
                self._base[(slot << 3) + i] = values[i]
            self._samples = 1

    def _grow(self):
        # Room for one more interface before it gets a name: were it named and memory ran out then, the next sample
        # would take its whole total for a difference. Returns the number of names.
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

    def _difference(self, at):
        # Negative for a reset. A wrap is believed only where the width says that one is possible and where the
        # difference it gives is under half the range: a radio that restarts shows small packet counters, whose wrap
        # would be nearly a whole range.
        low = self._now[at] - self._base[at]
        high = self._now[at + 1] - self._base[at + 1]
        if low < 0:
            low += LOW_MASK + 1
            high -= 1
        if high < 0:
            high = (high + 256) if self.width == 32 else (high & HIGH_MASK)
            if high < 0 or high >= (128 if self.width == 32 else 0x20000000):
                return -1
        return (high << LOW_BITS) | low
