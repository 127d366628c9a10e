"""What a broker answers to a report, read within bounds (docs/report.md, "Responses")."""

from ..errors import ProtocolError
from ..port import const

MAX_SIZE = const(1024)  # the service's answers have under 300 bytes
MAX_TEXT = const(200)  # of what a rejection says


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
        # A device reads one of the two formats.
        if cbor:
            from .response_cbor import fields
        else:
            from .response_json import fields
        report_id, code, message = fields(payload, expected)
    except (ValueError, TypeError, RuntimeError) as e:
        # UnicodeError and microcbor.Malformed are ValueErrors. RuntimeError: the interpreter's own bound on nesting.
        raise ProtocolError("a response that cannot be read: %s" % e)
    if status == "accepted":
        code = message = None
    return Response(status, report_id, code, message)
