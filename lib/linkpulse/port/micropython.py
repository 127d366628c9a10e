# SPDX-License-Identifier: MIT
"""MicroPython. The modules for other runtimes imitate it.

They offer const(value), mem_alloc() and mem_free() in bytes, print_exception(e, file) and the wall clock.
"""

from gc import mem_alloc, mem_free  # noqa: F401
from micropython import const  # noqa: F401
from sys import platform, print_exception  # noqa: F401

# Whether select.poll() sleeps for a socket, but looks every millisecond for other objects such as TLS streams.
POLLS_DESCRIPTORS = platform == "linux"
# The most ms to wait in one piece. Ctrl-C ends the waiting at once on Linux, and not before its end on some boards.
IDLE = 30000 if POLLS_DESCRIPTORS else 1000


def wall_clock():
    """The clock's time in seconds since 1970, whether it is right or not."""
    import time

    return int(time.time()) + _to_1970(time)


def set_wall_clock(seconds):
    """Sets the board's real-time clock to `seconds` since 1970. Raises ImportError or AttributeError where
    Python cannot."""
    from machine import RTC
    import time

    t = time.gmtime(seconds - _to_1970(time))
    RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0))


def _to_1970(time):
    return 946684800 if time.gmtime(0)[0] == 2000 else 0
