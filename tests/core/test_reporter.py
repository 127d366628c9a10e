"""One thing's reports: when the baseline moves, and what is made of answers."""

import json
from check import CUT_JSON_IS_NOTICED, equal, raises
from proc_root import TCP, TCP6, UDP, collector, dev, row, table, udp, usual
from linkpulse.errors import CollectError, TooLarge
from linkpulse.report import Reporter

LIVELY = {
    "tcp": table(TCP, [row("0.0.0.0", 22), row("192.0.2.1", 1, "192.0.2.2", 2, 1)]),
    "udp": table(UDP, [udp("0.0.0.0", 68)], 127),
}


class Bench:
    """A reporter in JSON with long tags on a machine whose counters stand at `bytes_in`."""

    def __init__(self, files=None, **options):
        self.files = files or usual(**LIVELY)
        self.bytes_in = 1000
        self.ids = 0
        options["format"] = options.get("format", "json")
        self.collector = collector(self.files)
        self.reporter = Reporter(self.collector, "thing-1", self.next_id, tags="long", **options)

    def next_id(self):
        self.ids += 1
        return self.ids

    def report(self):
        if self.files.get("dev") is not None:
            self.files["dev"] = dev(("eth0", self.bytes_in, 1, 1, 1))
            self.collector._dev.close()
        return json.loads(bytes(self.reporter.report()).decode())

    def bytes(self):
        """bytes_in of a new report, None when it has none."""
        return self.report()["metrics"].get("network_stats", {}).get("bytes_in")

    def accept(self, report_id=None):
        return self.answer(self.reporter.accepted, reportId=report_id or self.reporter.report_id)

    def reject(self, code="InvalidPayload", **fields):
        return self.answer(self.reporter.rejected, statusDetails={"ErrorCode": code, "ErrorMessage": "m"}, **fields)

    def answer(self, topic, **fields):
        return self.reporter.receive(topic, json.dumps(fields).encode())


def test_topics():
    r = Bench(format="cbor").reporter
    equal(r.topic, "$aws/things/thing-1/defender/metrics/cbor")
    equal((r.accepted, r.rejected), (r.topic + "/accepted", r.topic + "/rejected"))
    equal(Bench(topic="a/b").reporter.rejected, "a/b/rejected")
    assert Bench().reporter.topic.endswith("/json")


def test_the_first_report_has_no_statistics_and_the_next_ones_do():
    b = Bench()
    equal(b.bytes(), None)
    b.bytes_in += 50
    equal(b.bytes(), 50)


def test_the_baseline_moves_only_with_an_acceptance():
    b = Bench()
    b.report()
    b.bytes_in += 50
    equal(b.bytes(), 50)
    b.bytes_in += 7
    equal(b.bytes(), 57)  # nobody answered
    r = b.accept()
    assert r.matches and r.status == "accepted"
    b.bytes_in += 3
    equal(b.bytes(), 3)


def test_an_acceptance_counts_once():
    b = Bench()
    b.report()
    assert b.accept().matches
    b.bytes_in += 5
    report_id = b.reporter.report_id
    equal(report_id, None)
    assert not b.accept(b.ids).matches
    equal(b.bytes(), 5)
    assert not b.accept(b.ids - 1).matches  # of the report before
    b.bytes_in += 5
    equal(b.bytes(), 10)


def test_both_forms_of_an_acceptance():
    for by_key in (False, True):
        b = Bench()
        b.report()
        b.bytes_in += 5
        b.report()
        fields = {str(b.ids): 1700000000} if by_key else {"reportId": b.ids}
        assert b.answer(b.reporter.accepted, **fields).matches
        equal(b.bytes(), 0)


def test_answers_that_are_for_another_report():
    b = Bench()
    b.report()
    b.bytes_in += 5
    b.report()
    for fields in ({"reportId": b.ids + 1}, {"reportId": b.ids - 2}, {"7": 1}, {}):
        r = b.answer(b.reporter.accepted, **fields)
        assert not r.matches and r.status == "accepted"
    assert not b.reject(reportId=b.ids - 2).matches
    equal(b.reporter.report_id, b.ids)
    equal(b.bytes(), 5)


def test_a_rejection_keeps_the_baseline():
    for fields in ({}, {"reportId": 2}):
        b = Bench()
        b.report()
        b.bytes_in += 5
        b.report()
        r = b.reject("Throttled", **fields)
        assert r.matches
        equal((r.status, r.code), ("rejected", "Throttled"))
        equal(b.bytes(), 5)


def test_answers_slower_than_the_interval():
    """Each comes when the next report is made already: what was accepted is not reported for ever."""
    b = Bench()
    b.report()
    b.accept()
    expected = 0
    for n in range(6):
        b.bytes_in += 10
        expected += 10
        equal(b.bytes(), expected)
        if n:
            r = b.accept(b.ids - 1)
            assert r.matches and r.late
            expected = 10
    b.accept()
    equal(b.bytes(), 0)


def test_a_late_answer_for_any_of_the_last_reports():
    for back in range(1, 6):
        b = Bench()
        b.report()
        b.accept()
        for _ in range(6):
            b.bytes_in += 10
            equal(b.bytes(), b.bytes_in - 1000)
        assert b.accept(b.ids - back).matches == (back < 4)
        equal(b.bytes(), 10 * back if back < 4 else 60)
        assert not b.accept(b.ids - back - 1).matches  # once
        # The reports before it are in it, so their answers change nothing.
        assert not b.accept(b.ids - back - 2).matches


def test_a_late_rejection_changes_nothing():
    b = Bench()
    b.report()
    b.accept()
    for _ in range(3):
        b.bytes_in += 10
        b.report()
    assert b.reject(reportId=b.ids - 1).late
    assert b.accept(b.ids - 2).late
    equal(b.bytes(), 20)


def test_a_late_acceptance_after_an_interface_was_reset():
    b = Bench()
    b.report()
    b.accept()
    b.bytes_in += 1000
    b.report()
    b.bytes_in = 10
    b.report()  # it starts again from here
    b.bytes_in = 5000
    assert b.accept(b.ids - 1).late
    equal(b.bytes(), 4990)


def test_a_redelivered_rejection_does_not_discard_an_acceptance():
    b = Bench()
    b.report()
    b.accept()
    b.bytes_in += 10
    b.report()
    assert b.reject("Throttled").matches  # without an id: it may have been another report's
    assert not b.reject("Throttled").matches
    assert b.accept().matches
    equal(b.bytes(), 0)


def test_a_rejection_without_an_id_when_nothing_waits():
    b = Bench()
    assert not b.reject("Throttled").matches
    b.report()
    b.accept()
    assert not b.reject("Throttled").matches


def test_other_topics_are_not_ours():
    b = Bench()
    b.report()
    for topic in (
        "", "x", b.reporter.topic, b.reporter.accepted + "/", "$aws/things/thing-2/defender/metrics/json/accepted",
        "$aws/things/thing-1/defender/metrics/cbor/accepted", b.reporter.accepted.upper(), b"\xff\xfe",
    ):  # fmt: skip
        assert b.answer(topic, reportId=b.ids) is None, topic
    equal(b.reporter.report_id, b.ids)


def test_topics_in_bytes():
    b = Bench()
    for kind in (bytes, bytearray, lambda text: memoryview(text)):
        b.report()
        assert b.answer(kind(b.reporter.accepted.encode()), reportId=b.ids).matches


def test_answers_that_cannot_be_read():
    for format in ("json", "cbor"):
        b = Bench(format=format)
        b.reporter.report()
        for payload in (
            b"",
            b"\xff",
            b"{" if CUT_JSON_IS_NOTICED else b"}",
            b"[]",
            b"\x80",
            b'{"reportId": "x"}',
            b"\xa1\x68reportId\x61x",
            b"x" * 5000,
        ):
            for topic in (b.reporter.accepted, b.reporter.rejected):
                r = b.reporter.receive(topic, payload)
                equal((r.status, r.report_id, r.matches), ("malformed", None, False))
                assert r.message
        equal(b.reporter.report_id, b.ids)


def test_a_service_that_refuses_empty_lists():
    b = Bench(usual(udp=LIVELY["udp"]))
    equal(len(b.report()["metrics"]), 3)
    b.reject()
    equal(sorted(b.report()["metrics"]), ["listening_udp_ports", "network_stats"])
    b.accept()
    equal(sorted(b.report()["metrics"]), ["listening_udp_ports", "network_stats"])


def test_other_rejections_keep_empty_lists():
    for code in ("Throttled", "Other", None):
        b = Bench(usual(udp=LIVELY["udp"]))
        b.report()
        b.reject(code)
        equal(len(b.report()["metrics"]), 4)
    b = Bench()  # one without empty lists cannot have been rejected for them
    b.report()
    b.reject()
    b.files.update(usual(dev=b.files["dev"]))
    for file in b.collector._tcp + b.collector._udp:
        file.close()
    equal(len(b.report()["metrics"]), 4)


def test_nothing_to_report_is_an_error():
    files = {}
    b = Bench({"tcp6": usual()["tcp6"]})
    raises(CollectError, b.reporter.report)
    equal((b.reporter.report_id, b.ids), (None, 0))
    assert files == {}


def test_counters_alone_are_a_report():
    b = Bench({"dev": usual()["dev"]})
    raises(CollectError, b.report)  # the first has no difference
    equal(list(b.report()["metrics"]), ["network_stats"])


def test_a_failed_report_is_not_waited_for():
    b = Bench(size=20)
    raises(TooLarge, b.report)
    equal(b.reporter.report_id, None)
    assert not b.accept(b.ids).matches


def test_skipped_rows_are_counted():
    b = Bench(usual(tcp=table(TCP, ["garbage"]), tcp6=table(TCP6, [])))
    b.report()
    b.report()
    equal(b.reporter.skipped, 2)


class Fails:
    """A collector of someone else's that raises."""

    width = 64
    counts_from_start = False
    skipped = 0

    def __init__(self, real, counters=None, sockets=None):
        self._real = real
        self._counters = counters
        self._sockets = sockets

    def counters(self, into):
        self._real.counters(into)
        if self._counters:
            raise self._counters

    def sockets(self, into):
        self._real.sockets(into)
        if self._sockets:
            raise self._sockets


def test_a_collector_that_raises_costs_its_block():
    for error in (OSError(5), ValueError("x"), KeyError("y")):
        r = Reporter(
            Fails(collector(usual(**LIVELY)), counters=error), "t", Bench().next_id, format="json", tags="long"
        )
        for _ in range(2):
            equal(len(json.loads(bytes(r.report()).decode())["metrics"]), 3)
            assert type(error).__name__ in r.problem
        r = Reporter(Fails(collector(usual(**LIVELY)), sockets=error), "t", Bench().next_id, format="json", tags="long")
        raises(CollectError, r.report)
        equal(list(json.loads(bytes(r.report()).decode())["metrics"]), ["network_stats"])
        assert type(error).__name__ in r.problem


def test_memory_errors_pass():
    r = Reporter(Fails(collector(usual(**LIVELY)), counters=MemoryError()), "t", Bench().next_id)
    raises(MemoryError, r.report)


def test_a_collector_that_raises_when_it_is_told_of_an_acceptance():
    b = Bench()

    def accepted():
        raise KeyError("y")

    b.collector.accepted = accepted
    b.reporter = Reporter(b.collector, "thing-1", b.next_id, format="json", tags="long")
    b.report()
    b.bytes_in += 5
    assert b.accept().matches
    assert "KeyError" in b.reporter.problem
    equal(b.bytes(), 5)
    equal(b.reporter.problem, None)


def test_without_memory_for_a_late_answer_there_is_a_report_all_the_same():
    b = Bench()
    for _ in range(3):
        b.report()

    def snapshot():
        raise MemoryError

    b.reporter.counters.snapshot = snapshot
    b.bytes_in += 5
    equal(b.bytes(), 5)
    assert not b.accept(b.ids - 1).matches
    assert b.accept().matches
    equal(b.bytes(), 0)
