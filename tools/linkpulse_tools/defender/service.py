"""The service's part of the exchange: it takes a report and gives a response. It does no I/O.

Responses are in the topic's own format. A report is rejected with InvalidPayload if it is malformed or if its id is not
higher than the last one, and with Throttled if it comes too soon. An id that was already accepted is a duplicate, and
gets no response.
"""

import json
from collections import deque
from dataclasses import dataclass, field

import cbor2

from linkpulse_tools.defender import topics as reserved
from linkpulse_tools.defender.schema import Verdict, validate

DEFAULT_LIMIT = 300.0  # seconds between two reports of one thing
REMEMBERED = 1024  # accepted ids that are kept for each thing, to recognize a duplicate
MESSAGE_LIMIT = 200


@dataclass(frozen=True)
class Outcome:
    """The outcome of a payload: `status` is "accepted", "rejected" or "duplicate"; `code` and `message` give the
    reason. `time_ms` is when it came, in milliseconds since 1970."""

    thing: str
    format: str
    status: str
    report_id: int | None
    code: str | None
    message: str | None
    size: int
    verdict: Verdict
    time_ms: int


@dataclass
class _Thing:
    last_id: int = 0
    last_ms: int | None = None
    ids: deque = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Service:
    """Makes the responses to reports.

    `limit` is the least number of seconds between two reports of a thing. `on_outcome` is called with an Outcome for
    each payload. `topics` maps a topic that a thing has chosen itself to (thing, format). `subscriptions` are all the
    topics to subscribe to.
    """

    def __init__(self, limit: float = DEFAULT_LIMIT, on_outcome=None, topics: dict[str, tuple[str, str]] | None = None):
        self._limit_ms = limit * 1000
        self._topics = topics or {}
        self.subscriptions = (reserved.reports(), *self._topics)
        self._on_outcome = on_outcome or (lambda outcome: None)
        self._things: dict[str, _Thing] = {}

    def handle(self, topic: str, payload: bytes, now_ms: int) -> list[tuple[str, bytes]]:
        """The (topic, payload) pairs to publish for one message. There are none for a duplicate or for another
        topic."""
        owner = reserved.parse(topic) or self._topics.get(topic)
        if owner is None:
            return []
        thing, fmt = owner
        verdict = validate(payload, fmt)
        status, code, message = self._judge(thing, verdict, now_ms)
        outcome = Outcome(thing, fmt, status, verdict.report_id, code, message, len(payload), verdict, now_ms)
        self._on_outcome(outcome)
        if status == "duplicate":
            return []
        return [(f"{topic}/{status}", encode(response(outcome, now_ms), fmt))]

    def _judge(self, thing: str, verdict: Verdict, now_ms: int):
        """(status, code, message). The thing's state changes only if the report is accepted."""
        state = self._things.get(thing) or _Thing()
        report_id = verdict.report_id
        if not verdict.ok:
            return "rejected", "InvalidPayload", _reason(verdict.problems)
        if report_id in state.ids:
            return "duplicate", None, f"report id {report_id} was already used"
        if report_id <= state.last_id:
            message = f"report_id: {report_id} is not higher than the last one, {state.last_id}"
            return "rejected", "InvalidPayload", message
        if state.last_ms is not None and 0 <= now_ms - state.last_ms < self._limit_ms:
            return "rejected", "Throttled", f"less than {self._limit_ms / 1000:g} s since the last report"
        state.last_id, state.last_ms = report_id, now_ms
        state.ids.append(report_id)
        self._things[thing] = state
        return "accepted", None, None


def response(outcome: Outcome, now_ms: int) -> dict:
    """The fields of an accepted or rejected response. reportId is left out if the report had none."""
    body = {"thingName": outcome.thing}
    if outcome.report_id is not None:
        body["reportId"] = outcome.report_id
    body["status"] = outcome.status.upper()
    if outcome.code:
        body["statusDetails"] = {"ErrorCode": outcome.code, "ErrorMessage": outcome.message}
    return {**body, "timestamp": now_ms}


def encode(body: dict, fmt: str) -> bytes:
    """A response in the format of its topic."""
    return cbor2.dumps(body) if fmt == "cbor" else json.dumps(body).encode()


def _reason(problems: list) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    text = problems[0].encode("utf-8", "replace").decode()  # a lone surrogate cannot be sent
    return text[: MESSAGE_LIMIT - len(more)] + more
