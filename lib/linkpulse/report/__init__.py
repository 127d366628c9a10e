"""One thing's reports, without I/O: what to publish, and what the answers to it mean.

For an application that has an MQTT connection already: publish what `report()` returns to `topic`, subscribe to
`accepted` and `rejected`, and hand `receive()` what arrives.
"""

from ..errors import CollectError, ProtocolError, described
from .response import Response, parse
from .writer import ReportWriter
from ..sample.counters import Counters
from ..sample.sockets import SocketTable


class Reporter:
    """Reports of `collector`'s platform in the name of `thing`.

    `next_id` is called for each report and returns its id, an integer above all before (state.Ids().next).
    `topic` is where reports go, None for the reserved topic of AWS IoT. `format`, `tags`, `connections` and `size` are
    those of report.Report.
    """

    def __init__(self, collector, thing, next_id, format="cbor", tags="short", topic=None, connections=50, size=0):
        self.topic = topic or "$aws/things/%s/defender/metrics/%s" % (thing, format)
        self.accepted = self.topic + "/accepted"
        self.rejected = self.topic + "/rejected"
        self.report_id = None  # of the report that waits for its answer
        self.problem = None  # why a block is missing from the last report
        self._collector = collector
        self._told = getattr(collector, "accepted", None)
        self._next_id = next_id
        self._cbor = format == "cbor"
        self.counters = Counters(collector.width, collector.counts_from_start)
        self._sockets = SocketTable(connections)
        self._report = ReportWriter(format, tags, connections, size)
        self._empty = True  # whether blocks without entries are sent
        self._sent_empty = False

    @property
    def skipped(self):
        """Rows of the platform's tables that could not be read, since the start."""
        return self._collector.skipped

    @property
    def source(self):
        """What the platform can see, in words, where its collector says it."""
        return getattr(self._collector, "source", None)

    def _sample(self):
        """Reads the platform's counters and sockets. Raises CollectError where it gives nothing at all."""
        self.problem = None
        try:
            self._collector.counters(self.counters)
            self.counters.end()
        except Exception as e:  # a collector may be anybody's: its failure costs its block, not the report
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
        """A new report, as a memoryview valid until the next one. The one before counts as unanswered."""
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
        """What a message means: a Response, or None for one that is not an answer to this thing's reports.

        An acceptance of the report that waits moves the counters' baseline; nothing else does. Never raises for
        what a broker sent: what cannot be read is a Response with the status "malformed".
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
                # Some services are said to refuse empty lists: from now on such blocks are left out.
                self._empty = False
        return response


def _decoded(topic):
    try:
        return str(topic, "utf-8")
    except (ValueError, TypeError):  # UnicodeError is a ValueError
        return None
