# SPDX-License-Identifier: MIT
"""Decides what to do next: network, clock, session, and then what the handlers publish. It also handles failures."""

import gc
from .reports import Reports
from .schedule import Retry, after
from .status import DEBUG, INFO, Status
from .. import __version__
from ..errors import ClockError, LinkpulseError, NetworkError
from ..port import IDLE, const, mem_alloc, time
from ..port.clock import epoch, synchronize
from ..session.session import Session
from ..session.tls_stream import PIECE

_LONGEST = const(86400000)  # ms
_BUSY = const(1000)  # ms between two steps beside other tasks


class Agent:
    """Connects when a handler has something to publish, and passes every message to the handlers.

    `settings` is a Settings. `collector` reads the platform; by default it is chosen for this platform. `log(level,
    text)`, if given, is called with status.ERROR, INFO or DEBUG. `handlers` are handlers besides `reports`, the handler
    of reports. `session` is the connection (session.Session). Raises SettingsError for hardware that is missing.

    `step()` does what is due, and returns the milliseconds until it wants to be called again. `run()`, `run_async()`
    and `once()` call it. No failure of a network, a broker or a platform ends the agent; `status()` describes it.

    A handler has these members:
    - `topics`: a sequence of texts to subscribe to.
    - `due()`: the milliseconds until it publishes.
    - `message()`: the topic and payload to publish, or None. If due() is called next, and not lost(), the broker has
      them.
    - `receive(topic, payload)`: None if the topic is not its own, True for an answer that it waited for.
    - `connected(kept)`: called after each connect; `kept` says whether the broker had kept the session.
    - `lost()`: called when there is no connection.

    due() and message() may raise a LinkpulseError, which ends the connection.
    """

    def __init__(self, settings, collector=None, log=None, handlers=()):
        self._status = Status(log, settings.warnings)
        self.reports = Reports(settings, collector, self._status)
        self._handlers = (self.reports,) + tuple(handlers)
        self._turn = 0  # the index of the handler that comes first
        self._board = beat = None
        self._piece = IDLE
        if settings.board():
            from ..board import Board

            self._board = Board(settings, self._status.values)
            beat = self._board.beat
            self._piece = PIECE
        self._ntp = settings.ntp
        self.session = Session(settings, self._received, beat)
        self._subscribed = False
        self._client_id = settings.client_id
        self._retry = Retry(settings.interval * 1000)
        if log is not None:
            self._status.say(INFO, self.started())

    def started(self):
        """A text that says which version started, what it sees, and when the first report is due."""
        return "linkpulse %s started. %s" % (__version__, self.reports.outlook())

    def status(self):
        """The agent's state, as a dict of numbers, texts and None.

        - `outcome`: of the last report or attempt: accepted, rejected, unknown or error.
        - `error`, `category`: the class name of the last error, and its category (see errors).
        - `retry_after`: after an error, the seconds from then until the broker was or is tried again.
        - `accepted`, `rejected`, `unknown`, `errors`: how often each outcome occurred.
        - `published`: how many messages the broker has acknowledged.
        - `report_id`, `bytes`: of the last report.
        - `connected_since`, `last_accepted`: in seconds since 1970.
        - `last_error`: the reason. `problem`: what is wrong with state files or the collector.
        - `skipped`: rows that could not be read. `gaps`: how often traffic of an interface was not counted.
        - `source`: what the platform can see. `version`: of linkpulse.
        - `heap`: in use after a garbage collection, in bytes.
        """
        s = self._status.values
        if not self.session.connected():
            s["connected_since"] = None
        self.reports.describe(s)
        s["version"] = __version__
        gc.collect()
        s["heap"] = mem_alloc()
        return s

    def close(self):
        """Closes the connection. step() connects again when there is something to publish."""
        self.session.close()

    def run(self, on_outcome=None):
        """Runs for ever. `on_outcome()`, if given, is called after every outcome."""
        try:
            while True:
                left = self.step()
                if not self._status.notify(on_outcome):
                    self.pause(left)
                    self._status.notify(on_outcome)
        finally:
            self.close()

    async def run_async(self, on_outcome=None):
        """Runs for ever beside other tasks. Connecting and publishing block them, each packet for at most three times
        `timeout`."""
        import asyncio

        try:
            while True:
                await asyncio.sleep_ms(min(self._piece, _BUSY, self.step()))
                self._status.notify(on_outcome)
        finally:
            self.close()

    def once(self):
        """Sends one report now, and returns its outcome as in status(). It is for devices that sleep between reports.

        It connects, waits for the answer and disconnects, and tries once. Leave 300 s between reports, because the
        service refuses reports that come sooner.
        """
        reports = self.reports
        values = self._status.values
        before = values["report_id"]
        reports.lost()  # it may still wait after an interrupted run()
        self._status.notify(None)
        reports.next = self._retry.due = after(0)
        try:
            while True:
                self.pause(self.step())
                # An earlier report may get its outcome first.
                made = values["report_id"] != before and not reports.waiting
                if self._status.notify(None) and (made or values["outcome"] == "error"):
                    break
        finally:
            self.close()
        return self.status()["outcome"]

    def step(self):
        """Does what is due. Returns the milliseconds until there is something to do, if no message arrives before."""
        if self._board is not None:
            self._board.beat()
        try:
            return max(0, self._step())
        except LinkpulseError as e:
            error = e
        except MemoryError:
            error = None
        return self._failed(error)

    def pause(self, ms):
        """Waits for a message, at most `ms`; where Ctrl-C or a watchdog would have to wait, in smaller pieces."""
        ms = min(ms, self._piece)
        if not self.session.connected():
            time.sleep(ms / 1000)  # on the unix port, sleep_ms() wakes up every 0.5 ms
            return
        try:
            self.session.wait(ms)
        except LinkpulseError as e:
            self._failed(e)
        except MemoryError:
            self._failed(None)

    def _step(self):
        session = self.session
        if session.connected():
            session.wait(0)
            self._retry.check()
        left = _LONGEST
        handlers = self._handlers
        for i in range(len(handlers)):
            handler = handlers[(i + self._turn) % len(handlers)]
            if not session.connected():
                handler.lost()  # it may still wait after an interrupted run()
            due = handler.due()
            if due <= 0:
                due = self._retry.left()
                if due <= 0:
                    self._publish(handler)
                    due = handler.due()
            left = min(left, due)
        if session.connected():
            left = min(left, session.keep_alive())
        return left

    def _connect(self):
        if self._board is not None:
            self._board.connect()
        if self._ntp and epoch() is None:
            synchronize(self._ntp)
        if epoch() is None:
            raise ClockError("the clock is not set, and TLS needs it: set it, or name a server in `ntp`")
        kept = self.session.connect()
        self._retry.connected()
        self._status.values["connected_since"] = epoch()
        # A session from before this start may have subscribed to the topics of another format.
        self._subscribed &= kept
        for handler in self._handlers:
            if not self._subscribed:
                self.session.subscribe(handler.topics)
            handler.connected(kept)
        self._subscribed = True
        self._status.say(INFO, "connected")

    def _publish(self, handler):
        if not self.session.connected():
            self._connect()
            self.session.wait(0)
            if handler.due() > 0:
                return  # it waits for an answer that the broker may have kept
        message = handler.message()
        if message is None:
            return
        topic, payload = message
        if self._status.log is not None:
            self._status.say(DEBUG, "%d bytes to %s" % (len(payload), topic))
        self.session.publish(topic, payload)
        self._status.values["published"] += 1

    def _received(self, topic, payload):
        for handler in self._handlers:
            try:
                if handler.receive(topic, payload):
                    self._retry.good()
            except MemoryError:
                raise
            except Exception as e:
                # The message must be acknowledged all the same, or the broker would send it again for ever.
                self._status.raised("receive() raised ", e)

    def _failed(self, error):
        if error is not None:
            try:
                return self._fail(error)
            except MemoryError:
                pass
        gc.collect()
        return self._fail(None)

    def _fail(self, error):
        # Without an error, memory ran out, and then nothing here may allocate.
        for handler in self._handlers:
            handler.lost()
        self.session.close()
        # A handler that fails must not keep the others from their turn.
        self._turn = (self._turn + 1) % len(self._handlers)
        wait = self._retry.failed(isinstance(error, NetworkError), error is not None and error.lasting)
        self._status.failed(error, self._client_id if self._retry.kicked() else None, wait // 1000)
        return wait
