"""MQTT 3.1.1 packets as the broker of the fault tests sees them, and the service's answers to a report."""

import json
import struct
from dataclasses import dataclass, field

import cbor2

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC = 0x10, 0x20, 0x30, 0x40, 0x50
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x80, 0x90, 0xC0, 0xD0, 0xE0


@dataclass
class Packet:
    """One packet of the device. `wire` is its size on the wire, TLS included; `time` as of time.monotonic()."""

    kind: int
    flags: int
    time: float
    raw: bytes
    packet_id: int | None = None
    topic: str | None = None
    payload: bytes | None = None
    client_id: str | None = None
    clean: bool | None = None
    keep_alive: int | None = None
    filters: list = field(default_factory=list)
    wire: int = 0
    peer: object = field(default=None, repr=False)

    @property
    def dup(self):
        return bool(self.flags & 8)

    @property
    def qos(self):
        return self.flags >> 1 & 3

    @property
    def report(self):
        """The report in a PUBLISH, as a dict."""
        return json.loads(self.payload) if self.topic.endswith("/json") else cbor2.loads(self.payload)

    @property
    def report_id(self):
        report = self.report
        header = report.get("hed") or report["header"]
        return header["rid"] if "rid" in header else header["report_id"]


def parse(first, body, time, head):
    """A Packet from its first byte, what follows its length, and `head`, the bytes before that."""
    packet = Packet(first & 0xF0, first & 0x0F, time, head + body)
    if packet.kind == CONNECT:
        name, level, flags, packet.keep_alive = struct.unpack_from("!6sBBH", body)
        assert name == b"\0\4MQTT" and level == 4, body
        packet.clean = bool(flags & 2)
        packet.client_id = _text(body, 10)[0]
    elif packet.kind == PUBLISH:
        packet.topic, at = _text(body, 0)
        if packet.qos:
            packet.packet_id = struct.unpack_from("!H", body, at)[0]
            at += 2
        packet.payload = body[at:]
    elif packet.kind == SUBSCRIBE:
        packet.packet_id = struct.unpack_from("!H", body)[0]
        at = 2
        while at < len(body):
            topic, at = _text(body, at)
            packet.filters.append((topic, body[at]))
            at += 1
    elif packet.kind == PUBACK:
        packet.packet_id = struct.unpack("!H", body)[0]
    return packet


def _text(body, at):
    end = at + 2 + struct.unpack_from("!H", body, at)[0]
    return body[at + 2 : end].decode(), end


def encode(first, body):
    """A packet from its first byte and what follows its length."""
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = rest >> 7, rest & 127
        length.append(digit | 128 if rest else digit)
        if not rest:
            return bytes((first,)) + bytes(length) + body


def answer(packet, status, report_id=0, keyed=False, code=None, text=None):
    """The payload of the service's answer to a report: `report_id` another one (None: left out), `keyed` in the form
    that has the id as a key, `code` and `text` of a rejection."""
    if report_id == 0:
        report_id = packet.report_id
    body = {"thingName": packet.topic.split("/")[2], "status": status, "timestamp": 1700000000000}
    if keyed:
        body[str(report_id)] = 1700000000000
    elif report_id is not None:
        body["reportId"] = report_id
    if code is not None:
        body["statusDetails"] = {"ErrorCode": code, "ErrorMessage": text}
    return json.dumps(body).encode() if packet.topic.endswith("/json") else cbor2.dumps(body)
