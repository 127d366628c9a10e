# SPDX-License-Identifier: MIT
"""What to do next: connect, report, take the answer, and what to make of all that fails."""

import gc
from . import loops
from .schedule import Schedule, after, until
from .status import DEBUG, INFO, Status
from ..collect import choose
from ..errors import AuthError, LinkpulseError, NetworkError, SettingsError
from ..port import mem_alloc
from ..port.clock import epoch
from ..report.report_ids import Ids
from ..report import Reporter
from ..session.session import Session
from ..settings import MIN_INTERVAL

_NO_MEMORY = "out of memory: lower `connections`, or free heap"


class Agent:
    """Reports at `settings.interval`, connecting when a report is due.

    `step()` does what is due and returns the milliseconds until it wants to be called again; `run()`, `run_async()` and
    `once()` call it. Nothing that a network, a broker or a platform does ends the agent; `status()` tells.

    `log(level, text)`, if given, hears of status.ERROR, INFO and DEBUG; without it no text is ever made.
    """

    run = loops.run
    run_async = loops.run_async
    once = loops.once
    pause = loops.pause

    def __init__(self, settings, collector=None, log=None):
        self._status = Status(log, settings.warnings)
        self._ids = Ids(settings.state)
        self.reporter = Reporter(
            collector or choose(settings), settings.thing, self._ids.next, settings.format, settings.tags,
            settings.topic, settings.connections, settings.buffer,
        )  # fmt: skip
        self._baseline = None
        if settings.baseline:
            from ..collect.linux.baseline import Baseline

            self._baseline = Baseline(settings.baseline)
            self._baseline.load(self.reporter.counters)
        self._board = None
        if settings.board():
            from ..board import Board

            self._board = Board(settings, self._status.values)
        self._session = Session(settings, self._received, self._board)
        self._subscribed = False
        self._client_id = settings.client_id
        self._answer_time = settings.timeout * 1000
        self._schedule = Schedule(settings.interval * 1000)
        self._waiting = False  # for the answer to a report
        self._answer_due = 0

    def status(self):
        """What happened so far: a dict of numbers, texts and None.

        `outcome` of the last report or try (accepted, rejected, unknown, error), the class of that `error`, and a
        count of each; `report_id` and `bytes` of the last report; `connected_since` and `last_accepted` in seconds
        since 1970; `last_error` with its reason; `problem` with state files or the collector; `skipped` rows; `gaps`,
        how often a part of an interface's traffic was not counted (sample.Counters); `heap` in use after a collection,
        in bytes.
        """
        s = self._status.values
        if not self._session.connected():
            s["connected_since"] = None
        s["skipped"] = self.reporter.skipped
        s["gaps"] = self.reporter.counters.gaps
        s["source"] = self.reporter.source
        s["problem"] = self._ids.problem or self.reporter.problem or (self._baseline and self._baseline.problem)
        gc.collect()
        s["heap"] = mem_alloc()
        return s

    def tell(self, told):
        """Calls `told()` if there was an outcome since the last time; whether there was."""
        return self._status.tell(told)

    def close(self):
        """Ends the connection; step() makes another when a report is due."""
        self._session.close()

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

    def _step(self):
        session = self._session
        if session.connected():
            session.wait(0)
            self._schedule.check()
        # Without a connection no answer can come: an interrupted run() may have left it so.
        if self._waiting and (until(self._answer_due) <= 0 or not session.connected()):
            self._outcome("unknown", "report %s has no answer" % self._status.values["report_id"])
            return 0
        if not self._waiting and until(self._schedule.due) <= 0:
            if not session.connected():
                self._connect()
            self._report()
        left = until(self._answer_due if self._waiting else self._schedule.due)
        if session.connected():
            left = min(left, session.keep_alive())
        return left

    def _connect(self):
        present = self._session.connect()
        self._schedule.connected()
        self._status.values["connected_since"] = epoch()
        # What a session from before this start was subscribed to may be another format's topics.
        self._subscribed &= present
        if not self._subscribed:
            self._session.subscribe((self.reporter.accepted, self.reporter.rejected))
            self._subscribed = True
        self._status.say(INFO, "connected")
        # The answer to the last report may have waited at the broker: it comes before the next report is made.
        self._session.wait(0 if self.reporter.report_id is None else 500)

    def _report(self):
        payload = self.reporter.report()
        s = self._status.values
        s["report_id"] = self.reporter.report_id
        s["bytes"] = len(payload)
        if self._status.log is not None:
            self._status.say(DEBUG, "report %d of %d bytes" % (s["report_id"], len(payload)))
        # From here on it may have reached the service, so the next one is an interval away whatever becomes of it.
        self._schedule.due = self._answer_due = after(self._schedule.interval)
        self._waiting = True
        self._session.publish(self.reporter.topic, payload)
        if self._waiting:
            self._answer_due = after(self._answer_time)

    def _received(self, topic, payload):
        response = self.reporter.receive(topic, payload)
        if response is None or not response.matches:
            self._status.heard(response)
            return
        self._schedule.good()
        if response.status == "accepted":
            self._status.values["last_accepted"] = epoch()
            self._outcome("accepted")
            if self._baseline is not None:
                self._baseline.save(self.reporter.counters)
            return
        if response.code == "Throttled":
            self._schedule.not_before(MIN_INTERVAL * 1000)
        self._outcome("rejected", "the report was rejected: %s, %s" % (response.code, response.message))

    def _outcome(self, what, error=None, kind=None):
        self._waiting = False
        self._status.outcome(what, error, kind)

    def _failed(self, error):
        if error is not None:
            try:
                return self._fail(error)
            except MemoryError:
                pass
        gc.collect()
        return self._fail(None)

    def _fail(self, error):
        # Without an error it was memory that failed: then nothing here may allocate, a tuple of classes included.
        if self._waiting:
            self._outcome("unknown")
        self._session.close()
        lasting = isinstance(error, AuthError) or isinstance(error, SettingsError)
        wait = self._schedule.failed(isinstance(error, NetworkError), lasting)
        text = _NO_MEMORY
        kind = "MemoryError"
        if error is not None:
            text = str(error)
            kind = type(error).__name__
            if self._schedule.kicked():
                text += "; again and again: does another client use the client id %s?" % self._client_id
        self._outcome("error", text, kind)
        return wait
