# SPDX-License-Identifier: MIT
"""Computes the time to wait before the next attempt. It is random, and its bound doubles up to a cap."""

import random


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
