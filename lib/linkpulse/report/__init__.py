# SPDX-License-Identifier: MIT
"""Makes the reports of one thing and reads the answers to them. It does no network I/O.

An application with its own MQTT connection publishes what `report()` returns to `topic`, subscribes to `accepted` and
`rejected`, and passes every message to `receive()`.
"""

from ..errors import CollectError, ProtocolError, described
from ..port import const
from .response import Response, parse
from .writer import ReportWriter
from ..sample.counters import Counters
from ..sample.sockets import SocketTable

_EARLIER = const(3)  # the number of earlier reports whose answers may still come


class Reporter:
    """Reports what `collector` reads, in the name of `thing`.

    `next_id()` returns the id of a new report, an integer that is higher than all before (report_ids.Ids().next).
    `topic` is the topic for reports; "" means the reserved topic of AWS IoT. `format`, `tags`, `connections` and
    `size` are explained at ReportWriter.
    """

    def __init__(self, collector, thing, next_id, *, format="cbor", tags="short", topic="", connections=50, size=0):
        # Load the module that reads answers now, because at the first answer memory may be short.
        if format == "cbor":
            from .response_cbor import fields
        else:
            from .response_json import fields
        self.topic = topic or "$aws/things/%s/defender/metrics/%s" % (thing, format)
        self.accepted = self.topic + "/accepted"
        self.rejected = self.topic + "/rejected"
        self.report_id = None  # the id of the last report, until an answer names it
        self.problem = None  # why a block is missing from the last report
        self._collector = collector
        self._on_accepted = getattr(collector, "accepted", None)
        self._next_id = next_id
        self._fields = fields
        self.counters = Counters(collector.width, collector.counts_from_start)
        self._sockets = SocketTable(connections)
        self._report = ReportWriter(format, tags, connections, size)
        self._earlier = None  # [(report id, counters' snapshot)] of reports before the last one that had no answer
        self._empty = True  # whether to send blocks without entries
        self._sent_empty = self._rejected = False

    @property
    def skipped(self):
        """The number of rows of the platform's tables that could not be read since the start."""
        return self._collector.skipped

    @property
    def source(self):
        """A text that says what the platform can see, or None if the collector does not say it."""
        return getattr(self._collector, "source", None)

    def _sample(self):
        """Reads the platform's counters and sockets. Raises CollectError if it gives neither."""
        self.problem = None
        try:
            self._collector.counters(self.counters)
            self.counters.end()
        except Exception as e:  # a collector may be anybody's: if it fails, only its block is missing
            self.counters.missing()
            self._failed(e)
        try:
            self._collector.sockets(self._sockets)
        except Exception as e:
            self._sockets.begin()
            self._failed(e)
        if not (self._sockets.tcp_read or self._sockets.udp_read or self.counters.available()):
            raise CollectError(self.problem or "there are neither sockets nor counters to read here")

    def _failed(self, e):
        if isinstance(e, MemoryError):
            raise e
        self.problem = "the collector failed: " + described(e)

    def report(self):
        """Makes a new report. Returns a memoryview of bytes, valid until the next report.

        The answer to an earlier report may still come. Raises CollectError if there is nothing to report, and TooLarge
        if the report does not fit its buffer.
        """
        if self.report_id is not None:
            try:
                snapshot = self.counters.snapshot()
                if snapshot is not None:
                    self._earlier = (self._earlier or [])[1 - _EARLIER :] + [(self.report_id, snapshot)]
            except MemoryError:
                self._earlier = None  # better no late answers than no reports
        self.report_id = None
        self._sample()
        s = self._sockets
        self._sent_empty = self._empty and (
            s.tcp_read and not (s.tcp_total and s.connections) or s.udp_read and not s.udp_total
        )
        self._rejected = False
        report_id = self._next_id()
        payload = self._report.write(report_id, self.counters, s, self._empty)
        self.report_id = report_id
        return payload

    def receive(self, topic, payload):
        """Reads a message. Returns a Response, or None if it is not an answer to this thing's reports.

        `topic` and `payload` are bytes or text. Only an acceptance that names one of the last four reports moves the
        counters' baseline. Nothing that a broker sends raises an error: an unreadable answer is a Response with the
        status "malformed".
        """
        name = topic if isinstance(topic, str) else _decoded(topic)
        if name == self.accepted:
            status = "accepted"
        elif name == self.rejected:
            status = "rejected"
        else:
            return None
        try:
            unanswered = [self.report_id] + [report[0] for report in self._earlier or ()]
            response = parse(status, payload, self._fields, unanswered)
        except ProtocolError as e:
            return Response("malformed", None, None, str(e))
        self._match(response, status)
        if response.code == "InvalidPayload" and response.matches and not response.late and self._sent_empty:
            # Some services refuse empty lists, so leave such blocks out from now on.
            self._empty = False
        return response

    def _match(self, response, status):
        if response.report_id is None:
            if status == "rejected" and self.report_id is not None and not self._rejected:
                # It may be an old one that the broker sends again, so an acceptance can still follow.
                response.matches = self._rejected = True
        elif response.report_id == self.report_id:
            response.matches = True
            self.report_id = None
            if status == "accepted":
                self._earlier = None
                self.counters.commit()
                self._empty |= self._sent_empty
                if self._on_accepted is not None:
                    try:
                        self._on_accepted()
                    except Exception as e:
                        self._failed(e)
        else:
            self._late(response)

    def _late(self, response):
        earlier = self._earlier or ()
        for i in range(len(earlier)):
            if earlier[i][0] == response.report_id:
                response.matches = response.late = True
                if response.status == "accepted":
                    self.counters.commit_late(earlier[i][1])
                # An accepted report contains the traffic of those before it.
                self._earlier = (earlier[:i] if response.status == "rejected" else []) + earlier[i + 1 :]
                return


def _decoded(topic):
    try:
        return str(topic, "utf-8")
    except (ValueError, TypeError):  # UnicodeError is a ValueError, too
        return None
