# SPDX-License-Identifier: MIT
"""What rows.py and port_list.py do, for MicroPython without machine code: struct and print do the work, in C.

They allocate nothing, except the format for a row or a piece of a length that was not seen before.
"""

import io
from struct import pack_into
from ..port import const
from .rows import remote

# See ../collect/layout.py.
_RECORD_FAMILY = const(1)
_RECORD_PORT = const(2)
_RECORD_REMOTE_PORT = const(4)
_RECORD_REMOTE = const(6)
_RECORD = const(22)
_NEXT = const(0)
_RECORDS = const(1)
_LEFT = const(2)

_text = io.BytesIO(bytearray(48))
_seek = _text.seek
_digits = bytearray(10)
_formats = {}  # by the lengths of a piece and of the number behind it
_kinds = {}  # by the lengths of the three pieces of a row: its formats, by the lengths of the text and the port


def put(out, at, room, form, piece, n):
    """Writes `piece` and then `n` into out[at:room]. Returns where that ends, or would end if there was room for it."""
    if n < 0:
        width = 0
    elif form == 1:
        width = _decimal(n)
    else:
        width = 1 if n < 24 else 2 if n < 256 else 3 if n < 65536 else 5
    size = len(piece)
    end = at + size + width
    if end <= room:
        key = size << 5 | width << 1 | (form == 1)
        if key not in _formats:
            _formats[key] = ">%ds" % size + ("%ds" % width if form == 1 else ("", "B", "BB", "BH", "", "BI")[width])
        if form == 1:
            pack_into(_formats[key], out, at, piece, _digits)
        elif width < 2:
            pack_into(_formats[key], out, at, piece, form | n)
        else:
            pack_into(_formats[key], out, at, piece, form | 24 + (width - 1 >> 1), n)
    return end


def ports(out, at, room, form, first, last, keys, state):
    """Writes listening ports of one interface into out[at:room]. Returns where the last one ends."""
    i = state[_NEXT]
    slot = keys[i] & 255
    left = state[_LEFT]
    while left and keys[i] & 255 == slot:
        at = put(out, at, room, form, first, keys[i] >> 8)
        at = put(out, at, room, form, last, -1)
        i += 1
        left -= 1
        if left and form == 1:
            at = put(out, at, room, form, b",", -1)
    state[_NEXT] = i
    state[_LEFT] = left
    return at


def rows(out, at, room, form, first, middle, last, text, records, state):  # noqa: C901
    """Writes connections of one kind as rows into out[at:room]. Returns where the last one ends."""
    seek = _seek
    record = state[_NEXT]
    left = state[_LEFT]
    count = state[_RECORDS]
    same = len(first) + len(middle) + len(last)
    json = form == 1
    key = len(first) << 20 | len(middle) << 12 | len(last) << 1 | json
    if key not in _kinds:
        _kinds[key] = {}
    formats = _kinds[key]
    r = record * _RECORD
    slot = records[r]
    port = records[r + _RECORD_PORT] << 8 | records[r + _RECORD_PORT + 1]
    known = port > 0
    while left and records[r] == slot and (port > 0) == known:
        if records[r + _RECORD_FAMILY] == 4:
            n = records[r + _RECORD_REMOTE_PORT] << 8 | records[r + _RECORD_REMOTE_PORT + 1]
            seek(0)
            print(
                records[r + _RECORD_REMOTE], records[r + _RECORD_REMOTE + 1], records[r + _RECORD_REMOTE + 2],
                records[r + _RECORD_REMOTE + 3], n, sep=".", end="", file=_text,
            )  # fmt: skip
            size = seek(0, 1)
            seek(0)
            _text.readinto(text)
            text[size - (6 if n > 9999 else 5 if n > 999 else 4 if n > 99 else 3 if n > 9 else 2)] = 58
        else:
            size = remote(text, records, r)
        end = at + same + size
        if not known:
            width = 0
        elif json:
            width = _decimal(port)
        else:
            width = 1 if port < 24 else 2 if port < 256 else 3
        end += width
        if not json:
            end += 1 if size < 24 else 2
        if end <= room:
            key = size << 3 | width
            if key not in formats:
                formats[key] = _row(len(first), size, len(middle), width, len(last), json)
            if json:
                pack_into(formats[key], out, at, first, text, middle, _digits, last)
            else:
                head = 0x60 | size if size < 24 else 0x7800 | size
                if width == 3:
                    pack_into(formats[key], out, at, first, head, text, middle, 25, port, last)
                elif width:
                    pack_into(
                        formats[key], out, at, first, head, text, middle, port if width == 1 else 0x1800 | port, last
                    )
                else:
                    pack_into(formats[key], out, at, first, head, text, middle, last)
        at = end
        record += 1
        if record == count:
            record = 0
        left -= 1
        if left and json:
            if at < room:
                out[at] = 44
            at += 1
        r = record * _RECORD
        port = records[r + _RECORD_PORT] << 8 | records[r + _RECORD_PORT + 1]
    state[_NEXT] = record
    state[_LEFT] = left
    return at


def _decimal(n):
    # Writes `n` to _digits. Returns the number of its digits.
    _seek(0)
    print(n, end="", file=_text)
    width = _seek(0, 1)
    _seek(0)
    _text.readinto(_digits)
    return width


def _row(first, size, middle, width, last, json):
    if json:
        return "%ds%ds%ds%ds%ds" % (first, size, middle, width, last)
    number = ("", "B", "H", "BH")[width]
    return ">%ds%s%ds%ds%s%ds" % (first, "B" if size < 24 else "H", size, middle, number, last)
