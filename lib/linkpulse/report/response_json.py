# SPDX-License-Identifier: MIT
"""Reads a response in JSON, within bounds."""

import json
from ..port import const

_MAX_BRACKETS = const(16)


def fields(payload, expected):
    """(report id, error code, message), each None if it is missing. ValueError and the like if it is not a response."""
    brackets = 0
    for c in payload:
        brackets += c == 0x7B or c == 0x5B
    if brackets > _MAX_BRACKETS:
        raise ValueError("too many levels")
    body = json.loads(bytes(payload).decode())
    if not isinstance(body, dict):
        raise ValueError("not a map")
    report_id = body.get("reportId")
    if report_id is None:
        report_id = _by_key(body, expected)
    if report_id is not None and (not isinstance(report_id, int) or isinstance(report_id, bool)):
        raise ValueError("reportId is not an integer")
    details = body.get("statusDetails")
    if not isinstance(details, dict):
        details = {}
    return report_id, _text(details.get("ErrorCode")), _text(details.get("ErrorMessage"))


def _by_key(body, expected):
    for number in expected:
        if str(number) in body:
            return number


def _text(value):
    return value if isinstance(value, str) else None
