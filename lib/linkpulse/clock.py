"""The wall clock, and whether it can be believed."""

import time

# Boards start at 2000, 2015 or 2021. Before this day no build of this package existed.
BUILD = 1767225600  # 2026-01-01
_LATEST = 4102444800  # 2100-01-01
_TO_1970 = 946684800 if time.gmtime(0)[0] == 2000 else 0


def epoch():
    """Seconds since 1970, or None where the clock cannot be right: it was never set."""
    now = int(time.time()) + _TO_1970
    return now if BUILD <= now < _LATEST else None
