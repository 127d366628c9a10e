# SPDX-License-Identifier: MIT
"""Makes the reports of one thing and reads the answers to them. It does no network I/O.

An application with its own MQTT connection publishes what `report()` returns to `topic`, subscribes to `accepted` and
`rejected`, and passes every message to `receive()`.
"""

from ..errors import CollectError, ProtocolError, described
from .response import Response, parse
from .writer import ReportWriter
from ..sample.counters import Counters
from ..sample.sockets import SocketTable


class Reporter:
    """Reports what `collector` reads, in the name of `thing`.

    `next_id()` returns the id of a new report, an integer that is higher than all before (report_ids.Ids().next).
    `topic` is the topic for reports; None means the reserved topic of AWS IoT. `format`, `tags`, `connections` and
    `size` are explained at ReportWriter.
    """

    def __init__(self, collector, thing, next_id, format="cbor", tags="short", topic=None, connections=50, size=0):
        self.topic = topic or "$aws/things/%s/defender/metrics/%s" % (thing, format)
        self.accepted = self.topic + "/accepted"
        self.rejected = self.topic + "/rejected"
        self.report_id = None  # the id of the report that waits for an answer
        self.problem = None  # why a block is missing from the last report
        self._collector = collector
        self._told = getattr(collector, "accepted", None)
        self._next_id = next_id
        self._cbor = format == "cbor"
        self.counters = Counters(collector.width, collector.counts_from_start)
        self._sockets = SocketTable(connections)
        self._report = ReportWriter(format, tags, connections, size)
        self._empty = True  # whether to send blocks without entries
        self._sent_empty = False

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

        An earlier report that has no answer yet counts as unanswered. Raises CollectError if there is nothing to
        report, and TooLarge if the report does not fit its buffer.
        """
        self.report_id = None
        self._sample()
        s = self._sockets
        self._sent_empty = self._empty and (
            s.tcp_read and not (s.tcp_total and s.connections) or s.udp_read and not s.udp_total
        )
        report_id = self._next_id()
        payload = self._report.write(report_id, self.counters, s, self._empty)
        self.report_id = report_id
        return payload

    def receive(self, topic, payload):
        """Reads a message. Returns a Response, or None if it is not an answer to this thing's reports.

        `topic` and `payload` are bytes or text. Only the acceptance of the report that waits moves the counters'
        baseline. Nothing that a broker sends raises an error: an unreadable answer is a Response with the status
        "malformed".
        """
        name = topic if isinstance(topic, str) else _decoded(topic)
        if name == self.accepted:
            status = "accepted"
        elif name == self.rejected:
            status = "rejected"
        else:
            return None
        try:
            response = parse(status, payload, self._cbor, self.report_id)
        except ProtocolError as e:
            return Response("malformed", None, None, str(e))
        waiting = self.report_id is not None
        if waiting and (response.report_id == self.report_id or (status == "rejected" and response.report_id is None)):
            response.matches = True
            self.report_id = None
            if status == "accepted":
                self.counters.commit()
                if self._told is not None:
                    self._told()
            elif response.code == "InvalidPayload" and self._sent_empty:
                # Some services refuse empty lists, so leave such blocks out from now on.
                self._empty = False
        return response


def _decoded(topic):
    try:
        return str(topic, "utf-8")
    except (ValueError, TypeError):  # UnicodeError is a ValueError, too
        return None
