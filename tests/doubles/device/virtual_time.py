"""The module `time` in virtual time, which moves when something waits. Runs on MicroPython only."""

import sys
import time as real

START = 1790000000  # 2026-09-21, in seconds since 1970


class Done(BaseException):
    """The virtual time is over."""


class Time:
    """The module `time` of a board: ticks that wrap at 2**`bits`, a wall clock that can be set wrong."""

    def __init__(self, wall=START, bits=30, ticks=0, epoch=1970, step=None):
        self._mask = (1 << bits) - 1
        self._half = 1 << bits - 1
        self._first = ticks
        self._offset = 946684800 if epoch == 2000 else 0
        self._wall = wall
        self.now = 0  # ms since the start
        self.end = None
        self.real = step is not None
        if self.real:
            self._began = real.ticks_ms()

    def set(self, wall):
        """Sets the wall clock to seconds since 1970."""
        self._wall = wall - self.elapsed() // 1000

    def elapsed(self):
        return real.ticks_diff(real.ticks_ms(), self._began) if self.real else self.now

    def advance(self, ms):
        if self.real:
            real.sleep_ms(ms)
        else:
            self.now += ms
        if self.end is not None and self.elapsed() >= self.end:
            self.end = None
            raise Done

    def ticks_ms(self):
        return self._first + self.elapsed() & self._mask

    def ticks_add(self, ticks, delta):
        if not -self._half < delta < self._half:
            raise OverflowError("ticks interval overflow")
        return ticks + delta & self._mask

    def ticks_diff(self, end, start):
        return ((end - start + self._half) & self._mask) - self._half

    def sleep_ms(self, ms):
        self.advance(ms)

    def sleep(self, seconds):
        self.advance(int(seconds * 1000))

    def time(self):
        return self._wall + self.elapsed() // 1000 - self._offset

    def gmtime(self, seconds=None):
        return real.gmtime((self.time() if seconds is None else seconds) + self._offset)


class RTC:
    """machine.RTC for a Time."""

    clock = None

    def datetime(self, t):
        RTC.clock.set(int(real.mktime((t[0], t[1], t[2], t[4], t[5], t[6], 0, 0))))


class Machine:
    RTC = RTC


def install(clock, rtc=False):
    """Makes `clock` the time of every module imported from now on; with `rtc` it can be set as on a board."""
    sys.modules["time"] = clock
    if rtc:
        RTC.clock = clock
        sys.modules["machine"] = Machine
    return clock
