# SPDX-License-Identifier: MIT
"""The ways to run an agent: Agent's methods."""

from .schedule import after
from ..errors import LinkpulseError
from ..port import time
from ..session.tls_stream import PIECE


def run(self, told=None):
    """Runs for ever. `told()` is called after every outcome."""
    try:
        while True:
            self.pause(self.step())
            self.tell(told)
    finally:
        self.close()


async def run_async(self, told=None):
    """The same among other tasks; connecting and publishing hold them up, each operation for `timeout` at most."""
    import asyncio

    try:
        while True:
            await asyncio.sleep_ms(min(PIECE, self.step()))
            self.tell(told)
    finally:
        self.close()


def once(self):
    """One report now, for devices that sleep between reports: its outcome, as in status(). Connects, waits for the
    answer and disconnects; tries once. Leave 300 s between reports: the service refuses what comes sooner."""
    self._schedule.due = after(0)
    self.tell(None)
    try:
        while not self.tell(None):
            self.pause(self.step())
    finally:
        self.close()
    return self.status()["outcome"]


def pause(self, ms):
    """Waits for a message, for `ms` and a second at most, so that Ctrl-C is heard on every platform."""
    ms = min(ms, 1000 if self._board is None else PIECE)
    if not self._session.connected():
        time.sleep_ms(ms)
        return
    try:
        self._session.wait(ms)
    except LinkpulseError as e:
        self._failed(e)
    except MemoryError:
        self._failed(None)
