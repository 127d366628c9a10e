# SPDX-License-Identifier: MIT
"""Decides when to try a broker again after a failure. It uses ticks, because the wall clock may jump."""

import random
from ..port import const, time

_LASTING = const(900000)  # ms before the next attempt with a broker that refuses this device
_STABLE = const(60000)  # ms that a connection must last before a failure counts as the first one
_KICKS = const(3)  # lost connections in a row, each within an interval, that suggest another client with this id


def until(ticks):
    """Milliseconds until then, negative if it is past. It works for 6 days on boards, whose ticks wrap at 2**30."""
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
    """Decides when the broker may be tried again. `interval` is the number of ms between two reports."""

    def __init__(self, interval):
        self._interval = interval
        self.due = after(0)
        self._backoff = Backoff(cap=max(4000, min(600000, 2 * interval)))
        self._young = False  # whether the connection has not lasted long yet
        self._up = False
        self._young_until = self._kicked_until = 0
        self._kicks = 0

    def left(self):
        """Milliseconds until the next attempt; 0 or less means that it may be made."""
        if until(self.due) < 0:
            self.due = after(0)  # ticks wrap, so keep a time in the past from becoming one in the future
        return until(self.due)

    def connected(self):
        self._young = self._up = True
        self._young_until = after(_STABLE)
        self._kicked_until = after(self._interval)  # by then, another client with this id has sent a report

    def check(self):
        """Called while connected. A connection that has lasted long was not ended by another client."""
        if self._young and until(self._young_until) <= 0:
            self.good()
        if self._up and until(self._kicked_until) <= 0:
            self._up = False  # if it ends now, the cause is not another client
            self._kicks = 0

    def good(self):
        """Called when the service has answered. The next failure counts as the first one."""
        self._young = False
        self._backoff.reset()

    def failed(self, lost, lasting):
        """Notes a failure and returns the milliseconds to wait.

        `lost` says whether the connection was lost, and `lasting` whether the reason will last.
        """
        self.check()
        self._kicks += lost and self._up
        self._young = self._up = False
        wait = self._backoff.next()
        if lasting:
            # Still random, so that a fleet does not come back all at once when its policy is corrected.
            wait += _LASTING
        self.due = after(wait)
        return wait

    def kicked(self):
        """Whether connections are lost again and again."""
        return self._kicks >= _KICKS
