"""When to report, over which session, and what to do next."""

import gc
import time
from linkpulse import clock
from linkpulse.backoff import Backoff, spread
from linkpulse.errors import AuthError, LinkpulseError, SettingsError
from linkpulse.reporter import Reporter
from linkpulse.session import Session
from linkpulse.settings import MIN_INTERVAL
from linkpulse.state import Ids

_LASTING = 900000  # ms before a broker that refuses this device is asked again
_STABLE = 60000  # ms that a connection must live before the next failure is a first one


class Agent:
    """Reports at `settings.interval`, connecting when a report is due.

    `step()` does what is due and returns the milliseconds until it wants to be called again; `run()` and `run_async()`
    call it. Nothing that a network, a broker or a platform does ends the agent; `status()` tells.
    """

    def __init__(self, settings, collector=None):
        if collector is None:
            from linkpulse.collect.linux import Collector

            collector = Collector(settings.proc, settings.loopback, settings.include, settings.exclude)
        self._ids = Ids(settings.state)
        self.reporter = Reporter(
            collector, settings.thing, self._ids.next, settings.format, settings.tags, settings.topic,
            settings.connections, settings.buffer,
        )  # fmt: skip
        self._session = Session(settings, self._received)
        self._interval = settings.interval * 1000
        self._answer_time = settings.timeout * 1000
        self._backoff = Backoff(cap=max(4000, min(600000, 2 * self._interval)))
        # A fleet that gets its power back at once must not report at once.
        self._due = time.ticks_add(time.ticks_ms(), spread(self._interval))
        self._waiting = False  # for the answer to a report
        self._answer_due = self._connected_at = 0
        self._changed = False
        self._status = {
            "outcome": None,
            "report_id": None,
            "bytes": 0,
            "accepted": 0,
            "rejected": 0,
            "unknown": 0,
            "errors": 0,
            "last_accepted": None,
            "last_error": "; ".join(settings.warnings) or None,
        }

    def status(self):
        """What happened so far, as a dict of numbers and texts; `heap` is in use after a collection, in bytes."""
        s = self._status
        s["connected"] = self._session.connected()
        s["skipped"] = self.reporter.skipped
        s["state"] = self._ids.problem
        gc.collect()
        s["heap"] = gc.mem_alloc()
        return s

    def run(self, told=None):
        """Runs for ever. `told()` is called after every outcome."""
        try:
            while True:
                self._pause(self.step())
                if self._changed:
                    self._changed = False
                    if told is not None:
                        told()
        finally:
            self._session.close()

    async def run_async(self, told=None):
        """The same among other tasks; a connection attempt holds them up for as long as it takes."""
        import asyncio

        try:
            while True:
                await asyncio.sleep_ms(min(250, self.step()))
                if self._changed:
                    self._changed = False
                    if told is not None:
                        told()
        finally:
            self._session.close()

    def step(self):
        """Does what is due. Returns the milliseconds until there is something to do again, unless a message arrives."""
        try:
            return max(0, self._step())
        except LinkpulseError as e:
            return self._failed(e)
        except MemoryError:
            gc.collect()
            return self._failed(LinkpulseError("out of memory: lower `connections`, or leave the agent more heap"))

    def _step(self):
        session = self._session
        if session.connected():
            session.wait(0)
            if self._waiting and _until(self._answer_due) <= 0:
                self._outcome("unknown", "no answer to report %s" % self._status["report_id"])
                return 0
        if not self._waiting and _until(self._due) <= 0:
            if not session.connected():
                session.connect()
                self._connected_at = time.ticks_ms()
                session.subscribe((self.reporter.accepted, self.reporter.rejected))
            self._report()
        left = _until(self._answer_due if self._waiting else self._due)
        if session.connected():
            left = min(left, session.keep_alive())
        return left

    def _report(self):
        payload = self.reporter.report()
        s = self._status
        s["report_id"] = self.reporter.report_id
        s["bytes"] = len(payload)
        # From here on it may have reached the service, so the next one is an interval away whatever becomes of it.
        self._due = time.ticks_add(time.ticks_ms(), self._interval)
        self._waiting = True
        self._answer_due = time.ticks_add(time.ticks_ms(), self._answer_time)
        self._session.publish(self.reporter.topic, payload)

    def _received(self, topic, payload):
        response = self.reporter.receive(topic, payload)
        if response is None or not response.matches:
            return
        self._backoff.reset()
        if response.status == "accepted":
            self._status["last_accepted"] = clock.epoch()
            self._outcome("accepted")
            return
        if response.code == "Throttled":
            self._due = time.ticks_add(time.ticks_ms(), max(self._interval, MIN_INTERVAL * 1000))
        self._outcome("rejected", "rejected: %s, %s" % (response.code, response.message))

    def _outcome(self, what, error=None):
        s = self._status
        s["outcome"] = what
        s["errors" if what == "error" else what] += 1
        if error:
            s["last_error"] = error
        self._waiting = False
        self._changed = True

    def _failed(self, error):
        if self._waiting:
            self._outcome("unknown")
        self._outcome("error", str(error))
        if time.ticks_diff(time.ticks_ms(), self._connected_at) > _STABLE:
            self._backoff.reset()
        wait = self._backoff.next()
        if isinstance(error, (AuthError, SettingsError)):
            wait = max(wait, _LASTING)
        if _until(self._due) < wait:
            self._due = time.ticks_add(time.ticks_ms(), wait)
        return wait

    def _pause(self, ms):
        # In pieces, so that Ctrl-C is heard on every platform.
        ms = min(ms, 1000)
        if self._session.connected():
            try:
                self._session.wait(ms)
            except LinkpulseError as e:
                self._failed(e)
        else:
            time.sleep_ms(ms)


def _until(ticks):
    return time.ticks_diff(ticks, time.ticks_ms())
