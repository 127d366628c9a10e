"""Faults 19 to 22: what the service answers, and what becomes of the counters' baseline."""

import pytest

from tests.doubles.packets import PUBLISH, answer

FORMATS = [("cbor", "short"), ("cbor", "long"), ("json", "short"), ("json", "long")]


def reported(world, peer=None, **welcome):
    """A report that the broker has and has acknowledged; the device waits for the answer. The PUBLISH."""
    world.root.traffic(11, 13)
    world.start("due() or step()")
    if peer is None:
        peer = world.broker.accept()
        peer.welcome(**welcome)
    report = peer.expect(PUBLISH)
    peer.puback(report)
    result = world.answer()
    assert result["waiting"], result
    return report


def told(world, outcome):
    """The device takes what has come, and says that this is the outcome."""
    result = world.do("wait()")
    assert result["outcome"] == outcome, result
    return result


def accept(world, report, **form):
    report.peer.accepted(report, **form)
    told(world, "accepted")
    world.ledger.accepted(report)


@pytest.mark.parametrize("format, tags", FORMATS)
@pytest.mark.parametrize("keyed", [False, True])
def test_fault_19_acceptance_in_both_forms(make_world, format, tags, keyed):
    world = make_world(format=format, tags=tags)
    first = reported(world)
    accept(world, first, keyed=keyed)
    second = reported(world, first.peer)  # with the difference, as the ledger has it
    accept(world, second, keyed=keyed)
    # Once: the same acceptance again does nothing, now and while the next report is waiting.
    second.peer.accepted(second, keyed=keyed)
    third = reported(world, first.peer)
    second.peer.accepted(second, keyed=keyed)
    assert world.do("wait(60)")["waiting"]
    accept(world, third, keyed=keyed)
    assert world.do("agent.status()")["accepted"] == 3


@pytest.mark.parametrize("format", ["cbor", "json"])
@pytest.mark.parametrize("code", ["InvalidPayload", "Throttled", "Malformed", "SomethingNew", ""])
def test_fault_20_rejected(make_world, format, code):
    world = make_world(format=format, interval=5, allow_short_interval=True)
    first = reported(world)
    accept(world, first)
    second = reported(world, first.peer)
    second.peer.rejected(second, code, "because")
    result = told(world, "rejected")
    assert result["last_error"] == f"the report was rejected: {code}, because"
    assert result["connected"] and not result["failure"]
    wait = world.do("agent.reports.next - clock.now")
    assert wait == 300000 if code == "Throttled" else wait <= 5000
    # Not the same again: a new report, with all that the rejected one carried (the ledger looks at both).
    third = reported(world, first.peer)
    assert third.report_id > second.report_id and not third.dup
    accept(world, third)
    status = world.do("agent.status()")
    assert (status["accepted"], status["rejected"], status["errors"]) == (2, 1, 0)


def test_fault_20_rejected_without_an_id(world):
    report = reported(world)
    report.peer.rejected(report, "Throttled", "too soon", report_id=None)
    told(world, "rejected")


def test_fault_20_empty_blocks_are_left_out_after_invalid_payload(world):
    report = reported(world)
    assert report.report["met"]["up"] == {"pts": [], "t": 0}
    report.peer.rejected(report, "InvalidPayload", "empty list")
    told(world, "rejected")
    again = reported(world, report.peer)
    assert "up" not in again.report["met"] and "tp" in again.report["met"]
    accept(world, again)


def test_fault_20_never_the_same_bytes_again(world):
    peer, seen = None, set()
    for code in ("InvalidPayload", "Throttled", "Other") * 4:
        report = reported(world, peer)
        peer = report.peer
        assert report.payload not in seen
        seen.add(report.payload)
        peer.rejected(report, code)
        told(world, "rejected")
    accept(world, reported(world, peer))


def unknown(world):
    """The answer's deadline passes."""
    assert world.do("step()")["waiting"]
    world.do("advance(30001)")
    result = world.do("step()")
    assert result["outcome"] == "unknown" and result["connected"], result
    assert "has no answer" in result["last_error"]


def test_fault_21_no_answer(world):
    first = reported(world)
    unknown(world)
    second = reported(world, first.peer)
    accept(world, second)
    status = world.do("agent.status()")
    assert (status["unknown"], status["accepted"]) == (1, 1)


def foreign(world, report):
    """Answers to other reports, of other things, on other topics, and what is no answer at all."""
    peer, number = report.peer, report.report_id
    good = answer(report, "ACCEPTED")
    base = report.topic
    other = base.replace("thing-1", "thing-2")
    yield lambda: peer.accepted(report, report_id=number + 1)
    yield lambda: peer.accepted(report, report_id=number - 1)
    yield lambda: peer.accepted(report, report_id=None)
    yield lambda: peer.accepted(report, report_id=number + 1, keyed=True)
    yield lambda: peer.rejected(report, "Throttled", report_id=number + 1)
    yield lambda: peer.message(other + "/accepted", good)
    yield lambda: peer.message(other + "/rejected", answer(report, "REJECTED", code="Throttled"))
    yield lambda: peer.message(base, good)
    yield lambda: peer.message(base + "/accepted/more", good)
    yield lambda: peer.message(base.replace("cbor", "json") + "/accepted", good)
    yield lambda: peer.message(base + "/accepted", good[:-1])
    yield lambda: peer.message(base + "/accepted", b"")
    yield lambda: peer.message(base + "/accepted", b"\xff" * 600)
    yield lambda: peer.message("", good)


def test_fault_21_answers_that_are_not_for_this_report(world):
    first = reported(world)
    accept(world, first)
    report = reported(world, first.peer)
    for send in foreign(world, report):
        send()
        result = world.do("wait(30)")
        assert result["waiting"] and result["connected"] and not result["failure"], result
    unknown(world)
    for send in foreign(world, report):
        send()
        assert world.do("wait(30)")["outcome"] == "unknown"
    accept(world, reported(world, first.peer))


def test_fault_21_a_flood_of_messages_holds_up_nothing(world):
    peer = world.good()
    for _ in range(100):
        peer.message("$aws/things/another/defender/metrics/cbor/accepted", b"")
    peer.message("$aws/things/thing-1/defender/metrics/cbor/accepted", b"no CBOR")
    seen, last_error = world.do("flood(101)")
    assert 0 < max(seen) <= 16 and sum(seen) == 101
    assert "a response that cannot be read" in last_error


def test_fault_21_late_answer_while_no_newer_report_is_made(world):
    first = reported(world)
    accept(world, first)
    report = reported(world, first.peer)
    unknown(world)
    accept(world, report)  # it names the report that waits: now it is known
    accept(world, reported(world, first.peer))


def test_fault_21_late_answer_after_a_newer_report(world):
    first = reported(world)
    accept(world, first)
    old = reported(world, first.peer)
    unknown(world)
    new = reported(world, first.peer)
    old.peer.accepted(old)
    assert world.do("wait(60)")["waiting"]
    accept(world, new)  # its difference has held what the old one's had, and the next begins after it
    accept(world, reported(world, first.peer))


def test_fault_21_answer_that_waited_at_the_broker(world):
    first = reported(world)
    accept(world, first)
    report = reported(world, first.peer)
    report.peer.reset()
    world.check(world.do("wait()"), "NetworkError")
    assert world.do("agent.status()")["unknown"] == 1
    world.root.traffic(1, 1)
    world.start("cycle()")
    peer = world.broker.accept()
    peer.welcome(present=1, subscribes=False)
    report.peer = peer
    peer.accepted(report)  # what the session kept comes before the next report is made
    world.ledger.accepted(report)
    new = peer.expect(PUBLISH)
    peer.puback(new)
    peer.accepted(new)
    assert world.answer()["outcome"] == "accepted"
    assert world.do("agent.status()")["accepted"] == 3


@pytest.mark.parametrize("interval", [1, 60, 299])
def test_fault_22_interval_is_clamped_with_a_warning(make_world, interval):
    world = make_world(interval=interval)
    assert f"interval: {interval} s is raised to 300 s" in world.do("agent.status()")["last_error"]
    peer = world.good()
    wait = world.do("step()")["wait"]
    assert 299000 <= wait <= 300000
    world.do(f"advance({wait - 1})")
    assert world.do("step()")["wait"] == 1
    assert peer.expect_nothing()


def test_fault_22_a_switch_lifts_it(make_world):
    world = make_world(interval=2, allow_short_interval=True)
    assert world.do("agent.status()")["last_error"] is None
    world.good()
    assert world.do("step()")["wait"] <= 2000


@pytest.mark.parametrize("before", [[], ["another"]])
def test_an_answer_that_comes_late_after_a_reconnect(world, before):
    """Nothing else is sent until it has come: else that interval's traffic would be in two accepted reports."""
    first = reported(world)
    accept(world, first)
    lost = reported(world, first.peer)
    lost.peer.reset()
    world.check(world.do("wait()"), "NetworkError")
    world.start("cycle()")
    peer = lost.peer = world.broker.accept()
    peer.welcome(present=1, subscribes=False)
    assert world.answer()["waiting"]
    for topic in before:
        peer.message(topic, b"")
    world.do("advance(900)")
    assert world.do("step()")["waiting"] and peer.expect_nothing()
    accept(world, lost)
    accept(world, reported(world, peer))
    assert world.do("agent.status()")["accepted"] == 3


def test_an_answer_that_never_comes_after_a_reconnect(world):
    first = reported(world)
    accept(world, first)
    reported(world, first.peer).peer.reset()
    world.check(world.do("wait()"), "NetworkError")
    world.start("cycle()")
    peer = world.broker.accept()
    peer.welcome(present=1, subscribes=False)
    assert world.answer()["waiting"]
    world.do("drained()")
    accept(world, reported(world, peer))
    assert world.do("agent.status()")["unknown"] == 1


def test_a_connection_that_begins_with_waiting_needs_no_ping_yet(world):
    lost = reported(world)
    lost.peer.reset()
    world.check(world.do("wait()"), "NetworkError")
    world.do("advance(3600000)")
    world.start("step()")
    peer = world.broker.accept()
    peer.welcome(present=1, subscribes=False)
    assert world.answer()["waiting"] and peer.expect_nothing()


def test_answers_slower_than_the_interval(make_world):
    """Each comes when the next report has been sent. What it names is then the baseline."""
    world = make_world(interval=60, allow_short_interval=True)
    last = reported(world)
    accept(world, last)
    last = reported(world, last.peer)
    for _ in range(4):
        unknown(world)
        late = last
        last = reported(world, last.peer)
        late.peer.accepted(late)
        assert world.do("wait(60)")["waiting"]
        world.ledger.accepted(late)
    assert world.do("agent.status()")["accepted"] == 5
