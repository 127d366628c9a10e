"""How long to wait before the next try: full jitter, doubling to a cap."""

import random


class Backoff:
    """`next()` gives milliseconds: `floor`, and up to a bound more that doubles from `base` to `cap`."""

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
    """A random number of milliseconds under `bound` (1 to 2**30), evenly spread."""
    return random.getrandbits(30) % bound
