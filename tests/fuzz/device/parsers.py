"""Every parser of what others write, each as `make() -> (seeds, run)`; run(data) may raise only what is declared.

Runs on CPython and on MicroPython. What the two differ in (JSON, int(), text) is why each parser runs on both.
"""

import io
import sys
import binascii
import struct
from array import array
import proc_root
from encode import encode
from proc_root import ESTABLISHED, TCP, TCP6, UDP, row, table, udp
from linkpulse.errors import ClockError, LinkpulseError, NetworkError, ProtocolError, SettingsError
from microcbor import INDEFINITE, Malformed, Reader, Writer
from mutate import below, bits

MICROPYTHON = sys.implementation.name == "micropython"
THING = "thing-1"
ID = 1790000000


class Declared(Exception):
    """Takes the place of what may be raised, for a parser that declares nothing."""


def _cbor_answers():
    def message(pairs):
        return bytes(encode(Writer(bytearray(512)), pairs).result())

    details = {"ErrorCode": "InvalidPayload", "ErrorMessage": "the payload is not valid"}
    return [
        message({"thingName": THING, "reportId": ID, "status": "ACCEPTED", "timestamp": ID * 1000}),
        message({"thingName": THING, "status": "REJECTED", "statusDetails": details, "timestamp": 5}),
        message(
            {"reportId": ID, "status": "REJECTED", "statusDetails": {"ErrorCode": "Throttled", "ErrorMessage": "é"}}
        ),
        message({"thingName": THING, str(ID): 1530304555, "status": "ACCEPTED"}),
        message({"a": [1, -2, [3, {"b": []}], "c"], "reportId": -7}),
        b"\xbf\x68reportId\x1a\x6a\xb1\x3b\x80\x66status\x68ACCEPTED\xff",
        b"\xa1\x68reportId\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa2\x61a\x9f\x01\x82\x02\x03\x9f\x04\xff\xff\x61b\x7f\x61x\x61y\xff",
        b"\xa1\xc1\x1a\x00\x00\x00\x01\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"\xa1\x63xyz\xd9\xd9\xf7\xf6",
    ]


JSON_ANSWERS = (
    '{"thingName": "thing-1", "reportId": 1790000000, "status": "ACCEPTED", "timestamp": 1530304555000}',
    '{"status": "REJECTED", "statusDetails": {"ErrorCode": "InvalidPayload", "ErrorMessage": "no"}, "timestamp": 1}',
    '{"reportId":1790000000,"status":"REJECTED","statusDetails":{"ErrorCode":"Throttled","ErrorMessage":"\\u20ac"}}',
    '{"1790000000": 1530304555, "status": "ACCEPTED"}',
    '{"a": [1, -2.5e3, [true, false, null], {"b": []}], "reportId": -7}',
    '[[[[[[]]]]]]', '"text"', "17",
    '{"reportId": 1e400, "statusDetails": 5}', '{"reportId": 123456789012345678901234567890}',
)  # fmt: skip


def _check_response(response):
    assert response.status in ("accepted", "rejected", "malformed"), response.status
    assert response.report_id is None or (
        isinstance(response.report_id, int) and not isinstance(response.report_id, bool)
    )
    for text in (response.code, response.message):
        assert text is None or (isinstance(text, str) and len(text) <= 300)
    repr(response)


def _response(cbor):
    from linkpulse.report.response import parse

    if cbor:
        from linkpulse.report.response_cbor import fields
    else:
        from linkpulse.report.response_json import fields

    def run(data):
        try:
            _check_response(parse(("accepted", "rejected")[bits(1)], data, fields, (ID,)))
        except ProtocolError as e:
            str(e)

    return run


def cbor():
    return _cbor_answers(), _response(True)


def json():
    return [text.encode() for text in JSON_ANSWERS], _response(False)


def reader():
    def run(data):
        r = Reader(data, 1 + bits(3))
        try:
            while r.pos < len(data):
                before = r.pos
                _read(r)
                assert before < r.pos <= len(data), "the reader went from %d to %d" % (before, r.pos)
        except Malformed as e:
            str(e)
        assert r.pos <= len(data)

    return _cbor_answers(), run


def _read(r):
    # As a caller does that knows what it wants, and as one that does not.
    what = bits(2)
    if what == 0:
        r.skip()
    elif what == 1:
        r.int()
    elif what == 2:
        len(r.text())
    else:
        n = r.map() if r.peek() == 5 else r.array()
        assert n == INDEFINITE or 0 <= n <= 4096


class NoCollector:
    width = 64
    counts_from_start = True
    skipped = 0

    def counters(self, into):
        into.begin()

    def sockets(self, into):
        into.begin()


def receive():  # noqa: C901
    from linkpulse.report import Reporter

    reporters = [Reporter(NoCollector(), THING, lambda: ID, format=f) for f in ("cbor", "json")]
    for r in reporters:
        r.report()
    topics = []
    for r in reporters:
        topics += [r.accepted.encode(), r.rejected.encode(), r.topic.encode()]
    seeds = []
    for topic in topics:
        for answer in _cbor_answers()[:5] + [text.encode() for text in JSON_ANSWERS[:5]]:
            seeds.append(topic + b"|" + answer)

    def run(data):
        topic, _, payload = data.partition(b"|")
        for r in reporters:
            if r.report_id is None:
                r.report_id = ID
            response = r.receive(topic, payload)
            if response is not None:
                _check_response(response)

    return seeds, run


class Files:
    """`open` and `os` of a module: what is read is `data`, what is written goes nowhere."""

    data = b""

    def open(self, path, mode="r", *_):
        if "w" in mode:
            return io.BytesIO()
        if path == "boot_id":
            return io.BytesIO(b"11111111-2222-3333-4444-555555555555\n")
        return io.BytesIO(self.data)

    def rename(self, a, b):
        pass

    def stat(self, path):
        return (0o100600, 0, 0, 0, 0, 0, len(self.data), 0, 0, 0)

    def into(self, module):
        module.open = self.open
        module.os = self
        return self


def settings():
    from linkpulse import settings as module

    files = Files().into(module)
    text = (
        '{"thing": "thing-1", "host": "localhost", "ca": "ca.der", "cert": "thing.der", "key": "key.der", "port": 8883,'
        ' "format": "json", "tags": "long", "interval": 5, "allow_short_interval": true, "include": ["eth*", "wlan0"],'
        ' "exclude": [], "connections": 50, "buffer": 0, "timeout": 30, "ntp": "pool", "loopback": false}'
    )
    seeds = [
        text.encode(),
        b'{"thing": "t", "host": "h", "ca": "a", "cert": "b", "key": "c"}',
        b'{"thng": 1}',
        b"[]",
        b"null",
    ]
    seeds.append(b'{"thing": "\\u00e9\\ud83d\\ude00", "host": "h", "ca": "a", "cert": "b", "key": "c", "state": ""}')

    def run(data):
        files.data = data
        try:
            s = module.load("/etc/linkpulse/settings.json", bits(1))
            assert 1 <= s.interval <= 86400 and s.format in ("cbor", "json") and isinstance(s.thing, str)
        except SettingsError as e:
            str(e)

    return seeds, run


def state():
    from linkpulse.report import report_ids as module

    files = Files().into(module)
    seeds = []
    for number in (b"1790000256", b"7", b"0", b"99999999999999999999", b"4294967296"):
        seeds.append(number + b" %08x\n" % (binascii.crc32(number) & 0xFFFFFFFF))

    def run(data):
        files.data = data
        ids = module.Ids("linkpulse.state")
        a = ids.next()
        b = ids.next()
        assert 0 < a < b and isinstance(ids.problem, (str, type(None)))

    return seeds, run


def baseline():
    from linkpulse.collect.linux import baseline as module
    from linkpulse.sample.counters import BYTES_IN, Counters

    files = Files().into(module)
    boot = b"11111111-2222-3333-4444-555555555555\n"
    seeds = [
        boot + b"eth0 1 2 3 4 5 6 7 8\nend\n",
        boot + b"eth0 16777215 1073741823 0 0 0 0 0 0\nwlan0 0 0 0 0 0 0 0 0\nbr-lan 1 1 1 1 1 1 1 1\nend\n",
        boot + b"end\n",
        b"another\neth0 1 2 3 4 5 6 7 8\nend\n",
        boot + b"".join([b"if%d 1 2 3 4 5 6 7 8\n" % i for i in range(70)]) + b"end\n",
    ]
    values = array("i", (9, 9, 9, 9, 9, 9, 9, 9))

    def run(data):
        files.data = data
        counters = Counters()
        module.Baseline("file", "boot_id").load(counters)
        counters.begin()
        counters.put(b"eth0", 0, 4, values)
        assert counters.difference(BYTES_IN) >= 0

    return seeds, run


def ntp():
    import linkpulse.port.clock as clock

    nonce = b"12345678"
    seeds = []
    for now in (ID, ID + 600000000, 0, 2085978500):
        seconds = struct.pack(">II", (now + 2208988800) & 0xFFFFFFFF, 0)
        seeds.append(b"\x24\x02\x06\xec" + bytes(12) + seconds + nonce + seconds + seconds)

    def run(data):
        try:
            now = clock.checked(data, nonce, "server")
            assert clock.BUILD <= now < clock.BUILD + 21 * 31557600
        except ClockError as e:
            str(e)

    return seeds, run


class Content:
    """A file of the kernel's that stays open: `data` in pieces of any size."""

    def __init__(self, data):
        self.data = data
        self.whole = True
        self._at = 0

    def seek(self, at):
        self._at = at
        return at

    def readinto(self, buf):
        n = len(buf) if self.whole else 1 + bits(8)
        piece = self.data[self._at : self._at + min(n, len(buf))]
        buf[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self):
        pass


LOCAL = "192.0.2.1"
ROWS = (row("0.0.0.0", 22), row(LOCAL, 8080), row(LOCAL, 50000, "203.0.113.9", 443, ESTABLISHED))
ROWS += (
    row("127.0.0.1", 631),
    row("198.51.100.1", 4000, "203.0.113.9", 1, ESTABLISHED),
    row(LOCAL, 1, "203.0.113.9", 2, 6),
)
ROWS6 = (row("::", 443), row("fd00::1", 50000, "2001:db8::9", 443, ESTABLISHED))
ROWS6 += (
    row("::ffff:c000:201", 50001, "::ffff:cb00:7109", 443, ESTABLISHED),
    row("fe80::1", 9, "fe80::2", 9, ESTABLISHED),
)


def _collector(name):
    """(the collector, the file `name` of its kernel): the others are as small as they can be."""
    content = Content(b"")
    files = {key: None for key in proc_root.USUAL}
    for other in ("tcp", "dev", "if_inet6", "route"):
        files[other] = Content(proc_root.USUAL[other])
    files["tcp"] = Content(table(TCP, ROWS[:4]))
    files[name] = content
    collector = proc_root.collector(files)
    return collector, content


def _sockets(name, seeds):
    from linkpulse.report.writer import ReportWriter
    from linkpulse.sample.counters import Counters
    from linkpulse.sample.sockets import SocketTable

    collector, content = _collector(name)
    counters = Counters()
    report = ReportWriter("cbor", "short", 8)
    tables = [SocketTable(8, 4)]
    turn = [0]

    def run(data):
        content.data = data
        content.whole = bits(3)
        turn[0] += 1
        if turn[0] & 31 == 0:
            tables[0] = SocketTable(8, 4)
        s = tables[0]
        skipped = collector.skipped
        collector.sockets(s)
        assert s.kept <= 8 and s.tcp_ports.kept <= 4 and s.connections >= s.kept and collector.skipped >= skipped
        assert s.tcp_total >= s.tcp_ports.kept and s.udp_total >= s.udp_ports.kept
        for ports in (s.tcp_ports, s.udp_ports):
            for i in range(1, ports.kept):
                assert ports.keys[i - 1] < ports.keys[i]
        if turn[0] & 7 == 0:
            r = Reader(report.write(ID, counters, s), 12)
            r.skip()
            assert r.pos == r._end

    return seeds, run


def tcp():
    return _sockets("tcp", [table(TCP, ROWS), table(TCP, ROWS[2:] * 6), table(TCP, ())])


def tcp6():
    return _sockets("tcp6", [table(TCP6, ROWS6), table(TCP6, ROWS6 * 4)])


def fib_trie():
    usual = proc_root.USUAL["fib_trie"]
    return _sockets("fib_trie", [usual, proc_root.trie("192.0.2.1", "192.0.2.1", "10.0.0.1"), usual * 4])


def udp4():
    rows = udp("0.0.0.0", 5353), udp(LOCAL, 53), udp(LOCAL, 4000, "203.0.113.9", 53, ESTABLISHED)
    return _sockets("udp", [table(UDP, rows, 127), table(UDP, rows * 5, 127)])


def udp6():
    rows = row("::", 5683, "::", 0, 7, 127), row("fd00::1", 547, "::", 0, 7, 127)
    return _sockets("udp6", [table(UDP, rows, 127), table(UDP, rows * 5, 127)])


def if_inet6():
    usual = proc_root.USUAL["if_inet6"]
    return _sockets("if_inet6", [usual, usual * 20, proc_root.inet6(("fe80::1", "wlan0"), ("2001:db8::1", "br-lan"))])


def route():
    usual = proc_root.USUAL["route"]
    more = [
        ("br-lan", "10.0.0.0", "255.0.0.0"),
        ("wg0", LOCAL, "255.255.255.255"),
        ("eth1", "198.51.100.0", "255.255.255.0"),
    ]
    return _sockets("route", [usual, proc_root.route(*more), proc_root.route(*more * 15)])


def dev():
    from linkpulse.sample.counters import Counters

    collector, content = _collector("dev")
    counters = [Counters()]
    turn = [0]
    seeds = [
        proc_root.USUAL["dev"],
        proc_root.dev(
            ("eth0", 1 << 33, 5, 6, 7), ("br-lan", 1, 2, 3, 4), ("eth0.100", 1, 1, 1, 1), ("wlan0", 0, 0, 0, 0)
        ),
        proc_root.dev(*[("if%d" % i, i, i, i, i) for i in range(30)]),
        b"a\nb\n  eth0:18446744073709551615 1 2 3 4 5 6 7 8 9 10\n",
    ]

    def run(data):
        content.data = data
        content.whole = bits(3)
        turn[0] += 1
        if turn[0] & 15 == 0:
            counters[0] = Counters()
        c = counters[0]
        collector.counters(c)
        c.end()
        for which in range(4):
            assert c.difference(which) >= 0
        if bits(1):
            c.commit()
            assert c.difference(0) == 0

    return seeds, run


# As in collect/layout.py.
DONE = 0
UNKNOWN = 2
OVER = 3
BROKEN = 4


def _to_the_end(scan, state, size):
    """Calls `scan` with tables for four addresses and four connections until it has read `size` bytes."""
    raw = bytearray(36)
    known = bytearray(18 * 4)
    tables = raw, known, bytearray(22 * 4), array("i", (0, 4, 12345, 54321))
    for _ in range(size + 2):
        before = state[0]
        event = scan(*tables)
        assert before <= state[0] <= size
        if event in (DONE, OVER, BROKEN):
            return
        if event == UNKNOWN and state[8]:
            state[13] = 1  # the device of a bound socket
        elif event == UNKNOWN:
            known[18:36] = bytes((0, state[9])) + bytes(raw[:16])
            state[10] = 0
    raise AssertionError("it never ends")


def rows():
    """proc_scan.rows over a buffer that ends where the text ends: on CPython a read outside of it is an IndexError."""
    from linkpulse.collect.linux import proc_scan
    from linkpulse.collect.linux.proc_lines import HEXA, ORDER

    seeds = [(text + "\n").encode() for text in ROWS + ROWS6] + [("\n".join(ROWS) + "\n").encode()]

    def run(data):
        text = bytearray(data + b"\n")
        state = array("i", (0, 8 if bits(1) else 32, 10, 1, ORDER, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0))

        def scan(*tables):
            return proc_scan.rows(text, len(text), state, HEXA, *tables)

        _to_the_end(scan, state, len(text))

    return seeds, run


def sock_diag():
    """netlink_scan.messages, or what replaces it in bytecode, over a buffer that ends where the datagram ends."""
    from linkpulse.collect.linux import netlink_plain, netlink_scan
    from linkpulse.collect.linux.proc_lines import ORDER

    def message(family, state, local, remote, size=88):
        body = bytes((family, state, 0, 0)) + struct.pack(">HH", 8080, 443) + local + bytes(16 - len(local))
        body += remote + bytes(16 - len(remote)) + bytes(size - 16 - 40)
        return struct.pack("<IHHII", size, 20, 2, 1, 1) + body

    four = message(2, 1, b"\xc0\x00\x02\x01", b"\xcb\x00\x71\x09")
    listener = message(10, 10, bytes(16), bytes(16))
    loopback = message(2, 10, b"\x7f\x00\x00\x01", bytes(4))
    done = struct.pack("<IHHIII", 20, 3, 2, 1, 1, 0)
    seeds = [four, listener, loopback, four * 3 + listener + done, four + done, done, message(2, 1, b"", b"", 96) * 2]

    def run(data):
        buf = bytearray(data)
        state = array("i", (0, 0, 10, 1, ORDER, 0, 2, 0, 0, 0, 0, 88 if bits(1) else 0, 0, 0, 0))

        messages = netlink_scan.messages
        if sys.implementation.name == "micropython" and bits(1):
            messages = netlink_plain.Messages(memoryview(buf)).messages

        def scan(*tables):
            return messages(buf, len(buf), state, *tables)

        _to_the_end(scan, state, len(buf))

    return seeds, run


def rtnetlink():
    from linkpulse.collect.linux import rtnetlink as module
    from linkpulse.collect.interface_filter import InterfaceFilter
    from linkpulse.collect.linux.addresses import NONE, Addresses
    from linkpulse.sample.names import Names

    def message(kind, body, *attributes):
        for number, value in attributes:
            body += struct.pack("HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
        return struct.pack("IHHII", 16 + len(body), kind, 0, 1, 1) + body

    index = (4, struct.pack("I", 2))
    route = message(24, bytes((2, 32, 0, 0, 255, 2, 254, 2)) + bytes(4), (15, bytes(4)), (1, b"\xc0\0\2\1"), index)
    link = message(16, bytes(4) + struct.pack("I", 2) + bytes(8), (3, b"eth0\0"), (13, bytes(4)))
    error = message(2, struct.pack("i", -101) + bytes(16))
    pieces = []

    class File:
        def write(self, data):
            return len(data)

        def readinto(self, buf):
            if not pieces:
                return None
            piece = pieces.pop(0)[: len(buf)]
            buf[: len(piece)] = piece
            return len(piece)

        def close(self):
            pass

    module.connect = File
    kernel = module.Rtnetlink()
    into = Addresses(lambda name: None, False, InterfaceFilter(False, (), ()))
    raw = bytearray(b"\xc0\0\2\1")

    def run(data):
        at = len(route) if bits(1) else below(len(data) + 1)
        pieces[:] = [data[:at], data[at:]]
        into.count = 0
        into._names = Names()
        kernel.begin()
        found = kernel.interface(into, raw, bits(1) and 2)
        assert found is None or NONE <= found < 256

    return [route + link, route, link, error, route + error, (route + link) * 2], run


def _key_files():
    body = binascii.b2a_base64(bytes(range(120))).decode()
    pem = "-----BEGIN EC PRIVATE KEY-----\n%s-----END EC PRIVATE KEY-----\n" % body
    return [
        pem.encode(),
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + pem.encode(),
        (pem.replace("EC PRIVATE KEY", "CERTIFICATE") * 3).encode(),
        b"\x30\x77\x02\x01\x01\x04\x20" + bytes(range(32)) + b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
        b"",
    ]


def pem():
    from linkpulse.session import trust

    files = Files().into(trust)

    def run(data):
        files.data = data
        try:
            for block in trust.ders("key", "/key"):
                assert isinstance(block, bytes)
        except SettingsError as e:
            str(e)

    return _key_files(), run


def der():
    """Certificates and keys as far as mbedTLS. MicroPython only."""
    from linkpulse.session import trust

    files = Files().into(trust)
    real = []
    for name in sys.argv[5:]:
        with open(name, "rb") as f:
            real.append(f.read())
    good = {"/ca": real[0], "/cert": real[1], "/key": real[2]}
    turn = ["/ca"]

    def opened(path, mode="r", *_):
        return io.BytesIO(files.data if path == turn[0] else good[path])

    trust.open = opened

    def run(data):
        files.data = data
        turn[0] = ("/ca", "/cert", "/key")[bits(8) % 3]
        try:
            trust.context("/ca", "/cert", "/key")
        except LinkpulseError as e:
            str(e)

    return real + _key_files(), run


class Bytes:
    """tls_stream.TLSStream whose broker has sent `data` and will send no more."""

    data = b""

    def __init__(self, server_name, beat=None):
        self._at = 0
        self._open = False

    def arm(self, timeout):
        pass

    def connected(self):
        return self._open

    def connect(self, host, port):
        self._at = 0
        self._open = True

    def close(self):
        self._open = False

    def ready(self, timeout):
        if not self._open:
            raise NetworkError("not connected")
        return self._at < len(Bytes.data)

    def send(self, view):
        pass

    def receive(self, view, wait):
        n = len(view)
        if self._at + n > len(Bytes.data):
            if self._at == len(Bytes.data) and not wait:
                return False
            raise NetworkError("the broker closed the connection")
        view[:] = Bytes.data[self._at : self._at + n]
        self._at += n
        return True


class Broker:
    """The settings of a session with it."""

    host = "h"
    port = 1
    ca = cert = key = server_name = ntp = ""
    client_id = THING
    timeout = 1
    interval = 300


def mqtt():
    """A broker's bytes, through the stream and umqtt, as the session uses them. MicroPython only."""
    from linkpulse.session import session

    session.TLSStream = Bytes
    session.context = lambda *files: None
    connack = b"\x20\x02\x00\x00"
    suback = b"\x90\x04\x00\x01\x01\x01"
    puback = b"\x40\x02\x00\x02"
    message = b"\x32\x0b\x00\x03abc\x00\x07hey!"
    usual = connack + suback + puback
    seeds = [usual, usual + message, connack + message + suback + message + puback + b"\xd0\x00" + message]
    seeds += [
        b"\x20\x02\x01\x05",
        connack + b"\x90\x04\x00\x01\x80\x80",
        connack + suback + b"\x40\x02\x00\x09" + puback,
    ]
    seeds += [
        usual + b"\x30\x82\x01\x00\x03abc" + bytes(125),
        usual + b"\x34\x07\x00\x01a\x00\x01zz",
        connack + b"\xff\xff\xff\xff\x7f",
    ]
    got = []

    def received(topic, payload):
        assert isinstance(topic, bytes) and isinstance(payload, bytes) and len(topic) + len(payload) < 1024
        got.append(topic)

    one = session.Session(Broker, received)

    def run(data):
        Bytes.data = data
        del got[:]
        try:
            one.connect()
            one.subscribe(("a/accepted", "a/rejected"))
            one.publish("a", b"report")
            for _ in range(3):
                one.wait(0)
        except LinkpulseError as e:
            str(e)
            assert not one.connected(), "the session lives on after an error"
        one.close()
        assert len(got) <= len(data)

    return seeds, run


# fmt: off
BOTH = (
    "cbor", "json", "reader", "receive", "settings", "state", "baseline", "ntp", "dev", "tcp", "tcp6", "udp4", "udp6",
    "if_inet6", "route", "rows", "fib_trie", "sock_diag", "rtnetlink", "pem",
)
# fmt: on
ONLY_MICROPYTHON = ("der", "mqtt")
