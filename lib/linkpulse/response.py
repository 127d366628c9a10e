"""What a broker answers to a report, read within bounds (docs/report.md, "Responses")."""

import json
from linkpulse.errors import ProtocolError
from microcbor import INDEFINITE, MAP, TEXT, Malformed, Reader
from micropython import const

MAX_SIZE = const(1024)  # the service's answers have under 300 bytes
_MAX_BRACKETS = const(16)
_MAX_TEXT = const(200)


class Response:
    """`status` "accepted" or "rejected", `report_id` (None where the broker left it out), for a rejection `code` and
    `message`, and `matches`: whether it answers the report that is waiting (set by Reporter.receive)."""

    def __init__(self, status, report_id, code=None, message=None):
        self.status = status
        self.report_id = report_id
        self.code = code
        self.message = message
        self.matches = False

    def __repr__(self):
        text = "<Response %s to %s" % (self.status, self.report_id)
        return "%s: %s, %s>" % (text, self.code, self.message) if self.code else text + ">"


def parse(status, payload, cbor, expected):
    """The Response in `payload`. `status` is the topic's last word. One published form of an acceptance carries the
    report id as a key: `expected` is the id to look for there. Raises ProtocolError for all that is not a response."""
    if len(payload) > MAX_SIZE:
        raise ProtocolError("a response of %d bytes: over %d" % (len(payload), MAX_SIZE))
    try:
        fields = _from_cbor(payload, expected) if cbor else _from_json(payload, expected)
    except (Malformed, ValueError, TypeError, RuntimeError) as e:
        # UnicodeError is a ValueError. RuntimeError: the interpreter's own bound on nesting.
        raise ProtocolError("a response that cannot be read: %s" % e)
    report_id, code, message = fields
    if status == "accepted":
        code = message = None
    return Response(status, report_id, code, message)


def _from_json(payload, expected):
    brackets = 0
    for c in payload:
        brackets += c == 0x7B or c == 0x5B
    if brackets > _MAX_BRACKETS:
        raise ValueError("too many levels")
    body = json.loads(bytes(payload).decode())
    if not isinstance(body, dict):
        raise ValueError("not a map")
    report_id = body.get("reportId")
    if report_id is None and str(expected) in body:
        report_id = expected
    if report_id is not None and (not isinstance(report_id, int) or isinstance(report_id, bool)):
        raise ValueError("reportId is not an integer")
    details = body.get("statusDetails")
    if not isinstance(details, dict):
        details = {}
    return report_id, _text(details.get("ErrorCode")), _text(details.get("ErrorMessage"))


def _text(value):
    return value[:_MAX_TEXT] if isinstance(value, str) else None


def _from_cbor(payload, expected):
    r = Reader(payload)
    found = [None, None, None]
    _map(r, found, expected, True)
    return found


def _map(r, found, expected, outer):
    n = r.map()
    while n and not (n == INDEFINITE and r.at_break()):
        n -= n > 0
        if r.peek() != TEXT:
            r.skip()
            r.skip()
            continue
        key = bytes(r.text())
        if outer and key == b"reportId":
            found[0] = r.int()
        elif outer and found[0] is None and key == str(expected).encode():
            found[0] = expected
            r.skip()
        elif outer and key == b"statusDetails" and r.peek() == MAP:
            _map(r, found, expected, False)
        elif not outer and key == b"ErrorCode" and r.peek() == TEXT:
            found[1] = str(r.text(), "utf-8")[:_MAX_TEXT]
        elif not outer and key == b"ErrorMessage" and r.peek() == TEXT:
            found[2] = str(r.text(), "utf-8")[:_MAX_TEXT]
        else:
            r.skip()
