# SPDX-License-Identifier: MIT
"""CPython, as far as the modules without I/O need it: they are tested there, too. See port/micropython.py."""

import sys
import time as _time
import traceback


class time:  # noqa: N801 (it stands for MicroPython's module)
    """Ticks that wrap as they do on a board."""

    _PERIOD = 1 << 30

    sleep = staticmethod(_time.sleep)
    sleep_ms = staticmethod(lambda ms: _time.sleep(ms / 1000))
    ticks_ms = staticmethod(lambda: _time.monotonic_ns() // 1000000 % time._PERIOD)
    ticks_add = staticmethod(lambda ticks, ms: (ticks + ms) % time._PERIOD)
    ticks_diff = staticmethod(lambda a, b: (a - b + time._PERIOD // 2) % time._PERIOD - time._PERIOD // 2)


POLLS_DESCRIPTORS = False
IDLE = 1000


def const(value):
    """The value itself: CPython folds nothing."""
    return value


def mem_alloc():
    """Always 0: CPython does not say how many bytes are in use."""
    return 0


def mem_free():
    """More bytes than anything asks for."""
    return sys.maxsize


def print_exception(e, file=sys.stdout):
    """Writes the exception with its traceback to `file`."""
    traceback.print_exception(e, file=file)


def wall_clock():
    """Whole seconds since 1970."""
    return int(_time.time())


def set_wall_clock(seconds):
    """Raises AttributeError, as a board without a clock of its own does."""
    raise AttributeError("the operating system sets the clock")
