"""`TLSStream` is without a network: it has a `Broker` behind it that speaks just enough MQTT, so that the session, the
packets and umqtt above it are the real ones.
"""

import json


class Broker:
    """The other end. `decide(report id)` says what becomes of a report:

    accept, reject, throttle; lose (acknowledged, no answer), late (the answer waits for the next connection), cut
    (before the acknowledgement), deaf (no acknowledgement at all), again (none at the first time).
    """

    def __init__(self, decide=None, cbor=False):
        self.decide = decide or (lambda report_id: "accept")
        self.cbor = cbor
        self.connects = self.reports = self.again = self.pings = 0
        self.report = b""
        self.report_id = 0
        self.refuse = 0  # a CONNACK code
        self._kept = None
        self._tried = -1
        self._known = False

    def connect(self, link):
        self.connects += 1
        link.give(bytes((0x20, 2, self._known and not self.refuse, self.refuse)))
        self._known = True

    def packet(self, link, p, body):
        kind = p[0] & 0xF0
        if kind == 0x10:
            self.connect(link)
        elif kind == 0x80:
            link.give(b"\x90\x04" + bytes(p[body : body + 2]) + b"\x01\x01")
            if self._kept is not None:
                link.give(self._kept)
                self._kept = None
        elif kind == 0xC0:
            self.pings += 1
            link.give(b"\xd0\0")
        elif kind == 0xE0:
            link.cut()
        elif kind == 0x30:
            self._publish(link, p, body)

    def _publish(self, link, p, body):
        end = body + 2 + (p[body] << 8 | p[body + 1])
        topic = bytes(p[body + 2 : end])
        packet_id = p[end : end + 2]
        report = bytes(p[end + 2 :])
        if p[0] & 8:
            self.again += 1
            assert report == self.report, "another report under DUP"
        else:
            self.reports += 1
            self.report = report
            self.report_id = read(report, self.cbor)
        what = self.decide(self.report_id)
        if what == "cut":
            return link.cut()
        if what == "deaf" or (what == "again" and not p[0] & 8):
            return
        link.give(b"\x40\x02" + bytes(packet_id))
        if what == "lose":
            return
        answer = message(topic, self.report_id, what in ("reject", "throttle"), what, self.cbor)
        if what == "late":
            self._kept = answer
        else:
            link.give(answer)


def read(report, cbor):
    """The id of a report in long tags, or in short ones."""
    r = decode(report) if cbor else json.loads(report)
    return r["hed"]["rid"] if "hed" in r else r["header"]["report_id"]


def message(topic, report_id, rejected, what, cbor):
    """A PUBLISH with the service's answer."""
    code = "Throttled" if what == "throttle" else "InvalidPayload"
    if cbor:
        from microcbor import Writer

        w = Writer(bytearray(128))
        w.map(3 if rejected else 2)
        w.text(b"reportId")
        w.uint(report_id)
        w.text(b"status")
        w.text(b"REJECTED" if rejected else b"ACCEPTED")
        if rejected:
            w.text(b"statusDetails")
            w.map(1)
            w.text(b"ErrorCode")
            w.text(code.encode())
        payload = bytes(w.result())
    else:
        details = ', "statusDetails": {"ErrorCode": "%s", "ErrorMessage": "no"}' % code if rejected else ""
        payload = (
            '{"reportId": %d, "status": "%s"%s}' % (report_id, "REJECTED" if rejected else "ACCEPTED", details)
        ).encode()
    topic += b"/rejected" if rejected else b"/accepted"
    n = 4 + len(topic) + len(payload)
    head = bytes((0x32, n & 127 | 128, n >> 7)) if n > 127 else bytes((0x32, n))
    return head + bytes((0, len(topic))) + topic + b"\x12\x34" + payload


def decode(data):
    """CBOR as Python's values; the numbers, texts, maps and arrays of a report."""
    from microcbor import Reader

    r = Reader(data)
    value = _item(r)
    assert r.pos == len(data), "bytes after the report"
    return value


def _item(r):
    major = r.peek()
    if major <= 1:
        return r.int()
    if major == 3:
        return str(r.text(), "utf-8")
    if major == 4:
        return [_item(r) for _ in range(r.array())]
    assert major == 5, "type %d in a report" % major
    result = {}
    for _ in range(r.map()):
        key = _item(r)
        assert key not in result, "%s twice" % key
        result[key] = _item(r)
    return result


class TLSStream:
    """tls_stream.TLSStream without a network. On the class: `broker`, `time`, and `fault`, an exception to raise."""

    broker = None
    time = None
    fault = None
    made = 0

    def __init__(self, server_name, beat=None):
        self._in = bytearray(1024)
        self._in_end = 0
        self._out = bytearray(4096)
        self._out_end = 0
        self._open = self._cut = False
        self.arm(0)
        TLSStream.made += 1

    def arm(self, timeout):
        self._deadline = TLSStream.time.ticks_add(TLSStream.time.ticks_ms(), timeout)

    def left(self):
        return TLSStream.time.ticks_diff(self._deadline, TLSStream.time.ticks_ms())

    def connected(self):
        return self._open

    def connect(self, host, port):
        from linkpulse.errors import NetworkError

        if TLSStream.fault is not None:
            raise TLSStream.fault
        if TLSStream.broker is None:
            raise NetworkError("%s port %d does not answer" % (host, port))
        self._in_end = self._out_end = 0
        self._open = True
        self._cut = False

    def close(self):
        self._open = False

    def give(self, data):
        self._in[self._in_end : self._in_end + len(data)] = data
        self._in_end += len(data)

    def cut(self):
        self._cut = True

    def ready(self, timeout):
        self._check()
        if not self._in_end and not self._cut:
            TLSStream.time.advance(timeout)
        return bool(self._in_end) or self._cut

    def send(self, view):
        self._check()
        n = len(view)
        self._out[self._out_end : self._out_end + n] = view
        self._out_end += n
        while self._packet():
            pass

    def receive(self, view, wait):
        from linkpulse.errors import NetworkError, TimedOut

        self._check()
        n = len(view)
        if self._in_end < n:
            if self._cut:
                raise NetworkError("the broker closed the connection")
            if not self._in_end and not wait:
                return False
            TLSStream.time.advance(max(0, self.left()))
            raise TimedOut("the broker did not answer in time")
        view[:] = memoryview(self._in)[:n]
        self._in_end -= n
        self._in[: self._in_end] = self._in[n : n + self._in_end]
        return True

    def _check(self):
        from linkpulse.errors import NetworkError

        if TLSStream.fault is not None:
            raise TLSStream.fault
        if not self._open:
            raise NetworkError("not connected")

    def _packet(self):
        # One whole packet out of what was sent, if there is one.
        length = 0
        at = 1
        while True:
            if at >= self._out_end:
                return False
            length |= (self._out[at] & 127) << 7 * (at - 1)
            at += 1
            if self._out[at - 1] < 128:
                break
        end = at + length
        if end > self._out_end:
            return False
        packet = bytes(memoryview(self._out)[:end])
        self._out_end -= end
        self._out[: self._out_end] = self._out[end : end + self._out_end]
        if not self._cut:
            TLSStream.broker.packet(self, packet, at)
        return True
