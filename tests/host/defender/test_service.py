"""The service's part: what is answered to what."""

import json

import cbor2
import pytest

from linkpulse_tools.defender.service import Service
from tests.host.defender.reports import full

CBOR = "$aws/things/thing-1/defender/metrics/cbor"
JSON = "$aws/things/thing-1/defender/metrics/json"


def report(report_id: int, fmt: str = "cbor") -> bytes:
    value = full()
    value["header"]["report_id"] = report_id
    return cbor2.dumps(value) if fmt == "cbor" else json.dumps(value).encode()


def answer(messages):
    ((topic, payload),) = messages
    return topic, (cbor2.loads if "/cbor/" in topic else json.loads)(payload)


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def service(outcomes):
    return Service(limit=300, on_outcome=outcomes.append)


@pytest.mark.parametrize("topic,fmt", [(CBOR, "cbor"), (JSON, "json")])
def test_good_report_is_accepted_in_its_own_format(service, outcomes, topic, fmt):
    assert answer(service.handle(topic, report(7, fmt), 1000)) == (
        f"{topic}/accepted",
        {"thingName": "thing-1", "reportId": 7, "status": "ACCEPTED", "timestamp": 1000},
    )
    (outcome,) = outcomes
    assert (outcome.thing, outcome.format, outcome.status, outcome.report_id) == ("thing-1", fmt, "accepted", 7)
    assert outcome.size == len(report(7, fmt))


def test_malformed_report_is_rejected_with_the_reason_and_its_id(service):
    value = full()
    value["metrics"]["network_stats"]["bytes_in"] = -1
    topic, body = answer(service.handle(JSON, json.dumps(value).encode(), 5))
    assert topic == f"{JSON}/rejected"
    details = body.pop("statusDetails")
    assert details["ErrorCode"] == "InvalidPayload"
    assert "bytes_in: -1" in details["ErrorMessage"]
    assert body == {"thingName": "thing-1", "reportId": 1530304554, "status": "REJECTED", "timestamp": 5}


def test_rejection_of_what_has_no_id_leaves_the_id_out(service):
    _, body = answer(service.handle(CBOR, b"\xff", 5))
    assert "reportId" not in body
    assert body["statusDetails"]["ErrorCode"] == "InvalidPayload"


def test_json_on_the_cbor_topic_is_rejected_in_cbor(service):
    topic, body = answer(service.handle(CBOR, report(1, "json"), 5))
    assert topic == f"{CBOR}/rejected"
    assert body["status"] == "REJECTED"


def test_report_that_comes_too_soon_is_throttled_and_the_next_in_time_accepted(service):
    service.handle(CBOR, report(1), 0)
    _, body = answer(service.handle(CBOR, report(2), 299_999))
    assert (body["status"], body["statusDetails"]["ErrorCode"], body["reportId"]) == ("REJECTED", "Throttled", 2)
    assert answer(service.handle(CBOR, report(3), 300_000))[1]["status"] == "ACCEPTED"


def test_limit_is_configurable():
    service = Service(limit=0)
    assert [answer(service.handle(CBOR, report(n), 0))[1]["status"] for n in (1, 2)] == ["ACCEPTED", "ACCEPTED"]


def test_duplicate_is_discarded_without_an_answer(service, outcomes):
    service.handle(CBOR, report(5), 0)
    assert service.handle(CBOR, report(5), 1) == []
    assert outcomes[-1].status == "duplicate"


def test_id_that_does_not_increase_is_invalid(service):
    service.handle(CBOR, report(5), 0)
    _, body = answer(service.handle(CBOR, report(4), 400_000))
    assert body["statusDetails"]["ErrorCode"] == "InvalidPayload"
    assert "is not higher than the last" in body["statusDetails"]["ErrorMessage"]


def test_rejected_report_does_not_use_up_its_id_or_the_interval(service):
    service.handle(CBOR, report(5), 0)
    service.handle(CBOR, report(9), 10)
    assert answer(service.handle(CBOR, report(9), 300_000))[1]["status"] == "ACCEPTED"


def test_things_do_not_share_state(service):
    service.handle(CBOR, report(5), 0)
    other = CBOR.replace("thing-1", "thing-2")
    assert answer(service.handle(other, report(5), 1))[1]["status"] == "ACCEPTED"


def test_clock_that_jumps_back_does_not_throttle(service):
    service.handle(CBOR, report(5), 1_000_000)
    assert answer(service.handle(CBOR, report(6), 0))[1]["status"] == "ACCEPTED"


@pytest.mark.parametrize("topic", [f"{CBOR}/accepted", "$aws/things/a/b/defender/metrics/cbor", "x", CBOR.title()])
def test_other_topics_are_ignored(service, outcomes, topic):
    assert service.handle(topic, report(1), 0) == []
    assert outcomes == []


def test_reason_is_short_and_can_be_encoded(service):
    payload = json.dumps({f"\ud800{n}" * 50: 1 for n in range(9)}).encode()
    _, body = answer(service.handle(JSON, payload, 0))
    assert len(body["statusDetails"]["ErrorMessage"]) <= 200
    assert answer(service.handle(CBOR, cbor2.dumps({"x" * 400: 1}), 0))[1]["status"] == "REJECTED"
