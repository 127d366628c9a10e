# SPDX-License-Identifier: MIT
"""When the next report is due, and when a broker that failed is tried again. All on ticks: the wall clock may jump."""

from ..port import const, time
from ..session.backoff import Backoff, spread

_LASTING = const(900000)  # ms before a broker that refuses this device is asked again
_STABLE = const(60000)  # ms that a connection must live before the next failure is a first one
_KICKS = const(3)  # connections lost in a row, each within an interval, that look like another client with this id


def until(ticks):
    """Milliseconds until then, negative when it is past. Right for 6 days on boards, whose ticks wrap at 2**30."""
    return time.ticks_diff(ticks, time.ticks_ms())


def after(ms):
    """The ticks in `ms` milliseconds from now."""
    return time.ticks_add(time.ticks_ms(), ms)


class Schedule:
    """A report every `interval` ms, the first one at random within it: a fleet that gets its power back at once must
    not report at once."""

    def __init__(self, interval):
        self.interval = interval
        self.due = after(spread(interval))
        self._backoff = Backoff(cap=max(4000, min(600000, 2 * interval)))
        self._young = False  # the connection is not yet known to be a good one
        self._up = False
        self._young_until = self._kicked_until = 0
        self._kicks = 0

    def not_before(self, ms):
        """The next report is at least that far away."""
        if until(self.due) < ms:
            self.due = after(ms)

    def connected(self):
        self._young = self._up = True
        self._young_until = after(_STABLE)
        self._kicked_until = after(self.interval)  # another client with this id has reported by then

    def check(self):
        """Called while connected: a connection that has lived long is a good one, and was not kicked."""
        if self._young and until(self._young_until) <= 0:
            self.good()
        if self._up and until(self._kicked_until) <= 0:
            self._up = False  # whatever ends it now, it is no other client
            self._kicks = 0

    def good(self):
        """The broker has answered a report: what fails from now on is a first failure."""
        self._young = False
        self._backoff.reset()

    def failed(self, lost, lasting):
        """The connection is `lost`, or something else failed, for a `lasting` reason or not. Milliseconds to wait."""
        self.check()
        self._kicks += lost and self._up
        self._young = self._up = False
        wait = self._backoff.next()
        if lasting:
            wait += _LASTING  # still jittered: a fleet whose policy is mended must not come back at once
        self.not_before(wait)
        return wait

    def kicked(self):
        """True when connections are lost again and again."""
        return self._kicks >= _KICKS
