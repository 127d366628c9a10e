# SPDX-License-Identifier: MIT
"""The fixed pieces of all reports in one format. Numbers, names and lists go between them."""

from .tags import keys

_VERSION = b"1.0"


class Pieces:
    """The pieces for one format and set of tags. They are made once, and those of an interface when its name is first
    seen."""

    def __init__(self, cbor, tag_set):
        self.cbor = cbor
        (
            header, report_id, version, metrics, connections, established, rows, remote, local_port,
            self._local_interface, tcp_ports, udp_ports, ports, port, self._interface, total, stats, *counters,
        ) = [self._text(tag) + (b"" if cbor else b":") for tag in keys(tag_set)]  # fmt: skip
        maps = [b"\xa0", b"\xa1", b"\xa2", b"\xa3", b"\xa4"] if cbor else [b"{"] * 5
        also, self.end, items, close, quote = (b"",) * 5 if cbor else (b",", b"}", b"[", b"]", b'"')
        self._also = also
        self.start = maps[2] + header + maps[2] + report_id
        self.metrics = also + version + self._text(_VERSION) + self.end + also + metrics
        # In JSON, the first byte of a block is a comma. In the first block, it becomes the brace that opens `metrics`.
        self.maps = maps
        self.tcp_ports = also + tcp_ports + maps[2] + ports + items
        self.udp_ports = also + udp_ports + maps[2] + ports + items
        self.connections = also + connections + maps[1] + established + maps[2] + rows + items
        self.total = close + also + total
        counters[0] = stats + maps[4] + counters[0]
        self.counters = [also + tag for tag in counters]
        # By the number of entries that a row has besides its remote address, and by whether it has a local port.
        self.rows = [n + remote + quote for n in maps[1:4]]
        self.middles = (quote, quote + also + local_port)
        self.ports = [n + port for n in maps[1:3]]
        self._names = {}

    def ends(self, slot, name):
        """(name, end of a port on that interface, end of a connection's row). `name` is None for no interface."""
        found = self._names.get(slot)
        if found is None or found[0] is not name:
            if name is None:
                found = name, self.end, self.end
            else:
                text = self._text(name) + self.end
                found = name, self._also + self._interface + text, self._also + self._local_interface + text
            self._names[slot] = found
        return found

    def _text(self, b):
        if self.cbor:
            return bytes((0x60 | len(b),)) + b  # none is longer than 23 bytes
        from .json_writer import Writer

        w = Writer(bytearray(2 + 6 * len(b)))
        w.text(b)
        return bytes(w.result())
