# SPDX-License-Identifier: MIT
"""Reads a response in CBOR, within bounds."""

from microcbor import INDEFINITE, MAP, TEXT, Reader


def fields(payload, expected):
    """[report id, error code, message], each None if it is missing. Malformed or ValueError if it is not a response."""
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
        elif outer and found[0] is None and key.isdigit() and int(key) in expected:
            found[0] = int(key)
            r.skip()
        elif outer and key == b"statusDetails" and r.peek() == MAP:
            _map(r, found, expected, False)
        elif not outer and key == b"ErrorCode" and r.peek() == TEXT:
            found[1] = str(r.text(), "utf-8")
        elif not outer and key == b"ErrorMessage" and r.peek() == TEXT:
            found[2] = str(r.text(), "utf-8")
        else:
            r.skip()
