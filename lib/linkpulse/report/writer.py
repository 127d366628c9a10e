"""Writes a sample as one Device Defender report (docs/report.md) into one buffer, without allocating."""

import random
from array import array
from ..errors import TooLarge
from ..port import const
from .rows import rows
from .tags import keys
from ..sample.names import NO_INTERFACE
from ..sample.sockets import RECORD

# Positions in tags.keys().
_HEADER = const(0)
_REPORT_ID = const(1)
_VERSION = const(2)
_METRICS = const(3)
_TCP_CONNECTIONS = const(4)
_ESTABLISHED = const(5)
_CONNECTIONS = const(6)
_REMOTE = const(7)
_LOCAL_PORT = const(8)
_LOCAL_INTERFACE = const(9)
_TCP_PORTS = const(10)
_UDP_PORTS = const(11)
_PORTS = const(12)
_PORT = const(13)
_INTERFACE = const(14)
_TOTAL = const(15)
_STATS = const(16)
_BYTES_IN = const(17)

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
        self._template = Writer(bytearray(128))
        self._cbor = format == "cbor"
        self._tags = keys(tag_set)
        self._text = bytearray(48)
        self._state = array("i", (0, 0, 0))
        self._pieces = {}

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
        w = self._writer
        tag = self._tags
        tcp = sockets.tcp_read and (empty or sockets.tcp_total > 0)
        udp = sockets.udp_read and (empty or sockets.udp_total > 0)
        established = sockets.tcp_read and (empty or sockets.connections > 0)
        stats = counters.available()
        w.reset()
        w.map(2)
        w.text(tag[_HEADER])
        w.map(2)
        w.text(tag[_REPORT_ID])
        w.uint(report_id)
        w.text(tag[_VERSION])
        w.text(b"1.0")
        w.text(tag[_METRICS])
        w.map(tcp + udp + established + stats)
        if tcp:
            self._ports(tag[_TCP_PORTS], sockets.tcp_ports, sockets.tcp_total, sockets.names, ports)
        if udp:
            self._ports(tag[_UDP_PORTS], sockets.udp_ports, sockets.udp_total, sockets.names, ports)
        if established:
            w.text(tag[_TCP_CONNECTIONS])
            w.map(1)
            w.text(tag[_ESTABLISHED])
            w.map(2)
            w.text(tag[_CONNECTIONS])
            self._connections(sockets, connections)
            w.text(tag[_TOTAL])
            w.uint(sockets.connections)
        if stats:
            w.text(tag[_STATS])
            w.map(4)
            for which in range(4):
                w.text(tag[_BYTES_IN + which])
                w.uint(counters.difference(which))

    def _ports(self, key, table, total, names, most):
        w = self._writer
        tag = self._tags
        kept = min(table.kept, most)
        w.text(key)
        w.map(2)
        w.text(tag[_PORTS])
        w.array(kept)
        for i in range(kept):
            slot = table.slot(i)
            known = slot != NO_INTERFACE
            w.map(1 + known)
            w.text(tag[_PORT])
            w.uint(table.port(i))
            if known:
                w.text(tag[_INTERFACE])
                w.text(names.name(slot))
        w.text(tag[_TOTAL])
        w.uint(total)

    def _connections(self, sockets, n):
        w = self._writer
        w.array(n)
        if not n:
            return
        buf = self._buf
        records = sockets.records
        state = self._state
        state[1] = sockets.kept
        # If only some fit, take a run that starts at a random row, so that each has the same chance.
        state[0] = random.getrandbits(16) % state[1] if n < state[1] else 0
        state[2] = n
        end = w.open_items()
        while state[2]:
            record = state[0] * RECORD
            name = sockets.names.name(records[record])
            port = records[record + 2] | records[record + 3]
            kind = records[record] << 1 | (port > 0)
            pieces = self._pieces.get(kind)
            if pieces is None or pieces[3] is not name:
                pieces = self._pieces[kind] = self._pieces_for(name, port)
            end = rows(
                buf, end, len(buf), self._cbor, pieces[0], pieces[1], pieces[2], self._text, records, state
            )  # fmt: skip
        w.close_items(end, n)

    def _pieces_for(self, name, port):
        # The pieces that are the same in all rows of a kind are cut out of a row that the writer wrote.
        w = self._template
        tag = self._tags
        w.reset()
        w.map(1 + (port > 0) + (name is not None))
        w.text(tag[_REMOTE])
        w.text(b"")
        # In JSON the empty text is two quotes, one on either side. The last value closes the row at once.
        json = not self._cbor
        address = middle = w.size - (json and not port and name is None)
        if port:
            w.text(tag[_LOCAL_PORT])
            w.uint(0)
            middle = w.size - (json and name is None)
        if name is not None:
            w.text(tag[_LOCAL_INTERFACE])
            w.text(name)
        row = bytes(w.result())
        if port:
            return row[: address - 1], row[address - json : middle - 1], row[middle:], name
        return row[: address - 1], b"", row[address - json :], name
