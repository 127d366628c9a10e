# SPDX-License-Identifier: MIT
"""Ticks, and when a broker that failed is tried again. Not by the wall clock, which may jump."""

import random
from ..port import const, time

_LASTING = const(900000)  # ms before a broker that refuses this device is asked again
_STABLE = const(60000)  # ms that a connection must live before the next failure is a first one
_KICKS = const(3)  # connections lost in a row, each within an interval, that look like another client with this id


def until(ticks):
    """Milliseconds until then, negative when it is past. Right for 6 days on boards, whose ticks wrap at 2**30."""
    return time.ticks_diff(ticks, time.ticks_ms())


def after(ms):
    """The ticks in `ms` milliseconds from now."""
    return time.ticks_add(time.ticks_ms(), ms)


class Backoff:
    """`next()` returns milliseconds: `floor` plus a random part, whose bound doubles from `base` to `cap`."""

    def __init__(self, base=2000, cap=600000, floor=1000):
        self._base = base
        self._cap = cap
        self._floor = floor
        self._bound = base

    def next(self):
        bound = self._bound
        self._bound = min(self._cap, bound * 2)
        return self._floor + spread(bound)

    def reset(self):
        self._bound = self._base


def spread(bound):
    """A uniformly random number of milliseconds, less than `bound` (1 to 2**30)."""
    return random.getrandbits(30) % bound


class Retry:
    """When the broker may be tried again. `interval` is the ms between two reports."""

    def __init__(self, interval):
        self._interval = interval
        self.due = after(0)
        self._backoff = Backoff(cap=max(4000, min(600000, 2 * interval)))
        self._young = False  # the connection is not yet known to be a good one
        self._up = False
        self._young_until = self._kicked_until = 0
        self._kicks = 0

    def left(self):
        """Milliseconds until then, 0 or less when it may be tried."""
        if until(self.due) < 0:
            self.due = after(0)  # ticks wrap: what is past must not become far away
        return until(self.due)

    def connected(self):
        self._young = self._up = True
        self._young_until = after(_STABLE)
        self._kicked_until = after(self._interval)  # another client with this id has reported by then

    def check(self):
        """Called while connected: a connection that has lived long is a good one, and was not kicked."""
        if self._young and until(self._young_until) <= 0:
            self.good()
        if self._up and until(self._kicked_until) <= 0:
            self._up = False  # whatever ends it now, it is no other client
            self._kicks = 0

    def good(self):
        """The broker's service has answered: what fails from now on is a first failure."""
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
        self.due = after(wait)
        return wait

    def kicked(self):
        """True when connections are lost again and again."""
        return self._kicks >= _KICKS
