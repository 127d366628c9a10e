# SPDX-License-Identifier: MIT
"""The handler of reports: it decides when the next report is due, and takes the answers."""

from .schedule import after, spread, until
from .status import ERROR
from ..collect import choose
from ..errors import LinkpulseError
from ..port.clock import epoch
from ..report import Reporter
from ..report.report_ids import Ids
from ..settings import MIN_INTERVAL


class Reports:
    """Makes a report every `settings.interval` seconds.

    The first report comes at a random moment of the interval, so that a fleet that gets its power back at the same time
    does not report all at once. Outcomes are noted in `status`. Its methods are those of a handler (agent.Agent).
    """

    def __init__(self, settings, collector, status):
        self.ids = Ids(settings.state)
        self.reporter = r = Reporter(
            collector or choose(settings), settings.thing, self.ids.next, format=settings.format, tags=settings.tags,
            topic=settings.topic, connections=settings.connections, size=settings.buffer,
        )  # fmt: skip
        self.topics = (r.accepted, r.rejected)
        self.waiting = False  # whether it waits for the answer to the last report
        self.baseline = None
        if settings.baseline:
            from ..collect.linux.baseline import Baseline

            self.baseline = Baseline(settings.baseline)
            self.baseline.load(r.counters)
        self._status = status
        self._interval = settings.interval * 1000
        self._timeout = settings.timeout * 1000
        self.next = after(spread(self._interval))
        self._answer_due = None
        self._again = False  # whether it waits again, for an answer that the broker may have kept

    def due(self):
        if self.waiting:
            if self._answer_due is None:  # it has been published
                self._answer_due = after(self._timeout)
            left = until(self._answer_due)
            if left > 0:
                return left
            if not self._again:
                self._outcome("unknown", "report %s has no answer" % self.reporter.report_id)
                return 1  # ms: the outcome is told before the next report begins
            self.waiting = False
        left = until(self.next)
        if left < 0:
            self.next = after(0)  # ticks wrap, so keep a time in the past from becoming one in the future
        return left

    def connected(self, kept):
        # The broker may have kept the answer to the last report. If the next report came before that answer, both
        # would contain the traffic of that interval.
        if kept and self.reporter.report_id is not None:
            self.waiting = self._again = True
            self._answer_due = after(self._timeout)

    def lost(self):
        if self.waiting and not self._again:
            self._outcome("unknown")
        self.waiting = False

    def message(self):
        try:
            payload = self.reporter.report()
        except LinkpulseError as e:
            # That is no fault of the connection, and trying again at once would not help.
            self.next = after(self._interval)
            self._status.failed(e)
            return None
        values = self._status.values
        values["report_id"] = self.reporter.report_id
        values["bytes"] = len(payload)
        # It may reach the service from now on, so the next report is an interval away in any case.
        self.next = after(self._interval)
        self._answer_due = None
        self.waiting = True
        self._again = False
        return self.reporter.topic, payload

    def outlook(self):
        """A text that says what the collector sees, and when the first report is due."""
        seen = self.reporter.source or "a collector of its own"
        return "It sees: %s. The first report is due in %d s." % (seen, max(0, self.due()) // 1000)

    def describe(self, values):
        """Adds the state of the reports and their collector to `values`, the dict of Agent.status()."""
        r = self.reporter
        values["skipped"] = r.skipped
        values["gaps"] = r.counters.gaps
        values["source"] = r.source
        values["problem"] = self.ids.problem or r.problem or (self.baseline and self.baseline.problem)

    def receive(self, topic, payload):
        response = self.reporter.receive(topic, payload)
        if response is None:
            return None
        if not response.matches:
            if response.status == "malformed":
                self._status.values["last_error"] = response.message
                self._status.say(ERROR, response.message)
            return False
        self._answered(response)
        return True

    def _answered(self, response):
        if response.status == "accepted":
            self._status.values["last_accepted"] = epoch()
            if response.late:
                self._status.values["accepted"] += 1
            else:
                self._outcome("accepted")
            if self.baseline is not None:
                self.baseline.save(self.reporter.counters)
        elif not response.late:
            if response.code == "Throttled" and until(self.next) < MIN_INTERVAL * 1000:
                self.next = after(MIN_INTERVAL * 1000)
            self._outcome("rejected", "the report was rejected: %s, %s" % (response.code, response.message))

    def _outcome(self, what, text=None):
        self.waiting = False
        self._status.outcome(what, text)
