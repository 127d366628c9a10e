# SPDX-License-Identifier: MIT
"""Reads a broker's answer to a report, within bounds (docs/report.md, "Responses")."""

from ..errors import ProtocolError
from ..port import const

MAX_SIZE = const(1024)  # the service's answers have less than 300 bytes
MAX_TEXT = const(200)  # the most characters of a rejection's message that are kept


class Response:
    """An answer to a report.

    `status` is "accepted", "rejected" or "malformed". `report_id` is an integer, or None if the broker left it out.
    `code` and `message` are texts that explain a rejection, or None. Reporter.receive sets `matches`, when it answers a
    report that had no answer yet, and `late`, when that report is not the last one.
    """

    def __init__(self, status, report_id, code=None, message=None):
        self.status = status
        self.report_id = report_id
        self.code = code
        self.message = message
        self.matches = self.late = False

    def __repr__(self):
        text = "<Response %s to %s" % (self.status, self.report_id)
        return "%s: %s, %s>" % (text, self.code, self.message) if self.code else text + ">"


def parse(status, payload, fields, expected):
    """The Response in `payload`. `status` is the last part of the topic, `fields` the function of response_cbor or
    response_json.

    In one documented form of an acceptance, the report id is a key; `expected` is a sequence of the ids to look for
    there. Raises ProtocolError if it is not a response.
    """
    if len(payload) > MAX_SIZE:
        raise ProtocolError("a response of %d bytes: over %d" % (len(payload), MAX_SIZE))
    try:
        report_id, code, message = fields(payload, expected)
    except (ValueError, TypeError, RuntimeError, OverflowError) as e:
        # UnicodeError and microcbor.Malformed are ValueErrors. RuntimeError comes from too deep a nesting, and
        # OverflowError where an int has 64 bits at most.
        raise ProtocolError("a response that cannot be read: %s" % e)
    if status == "accepted":
        code = message = None
    else:
        code = code and code[:MAX_TEXT]
        message = message and message[:MAX_TEXT]
    return Response(status, report_id, code, message)
