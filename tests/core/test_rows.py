"""Records as text and as rows: addresses at their extremes, RFC 5952, and the generic writer's own bytes."""

from array import array
from check import equal
from proc_root import ip
from linkpulse.report import json_writer, port_list, rows as compiled, tags
from linkpulse.sample.names import NO_INTERFACE
from linkpulse.sample.sockets import RECORD
from linkpulse.report.pieces import Pieces
import microcbor
import sys

if sys.implementation.name == "micropython":
    from linkpulse.report import rows_plain


class rows:
    """The functions of rows.py and port_list.py. Those of rows_plain.py must do the same, wherever they work."""

    remote = staticmethod(compiled.remote)

    @staticmethod
    def _both(name, source, out, *args):
        if sys.implementation.name == "micropython":
            plain = bytearray(out)
            again = args[:-1] + (array("i", args[-1]),) if isinstance(args[-1], array) else args
            end = getattr(rows_plain, name)(plain, *again)
            equal((getattr(source, name)(out, *args), out, args[-1]), (end, plain, again[-1]))
            return end
        return getattr(source, name)(out, *args)

    @staticmethod
    def put(out, *args):
        return rows._both("put", port_list, out, *args)

    @staticmethod
    def ports(out, *args):
        return rows._both("ports", port_list, out, *args)

    @staticmethod
    def rows(out, *args):
        return rows._both("rows", compiled, out, *args)


def record(address, port=443, local_port=40000, slot=NO_INTERFACE, at=0):
    raw = ip(address)
    r = bytearray(at + RECORD)
    r[at] = slot
    r[at + 1] = 4 if len(raw) == 4 else 6
    r[at + 2] = local_port >> 8
    r[at + 3] = local_port & 255
    r[at + 4] = port >> 8
    r[at + 5] = port & 255
    for i in range(len(raw)):
        r[at + 6 + i] = raw[i]
    return r


def remote(address, port=443, at=0):
    out = bytearray(b"#" * 48)
    size = rows.remote(out, record(address, port, at=at), at)
    equal(bytes(out[size:]), b"#" * (48 - size))  # nothing behind the end
    return bytes(out[:size]).decode()


def test_ipv4():
    for address in (
        "0.0.0.0", "255.255.255.255", "1.2.3.4", "10.0.0.1", "9.10.99.100", "100.101.110.199", "192.168.200.250",
    ):  # fmt: skip
        equal(remote(address), address + ":443")


def test_every_byte_of_an_ipv4_address():
    for n in range(256):
        equal(remote("%d.0.%d.1" % (n, n)), "%d.0.%d.1:443" % (n, n))


def test_ports():
    for port in (0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10000, 10001, 65535):
        equal(remote("1.2.3.4", port), "1.2.3.4:%d" % port)
        equal(remote("::1", port), "[::1]:%d" % port)


IPV6 = (
    ("0:0:0:0:0:0:0:0", "::"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("1:0:0:0:0:0:0:0", "1::"),
    ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
    ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),  # the first of equal runs
    ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),  # the longest run
    ("1:0:0:0:2:0:0:3", "1::2:0:0:3"),
    ("0:0:1:0:0:0:1:0", "0:0:1::1:0"),
    ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),  # one zero group stays
    ("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"),
    ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"),
    ("1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"),
    ("0:0:2:3:4:5:6:7", "::2:3:4:5:6:7"),
    ("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"),
    ("1:2:3:0:0:6:7:8", "1:2:3::6:7:8"),
    ("0:0:3:0:0:6:0:0", "::3:0:0:6:0:0"),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("abcd:ef01:2345:6789:0abc:00de:000f:1000", "abcd:ef01:2345:6789:abc:de:f:1000"),
    ("fe80:0:0:0:0200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf"),
    ("0:0:0:0:0:0:1:0", "::1:0"),
    ("0:0:0:0:0:ffff:c000:0280", "::ffff:c000:280"),
)


def test_ipv6_in_canonical_text():
    for address, expected in IPV6:
        equal(remote(address), "[%s]:443" % expected)


def test_every_pattern_of_zero_groups():
    # Against the rules themselves: the first longest run of two zero groups and more.
    for pattern in range(256):
        groups = ["0" if pattern >> i & 1 else "a" for i in range(8)]
        best = start = 0
        for length in range(8, 1, -1):
            for i in range(9 - length):
                if not best and groups[i : i + length] == ["0"] * length:
                    best = length
                    start = i
        if best:
            expected = ":".join(groups[:start]) + "::" + ":".join(groups[start + best :])
        else:
            expected = ":".join(groups)
        equal(remote(":".join(groups)), "[%s]:443" % expected)


def test_the_longest_text_fits_48_bytes():
    address = "ffff:" * 7 + "ffff"
    equal(len(remote(address, 65535)), 47)


def test_a_record_that_does_not_stand_first():
    equal(remote("192.0.2.1", 8883, at=66), "192.0.2.1:8883")
    equal(remote("2001:db8::1", 8883, at=22), "[2001:db8::1]:8883")


def generic(w, tag, address, local_port, name):
    w.map(1 + (local_port > 0) + (name is not None))
    w.text(tag[7])
    w.text(remote(address).encode())
    if local_port:  # 0: the platform does not know it
        w.text(tag[8])
        w.uint(local_port)
    if name is not None:
        w.text(tag[9])
        w.text(name)


NAMES = (None, b"eth0", b"a", b"br-lan", b"eth0.100", b"wlx00c0caabcdef", b'e"\\0')
PORTS = (0, 9, 10, 23, 24, 99, 100, 255, 256, 999, 1000, 9999, 10000, 65535)
ADDRESSES = (
    "1.2.3.4",
    "255.255.255.255",
    "::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8:aaa::1:1",
    "2001:db8:aaaa::1:1",
)  # the last two: 23 and 24 bytes of text


def pieces_of(cbor, name, port, tag_set="short"):
    """What is the same in all rows of a kind: before the remote address, between it and the local port, behind."""
    p = Pieces(cbor, tag_set)
    return p.rows[(port > 0) + (name is not None)], p.middles[port > 0], p.ends(0, name)[2]


def written(cbor, pieces, records, out, at, room, first, kept, n):
    """(the end, the state after it) of one call of rows.rows."""
    state = array("i", (first, kept, n))
    form = 0 if cbor else 1
    end = rows.rows(out, at, room, form, pieces[0], pieces[1], pieces[2], bytearray(48), records, state)
    return end, list(state)


def test_rows_are_the_generic_writers_bytes():
    for cbor in (True, False):
        Writer = microcbor.Writer if cbor else json_writer.Writer
        for tag_set in ("short", "long"):
            tag = tags.keys(tag_set)
            for name in NAMES:
                for port in PORTS:
                    pieces = pieces_of(cbor, name, port, tag_set)
                    for address in ADDRESSES:
                        w = Writer(bytearray(160))
                        generic(w, tag, address, port, name)
                        expected = bytes(w.result())
                        out = bytearray(b"#" * 200)
                        r = record(address, 443, port, at=22)
                        end, state = written(cbor, pieces, r, out, 7, 200, 1, 2, 1)
                        equal(bytes(out[7:end]), expected)
                        equal(bytes(out[:7]) + bytes(out[end:]), b"#" * (207 - end))
                        equal(state, [0, 2, 0])


def test_rows_of_one_interface_go_on_to_the_next():  # noqa: C901
    # Five records, the fourth of another interface; from any of them, around the end and to the start.
    records = bytearray()
    for i in range(5):
        records += record("192.0.2.%d" % i, 443, 1000 + i, 7 if i == 3 else 5)
    for cbor in (True, False):
        Writer = microcbor.Writer if cbor else json_writer.Writer
        pieces = pieces_of(cbor, b"eth0", 1)
        for first in range(5):
            for n in range(1, 6):
                chosen = [(first + i) % 5 for i in range(n)]
                run = 1
                while run < n and (chosen[run] == 3) == (chosen[0] == 3):
                    run += 1
                w = Writer(bytearray(400))
                w.array(n)
                for i in chosen[:run]:
                    generic(w, tags.keys("short"), "192.0.2.%d" % i, 1000 + i, b"eth0")
                if not cbor and run == n:
                    w.size -= 1  # the array's own bracket
                elif not cbor:
                    w.raw(b",")
                out = bytearray(400)
                end, state = written(cbor, pieces, records, out, 0, 400, first, 5, n)
                equal(bytes(out[:end]), bytes(w.result())[1:])
                equal(state, [(first + run) % 5, 5, n - run])


def test_rows_with_and_without_a_local_port_are_two_kinds():
    records = record("192.0.2.1", 443, 0, 5) + record("192.0.2.2", 443, 0, 5) + record("192.0.2.3", 443, 1000, 5)
    for cbor in (True, False):
        out = bytearray(400)
        at, state = written(cbor, pieces_of(cbor, b"eth0", 0), records, out, 0, 400, 0, 3, 3)
        equal(state, [2, 3, 1])
        at = written(cbor, pieces_of(cbor, b"eth0", 1), records, out, at, 400, 2, 3, 1)[0]
        Writer = microcbor.Writer if cbor else json_writer.Writer
        w = Writer(bytearray(400))
        w.array(3)
        start = w.size
        for address, port in (("192.0.2.1", 0), ("192.0.2.2", 0), ("192.0.2.3", 1000)):
            generic(w, tags.keys("short"), address, port, b"eth0")
        expected = bytes(w.result())[start:]
        equal(bytes(out[:at]), expected if cbor else expected[:-1])


def test_rows_without_room_are_counted_and_not_written():
    records = record("1.2.3.4", 443, 40000) + record("ffff:" * 7 + "ffff", 443, 1) + record("1.2.3.4", 443, 1)
    for cbor in (True, False):
        pieces = pieces_of(cbor, b"eth0", 1)
        whole = bytearray(400)
        size, _ = written(cbor, pieces, records, whole, 0, 400, 0, 3, 3)
        for room in range(size + 1):
            out = bytearray(b"#" * 400)
            end, state = written(cbor, pieces, records, out, 0, room, 0, 3, 3)
            equal((end, state), (size, [0, 3, 0]))
            equal(bytes(out[room:]), b"#" * (400 - room))
            done = 0
            while done < room and out[done] == whole[done]:
                done += 1
            equal(bytes(out[done:room]), b"#" * (room - done))  # nothing of a row that is not whole
        equal(done, size)  # and all of one that just fits


NUMBERS = (0, 9, 10, 23, 24, 99, 100, 255, 256, 65535, 65536, 999999999, 1000000000, 0x3FFFFFFF)


def test_a_piece_and_a_number_are_the_generic_writers_bytes():
    for form, Writer in ((0, microcbor.Writer), (1, json_writer.Writer)):
        for n in NUMBERS:
            w = Writer(bytearray(16))
            w.uint(n)
            expected = b"piece" + bytes(w.result())
            for room in range(20):
                out = bytearray(b"#" * 20)
                equal(rows.put(out, 2, room, form, b"piece", n), 2 + len(expected))
                fits = expected if 2 + len(expected) <= room else b""
                equal(bytes(out), (b"##" + fits + b"#" * 18)[:20])
    for n in (0, 23, 24, 50, 256):
        w = microcbor.Writer(bytearray(16))
        w.array(n)
        out = bytearray(8)
        end = rows.put(out, 0, 8, 0x80, b"", n)
        equal(bytes(out[:end]), bytes(w.result()))


def test_listening_ports_of_one_interface_are_the_generic_writers_bytes():
    # The third is of another interface; in every room.
    keys = array("i", (22 << 8 | 7, 443 << 8 | 7, 5353 << 8 | NO_INTERFACE, 65535 << 8 | 7))
    for form, Writer in ((0, microcbor.Writer), (1, json_writer.Writer)):
        p = Pieces(form == 0, "short")
        w = Writer(bytearray(100))
        w.array(4)
        begin = w.size
        for port, name in ((22, b"eth0"), (443, b"eth0"), (5353, None), (65535, b"eth0")):
            w.map(1 + (name is not None))
            w.text(b"pt")
            w.uint(port)
            if name is not None:
                w.text(b"if")
                w.text(name)
        expected = bytes(w.result())[begin:]
        expected = expected if form == 0 else expected[:-1]
        for room in range(101):
            out = bytearray(b"#" * 100)
            state = array("i", (0, 0, 4))
            at = 0
            for name, done in ((b"eth0", 2), (None, 3), (b"eth0", 4)):
                at = rows.ports(out, at, room, form, p.ports[name is not None], p.ends(7, name)[1], keys, state)
                equal((state[0], state[2]), (done, 4 - done))
            equal(at, len(expected))
            equal(bytes(out[room:]), b"#" * (100 - room))
            if room >= at:
                equal(bytes(out[:at]), expected)


def test_a_name_that_json_writes_six_times_as_long():
    text = Pieces(False, "long").ends(0, b"\x01" * 15)[2]
    equal(text.decode(), ',"local_interface":"' + "\\u0001" * 15 + '"}')
