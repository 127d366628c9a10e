# SPDX-License-Identifier: MIT
"""Writes a sample as one Device Defender report (docs/report.md) into one buffer, without allocating."""

import random
from array import array
from ..errors import TooLarge
from ..port import const
from ..port.native import BYTECODE
from .pieces import Pieces

if BYTECODE:
    from .rows_plain import ports, put, rows
else:
    from .port_list import ports, put
    from .rows import rows

# See ../collect/layout.py.
_NEXT = const(0)
_RECORDS = const(1)
_LEFT = const(2)
_RECORD_PORT = const(2)
_RECORD = const(22)

# How `put` writes a number.
_UINT = const(0)
_ARRAY = const(0x80)
_DIGITS = const(1)
# The numbers that `put` takes: small ones where an int has 31 bits.
_SMALL = const(0x40000000)

# The longest IPv4 row, with an interface of four letters.
_ROW = const(44)
_ROW_LONG_TAGS = const(27)
_ROW_JSON = const(16)
_FEW = const(8)  # rows that there is room for from the start


class ReportWriter:
    """Writes reports with one format ("cbor" or "json") and one set of tags ("short" or "long").

    `size` is the size of the buffer in bytes. With 0 the buffer grows with the reports, until it has room for
    `connections` IPv4 rows. A report that does not fit, or for which there is no memory, is written with fewer rows,
    but with the true totals. If even that does not fit, `write` raises TooLarge.
    """

    def __init__(self, format="cbor", tag_set="short", connections=50, size=0):
        if format == "cbor":
            from microcbor import Writer
        else:
            from .json_writer import Writer
        self._most = size
        if not size:
            row = _ROW + (tag_set == "long") * _ROW_LONG_TAGS + (format == "json") * _ROW_JSON
            self._most = 400 + connections * row
            size = 400 + min(connections, _FEW) * row
        self._buf = bytearray(size)
        self._writer = Writer(self._buf)
        self._pieces = Pieces(format == "cbor", tag_set)
        self._number = _UINT if format == "cbor" else _DIGITS
        self._at = 0
        self._text = bytearray(48)
        self._state = array("i", (0, 0, 0))

    def write(self, report_id, counters, sockets, empty=True):
        """The report as a memoryview, valid until the next. Blocks without entries are left out unless `empty`."""
        connections = sockets.kept
        ports = sockets.tcp_ports.kept + sockets.udp_ports.kept
        while True:
            self._write(report_id, counters, sockets, empty, connections, ports)
            needed = self._writer.size
            if needed <= len(self._buf):
                return self._writer.result()
            if len(self._buf) < self._most and self._grow(needed):
                continue
            if connections:
                # Rows have about the same size: leave out those that are too many, and one more.
                over = (needed - len(self._buf)) * (connections + 1) // needed + 1
                connections = max(0, connections - over)
            elif ports:
                ports //= 2
            else:
                raise TooLarge(
                    "a report of %d bytes does not fit its buffer of %d: raise `buffer`" % (needed, len(self._buf))
                )

    def _grow(self, needed):
        # With some room to spare, so that a connection more does not cost another buffer.
        try:
            buf = bytearray(min(self._most, needed + needed // 8))
            self._writer = type(self._writer)(buf)
            self._buf = buf
            return True
        except MemoryError:
            return False

    def _write(self, report_id, counters, sockets, empty, connections, ports):
        p = self._pieces
        tcp = sockets.tcp_read and (empty or sockets.tcp_total > 0)
        udp = sockets.udp_read and (empty or sockets.udp_total > 0)
        established = sockets.tcp_read and (empty or sockets.connections > 0)
        stats = counters.available()
        blocks = tcp + udp + established + stats
        self._at = 0
        self._put(p.start, report_id)
        self._put(p.metrics)
        if p.cbor or not blocks:
            self._put(p.maps[blocks])
        first = self._at
        if tcp:
            self._ports(p.tcp_ports, sockets.tcp_ports, sockets.tcp_total, sockets.names, ports)
        if udp:
            self._ports(p.udp_ports, sockets.udp_ports, sockets.udp_total, sockets.names, ports)
        if established:
            self._list(p.connections, connections)
            self._connections(sockets, connections)
            self._put(p.total, sockets.connections)
            self._end(2)
        if stats:
            for which in range(4):
                self._put(p.counters[which], counters.difference(which))
            self._end(1)
        self._end(2)
        if blocks and not p.cbor and first < len(self._buf):
            self._buf[first] = 0x7B
        self._writer.size = self._at

    def _put(self, piece, n=-1):
        # A piece and the number behind it.
        buf = self._buf
        if n < _SMALL:
            self._at = put(buf, self._at, len(buf), self._number, piece, n)
        else:
            w = self._writer
            w.size = put(buf, self._at, len(buf), self._number, piece, -1)
            w.uint(n)
            self._at = w.size

    def _list(self, piece, n):
        buf = self._buf
        self._at = put(buf, self._at, len(buf), _ARRAY, piece, n if self._pieces.cbor else -1)

    def _end(self, n):
        end = self._pieces.end
        if end:
            for _ in range(n):
                self._put(end)

    def _ports(self, piece, table, total, names, most):
        p = self._pieces
        buf = self._buf
        state = self._state
        kept = min(table.kept, most)
        self._list(piece, kept)
        state[_NEXT] = 0
        state[_LEFT] = kept
        while state[_LEFT]:
            slot = table.slot(state[_NEXT])
            ends = p.ends(slot, names.name(slot))
            first = p.ports[ends[0] is not None]
            self._at = ports(buf, self._at, len(buf), self._number, first, ends[1], table.keys, state)
        self._put(p.total, total)
        self._end(1)

    def _connections(self, sockets, n):
        if not n:
            return
        p = self._pieces
        buf = self._buf
        records = sockets.records
        state = self._state
        state[_RECORDS] = kept = sockets.kept
        # If only some fit, take a run that starts at a random row, so that each has the same chance.
        state[_NEXT] = random.getrandbits(16) % kept if n < kept else 0
        state[_LEFT] = n
        while state[_LEFT]:
            record = state[_NEXT] * _RECORD
            slot = records[record]
            port = (records[record + _RECORD_PORT] | records[record + _RECORD_PORT + 1]) > 0
            ends = p.ends(slot, sockets.names.name(slot))
            first = p.rows[port + (ends[0] is not None)]
            self._at = rows(
                buf, self._at, len(buf), self._number, first, p.middles[port], ends[2], self._text, records, state
            )
