# mpy-cross: -X emit=viper
# SPDX-License-Identifier: MIT
"""Writes connections as rows of a report. One source serves two compilers: see collect/linux/proc_scan.py."""

from ..port import const

# See collect/layout.py.
_RECORD_SLOT = const(0)
_RECORD_FAMILY = const(1)
_RECORD_PORT = const(2)
_RECORD_REMOTE_PORT = const(4)
_RECORD_REMOTE = const(6)
_RECORD = const(22)
_NEXT = const(0)
_RECORDS = const(1)
_LEFT = const(2)


def ptr8(buf):
    return buf


def ptr32(buf):
    return buf


def remote(out, records, at: int) -> int:
    """Writes the remote end of the record at records[at:] as "ip:port" or "[ip]:port". Returns its length, at most 47.

    IPv6 is written as in RFC 5952: lower case, no leading zeros, and "::" for the first longest run of zero groups.
    """
    o = ptr8(out)
    r = ptr8(records)
    end = 0
    if r[at + _RECORD_FAMILY] == 4:
        i = 0
        while i < 4:
            n = int(r[at + _RECORD_REMOTE + i])
            if n > 99:
                o[end] = 48 + n // 100
                end += 1
            if n > 9:
                o[end] = 48 + n // 10 % 10
                end += 1
            o[end] = 48 + n % 10
            o[end + 1] = 46
            end += 2
            i += 1
        end -= 1
    else:
        best = 8
        longest = 1
        run = 0
        i = 0
        while i < 8:
            if r[at + _RECORD_REMOTE + 2 * i] | r[at + _RECORD_REMOTE + 1 + 2 * i]:
                run = 0
            else:
                run += 1
                if run > longest:
                    longest = run
                    best = i + 1 - run
            i += 1
        o[0] = 91
        end = 1
        i = 0
        while i < 8:
            if i == best:
                o[end] = 58
                end += 1
                i += longest
                if i == 8:
                    o[end] = 58
                    end += 1
                continue
            if i:
                o[end] = 58
                end += 1
            n = int(r[at + _RECORD_REMOTE + 2 * i]) << 8 | int(r[at + _RECORD_REMOTE + 1 + 2 * i])
            shift = 12
            while shift > 0 and not n >> shift:
                shift -= 4
            while shift >= 0:
                c = n >> shift & 15
                o[end] = 48 + c if c < 10 else 87 + c
                end += 1
                shift -= 4
            i += 1
        o[end] = 93
        end += 1
    o[end] = 58
    n = int(r[at + _RECORD_REMOTE_PORT]) << 8 | int(r[at + _RECORD_REMOTE_PORT + 1])
    end += 1
    divisor = 10000
    while divisor > 1 and n < divisor:
        divisor //= 10
    while divisor:
        o[end] = 48 + n // divisor % 10
        end += 1
        divisor //= 10
    return end


def rows(out, at: int, room: int, form: int, first, middle, last, text, records, state) -> int:
    """Writes connections as rows into out[at:room], as long as they are of one kind. Returns where the last one ends.

    Connections are of one kind if they have the same interface, and if all have a local port or none has one (0 means
    that the platform does not know it).

    A row consists of first, remote address, middle, local port and last. The three pieces are the same in all rows of a
    kind (see pieces.py). A row that does not fit is counted, but not written. `state` is as
    collect/layout.py says, `text` a scratch buffer of 48 bytes.
    """
    o = ptr8(out)
    t = ptr8(text)
    r = ptr8(records)
    s = ptr32(state)
    n1 = int(len(first))
    n2 = int(len(middle))
    n3 = int(len(last))
    record = int(s[_NEXT])
    from_record = record * _RECORD
    slot = int(r[from_record + _RECORD_SLOT])
    port = int(r[from_record + _RECORD_PORT]) << 8 | int(r[from_record + _RECORD_PORT + 1])
    known = 1 if port > 0 else 0
    while int(s[_LEFT]) > 0 and r[from_record + _RECORD_SLOT] == slot and (1 if port > 0 else 0) == known:
        size = int(remote(text, records, from_record))
        width = 1
        if not known:
            width = 0
        elif form == 1:
            limit = 10
            while port >= limit:
                width += 1
                limit *= 10
        elif port > 255:
            width = 3
        elif port > 23:
            width = 2
        end = at + n1 + size + n2 + width + n3
        if form != 1:
            end += 1 if size < 24 else 2
        if end <= room:
            p = ptr8(first)
            i = 0
            while i < n1:
                o[at + i] = p[i]
                i += 1
            at += n1
            if form != 1:
                if size < 24:
                    o[at] = 0x60 | size
                else:
                    o[at] = 0x78
                    at += 1
                    o[at] = size
                at += 1
            i = 0
            while i < size:
                o[at + i] = t[i]
                i += 1
            at += size
            p = ptr8(middle)
            i = 0
            while i < n2:
                o[at + i] = p[i]
                i += 1
            at += n2
            if not known:
                pass
            elif form == 1:
                i = width
                while i > 0:
                    i -= 1
                    o[at + i] = 48 + port % 10
                    port //= 10
            elif width == 1:
                o[at] = port
            elif width == 2:
                o[at] = 24
                o[at + 1] = port
            else:
                o[at] = 25
                o[at + 1] = port >> 8
                o[at + 2] = port & 255
            at += width
            p = ptr8(last)
            i = 0
            while i < n3:
                o[at + i] = p[i]
                i += 1
        at = end
        record += 1
        if record == int(s[_RECORDS]):
            record = 0
        s[_LEFT] = int(s[_LEFT]) - 1
        if form == 1 and int(s[_LEFT]) > 0:
            if at < room:
                o[at] = 44
            at += 1
        from_record = record * _RECORD
        port = int(r[from_record + _RECORD_PORT]) << 8 | int(r[from_record + _RECORD_PORT + 1])
    s[_NEXT] = record
    return at
