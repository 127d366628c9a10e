# SPDX-License-Identifier: MIT
"""What to do next: board, clock, session, then what the handlers publish; and what to make of all that fails."""

import gc
from .reports import Reports
from .schedule import Retry, after
from .status import DEBUG, INFO, Status
from .. import __version__
from ..errors import ClockError, LinkpulseError, NetworkError
from ..port import const, mem_alloc, time
from ..port.clock import epoch, synchronize
from ..session.session import Session
from ..session.tls_stream import PIECE

_LONGEST = const(86400000)  # ms
_IDLE = const(1000)  # ms between two steps without hardware


class Agent:
    """Connects when a handler has something to publish, reports first of all, and hands out what arrives.

    `step()` does what is due and returns the milliseconds until it wants to be called again; `run()`, `run_async()` and
    `once()` call it. Nothing that a network, a broker or a platform does ends the agent; `status()` tells.

    `log(level, text)`, if given, hears of status.ERROR, INFO and DEBUG; without it no text is ever made.

    `session` is its connection (session.Session), and `reports` the handler of the reports.

    A handler has `topics`, texts to subscribe to; `due()`, the milliseconds until it publishes; `message()`, its topic
    and payload then; `receive(topic, payload)`, which is None for a topic of others and True for an answer that was
    waited for; `connected(kept)`, after each connect, with whether the broker had kept the session; and `lost()`. The
    broker has the message if due() is called after message(), without a lost() between them. due() and message() may
    raise a LinkpulseError; it ends the connection. `handlers` has those besides `reports`.
    """

    def __init__(self, settings, collector=None, log=None, handlers=()):
        self._status = Status(log, settings.warnings)
        self.reports = Reports(settings, collector, self._status)
        self._handlers = (self.reports,) + tuple(handlers)
        self._turn = 0  # whose is the first turn
        self._board = beat = None
        self._piece = _IDLE
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
        """A line about what runs, what it sees, and when it reports."""
        return "linkpulse %s started. %s" % (__version__, self.reports.outlook())

    def status(self):
        """What happened so far: a dict of numbers, texts and None.

        `outcome` of the last report or try (accepted, rejected, unknown, error), the class of that `error` and its
        `category` (see errors), and a count of each; `published`, how many messages the broker has acknowledged;
        `report_id` and `bytes` of the last report; `connected_since` and `last_accepted` in seconds since 1970;
        `last_error` with its reason; `problem` with state files or the collector; `skipped` rows; `gaps`, how often a
        part of an interface's traffic was not counted (sample.counters); `source`, what the platform can see;
        `version`; `heap` in use after a collection, in bytes.
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
        """Ends the connection; step() makes another when there is something to publish."""
        self.session.close()

    def run(self, on_outcome=None):
        """Runs for ever. `on_outcome()` is called after every outcome."""
        try:
            while True:
                left = self.step()
                if not self._status.notify(on_outcome):
                    self.pause(left)
                    self._status.notify(on_outcome)
        finally:
            self.close()

    async def run_async(self, on_outcome=None):
        """Runs among other tasks. Connecting and publishing hold them up, each operation for `timeout` at most."""
        import asyncio

        try:
            while True:
                await asyncio.sleep_ms(min(self._piece, self.step()))
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
        reports.lost()  # what an interrupted run() waited for
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
        """Does what is due. Returns the milliseconds until there is something to do again, unless a message arrives."""
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
        """Waits for a message, for `ms` and a second at most, so that Ctrl-C is heard on every platform."""
        ms = min(ms, self._piece)
        if not self.session.connected():
            time.sleep(ms / 1000)  # sleep_ms() looks every 0.5 ms on the unix port
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
                handler.lost()  # an interrupted run() may have left it waiting
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
        # What a session from before this start was subscribed to may be another format's topics.
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
                return  # it waits for what the broker may have kept
        topic, payload = handler.message()
        status = self._status
        if status.log is not None:
            status.say(DEBUG, "%d bytes to %s" % (len(payload), topic))
        self.session.publish(topic, payload)
        status.values["published"] += 1

    def _received(self, topic, payload):
        for handler in self._handlers:
            try:
                if handler.receive(topic, payload):
                    self._retry.good()
            except MemoryError:
                raise
            except Exception as e:
                # The message must be acknowledged all the same. Else the broker would send it again for ever.
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
        # Without an error it was memory that failed: then nothing here may allocate.
        for handler in self._handlers:
            handler.lost()
        self.session.close()
        # What one handler cannot do must not keep the others from their turn.
        self._turn = (self._turn + 1) % len(self._handlers)
        wait = self._retry.failed(isinstance(error, NetworkError), error is not None and error.lasting)
        text = "out of memory: lower `connections`, or free heap"
        kind = "MemoryError"
        category = "memory"
        if error is not None:
            text = str(error)
            kind = type(error).__name__
            category = error.category
            if self._retry.kicked():
                text += "; again and again: does another client use the client id %s?" % self._client_id
        self._status.outcome("error", text, kind, category)
        return wait
