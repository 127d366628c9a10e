"""What the fault programs put in the place of time, the network and the kernel. Runs on MicroPython only.

`Time` moves when something waits. `TLSStream` is without a network: it has a `Broker` behind it that speaks
just enough MQTT, so that the session, the stream and umqtt above it are the real ones.
"""

import json
import os
import sys
import time as real
from array import array

START = 1790000000  # 2026-09-21, in seconds since 1970


class Done(BaseException):
    """The virtual time is over."""


class Time:
    """The module `time` of a board: ticks that wrap at 2**`bits`, a wall clock that can be set wrong."""

    def __init__(self, wall=START, bits=30, ticks=0, epoch=1970, step=None):
        self._mask = (1 << bits) - 1
        self._half = 1 << bits - 1
        self._first = ticks
        self._offset = 946684800 if epoch == 2000 else 0
        self._wall = wall
        self.now = 0  # ms since the start
        self.end = None
        self.real = step is not None
        if self.real:
            self._began = real.ticks_ms()

    def set(self, wall):
        """Sets the wall clock to seconds since 1970."""
        self._wall = wall - self.elapsed() // 1000

    def elapsed(self):
        return real.ticks_diff(real.ticks_ms(), self._began) if self.real else self.now

    def advance(self, ms):
        if self.real:
            real.sleep_ms(ms)
        else:
            self.now += ms
        if self.end is not None and self.elapsed() >= self.end:
            self.end = None
            raise Done

    def ticks_ms(self):
        return self._first + self.elapsed() & self._mask

    def ticks_add(self, ticks, delta):
        if not -self._half < delta < self._half:
            raise OverflowError("ticks interval overflow")
        return ticks + delta & self._mask

    def ticks_diff(self, end, start):
        return ((end - start + self._half) & self._mask) - self._half

    def sleep_ms(self, ms):
        self.advance(ms)

    def sleep(self, seconds):
        self.advance(int(seconds * 1000))

    def time(self):
        return self._wall + self.elapsed() // 1000 - self._offset

    def gmtime(self, seconds=None):
        return real.gmtime((self.time() if seconds is None else seconds) + self._offset)


class RTC:
    """machine.RTC for a Time."""

    clock = None

    def datetime(self, t):
        RTC.clock.set(int(real.mktime((t[0], t[1], t[2], t[4], t[5], t[6], 0, 0))))


class Machine:
    RTC = RTC


def install(clock, rtc=False):
    """Makes `clock` the time of every module imported from now on; with `rtc` it can be set as on a board."""
    sys.modules["time"] = clock
    if rtc:
        RTC.clock = clock
        sys.modules["machine"] = Machine
    return clock


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

    def __init__(self, context, server_name, beat=None):
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


class Proc:
    """A proc root of real files in `folder`, with the files of fakeproc.usual() in it."""

    def __init__(self, folder, **files):
        import fakeproc

        self.root = folder
        for name in (folder, folder + "/net"):
            try:
                os.mkdir(name)
            except OSError:
                pass
        for name, content in fakeproc.usual(**files).items():
            if content is not None:
                self.write(name, content)

    def path(self, name):
        return self.root + "/net/" + name

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)

    def remove(self, name):
        os.remove(self.path(name))

    def traffic(self, n, *more):
        """eth0 has counted `n` bytes in, n packets in, 2 n bytes out and 3 n packets out."""
        import fakeproc

        self.write("dev", fakeproc.dev(("lo", 10, 1, 10, 1), ("eth0", n, n, 2 * n, 3 * n), *more))


def settings(proc, **values):
    from linkpulse.settings import Settings

    all_of_them = {
        "thing": "thing-1", "host": "broker.example", "ca": "/none", "cert": "/none", "key": "/none",
        "format": "json", "tags": "long", "proc": proc, "state": "",
    }  # fmt: skip
    all_of_them.update(values)
    return Settings(all_of_them)


def agent(clock, broker, proc, collector=None, log=None, **values):
    """The real agent and session over a TLSStream to `broker`. `clock` must be installed already."""
    from linkpulse.session import session
    from linkpulse.agent.agent import Agent

    TLSStream.time = clock
    TLSStream.broker = broker
    TLSStream.fault = None
    session.TLSStream = TLSStream
    session.context = lambda *files: None
    return Agent(settings(proc, **values), collector, log)


def run(one, clock, ms, told=None):
    """Agent.run() for so much virtual time."""
    clock.end = clock.elapsed() + ms
    try:
        one.run(told)
    except Done:
        pass


def run_on(one, clock, ms, told):
    """The same without an end of the agent: its connection stays."""
    end = clock.now + ms
    while clock.now < end:
        one.pause(min(one.step(), end - clock.now))
        one.tell(told)


def descriptors():
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def numbers(report):
    """(bytes in, packets in, bytes out, packets out) of a decoded report in either tags, or None."""
    metrics = report.get("metrics", report.get("met"))
    stats = metrics.get("network_stats", metrics.get("ns"))
    if stats is None:
        return None
    return tuple([stats.get(long, stats.get(short)) for long, short in
                  (("bytes_in", "bi"), ("packets_in", "pi"), ("bytes_out", "bo"), ("packets_out", "po"))])  # fmt: skip


def zeros(n):
    return array("i", (0,) * n)


def main(functions):
    """Runs the function named by the first argument with the others, and prints what it returns as JSON."""
    print(json.dumps(functions[sys.argv[1]](*sys.argv[2:])))
