"""The loops over the kernel's text: rows of every malformed kind, both byte orders, and numbers."""

from array import array
from check import equal
from proc_root import CLOSE, ESTABLISHED, LISTEN, ip, row, udp
from linkpulse.collect.linux import proc_scan
from linkpulse.collect.linux.proc_lines import HEXA, ORDER
from linkpulse.sample.sockets import RECORD, SocketTable

POS, DIGITS, LISTENS, CONNECTS, ORDERS, LOOPBACK, KNOWN, SKIPPED, PORT, SLOT, HINT = range(11)
DONE, LISTENING = range(2)  # see collect/layout.py
OWN = ("192.0.2.1", "10.0.0.1", "fd00::1")


class Scan:
    """scan.rows over a text until it is done, with a small address table."""

    def __init__(self, digits=8, listens=10, connects=1, loopback=0, order=ORDER, room=50, own=OWN):
        self.state = array("i", (0, digits, listens, connects, order, loopback, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        self.addresses = bytearray(18 * 8)
        for i in range(len(own)):
            self.know(i, ip(own[i]))
        self.sockets = SocketTable(room)
        self.sockets.reserve()
        self.raw = bytearray(36)
        self.listening = []
        self.unknown = []

    def know(self, slot, address):
        at = self.state[KNOWN] * 18
        self.state[KNOWN] += 1
        self.addresses[at] = slot
        self.addresses[at + 1] = 4 if len(address) == 4 else 6
        for i in range(len(address)):
            self.addresses[at + 2 + i] = address[i]

    def text(self, text, start=0, end=None):
        end = len(text) if end is None else end
        self.state[POS] = start
        while True:
            event = proc_scan.rows(
                text, end, self.state, HEXA, self.raw, self.addresses, self.sockets.records, self.sockets.state
            )
            if event == DONE:
                equal(self.state[POS], end)
                return self
            if event == LISTENING:
                self.listening.append((self.state[PORT], self.state[SLOT]))
            else:
                address = bytes(self.raw[: 4 if self.state[SLOT] == 4 else 16])
                self.unknown.append(address)
                self.know(255, address)

    def rows(self, *rows):
        return self.text("".join([line + "\n" for line in rows]).encode())

    @property
    def skipped(self):
        return self.state[SKIPPED]

    @property
    def connections(self):
        """[(slot, family, local port, remote port, remote address)]"""
        found = []
        for i in range(self.sockets.kept):
            r = self.sockets.records[i * RECORD : (i + 1) * RECORD]
            found.append((r[0], r[1], r[2] << 8 | r[3], r[4] << 8 | r[5], bytes(r[6 : 10 if r[1] == 4 else 22])))
        return found


LISTENER = row("0.0.0.0", 22)
CONNECTION = row("192.0.2.1", 40000, "198.51.100.7", 8883, ESTABLISHED)
CONNECTED = (0, 4, 40000, 8883, b"\xc6\x33\x64\x07")


def test_a_listener_and_a_connection():
    s = Scan().rows(LISTENER, CONNECTION, row("10.0.0.1", 80))
    equal((s.listening, s.connections, s.skipped), ([(22, 255), (80, 1)], [CONNECTED], 0))


def test_no_rows():
    s = Scan().text(b"")
    equal((s.listening, s.connections, s.skipped), ([], [], 0))


def test_other_states_are_neither():
    s = Scan()
    for state in range(12):
        if state not in (ESTABLISHED, LISTEN):
            s.rows(row("192.0.2.1", 1, "198.51.100.7", 2, state))
    equal((s.listening, s.connections, s.skipped), ([], [], 0))


def test_udp_listens_when_it_is_not_connected():
    s = Scan(listens=7, connects=256)
    s.rows(udp("0.0.0.0", 68), udp("192.0.2.1", 123), udp("192.0.2.1", 5353, "198.51.100.7", 53, ESTABLISHED))
    equal((s.listening, s.connections, s.skipped), ([(68, 255), (123, 0)], [], 0))


def test_ports_at_their_extremes():
    s = Scan().rows(row("0.0.0.0", 1), row("0.0.0.0", 65535), row("192.0.2.1", 65535, "255.255.255.255", 65535, 1))
    equal(s.listening, [(1, 255), (65535, 255)])
    equal(s.connections, [(0, 4, 65535, 65535, b"\xff\xff\xff\xff")])


def test_ipv6():
    s = Scan(digits=32)
    s.rows(row("::", 22), row("fd00::1", 80), row("fd00::1", 40000, "2001:db8::abcd:1", 443, ESTABLISHED))
    equal(s.listening, [(22, 255), (80, 2)])
    equal(s.connections, [(2, 6, 40000, 443, ip("2001:db8::abcd:1"))])


def test_ipv4_in_ipv6_clothes_is_ipv4():
    mapped = "0:0:0:0:0:ffff:c000:201"  # 192.0.2.1
    s = Scan(digits=32)
    s.rows(row(mapped, 40000, "::ffff:c633:6407", 8883, ESTABLISHED), row(mapped, 80), row("::ffff:0:0", 81))
    equal((s.connections, s.listening, s.skipped), ([CONNECTED], [(80, 0), (81, 255)], 0))


def test_what_only_looks_like_it_stays_ipv6():
    for address in ("::fffe:c000:201", "::1:ffff:c000:201", "1::ffff:c000:201", "::c000:201"):
        s = Scan(digits=32).rows(row(address, 80))
        equal(s.unknown, [ip(address)])


def test_loopback_is_left_out_unless_asked_for():
    v4 = (row("127.0.0.1", 25), row("127.5.0.53", 53), row("127.0.0.1", 9, "127.0.0.1", 10, ESTABLISHED))
    v6 = (row("::1", 25), row("::ffff:7f00:1", 26), row("::1", 9, "::1", 10, ESTABLISHED))
    for digits, lines in ((8, v4), (32, v6)):
        s = Scan(digits).rows(*lines)
        equal((s.listening, s.connections, s.unknown, s.skipped), ([], [], [], 0))
        s = Scan(digits, loopback=1).rows(*lines)
        equal((len(s.listening), len(s.connections), len(s.unknown)), (2, 1, 2))


def test_a_wildcard_is_not_loopback_and_has_no_interface():
    s = Scan(digits=32).rows(row("::", 1), row("::ffff:0:0", 2))
    equal((s.listening, s.unknown), ([(1, 255), (2, 255)], []))


def test_addresses_of_an_interface_that_is_left_out():
    s = Scan()
    s.know(254, ip("172.17.0.1"))
    s.rows(row("172.17.0.1", 53), row("172.17.0.1", 53, "172.17.0.2", 99, ESTABLISHED), LISTENER)
    equal((s.listening, s.connections, s.skipped), ([(22, 255)], [], 0))


def test_an_unknown_address_is_asked_for_once():
    s = Scan()
    s.rows(row("203.0.113.9", 80), row("203.0.113.9", 81), row("203.0.113.9", 5, "198.51.100.7", 6, ESTABLISHED))
    equal(s.unknown, [ip("203.0.113.9")])
    equal((s.listening, s.connections), ([(80, 255), (81, 255)], [(255, 4, 5, 6, b"\xc6\x33\x64\x07")]))


def test_an_address_of_the_other_family_is_another():
    s = Scan(own=("192.0.2.1",))
    s.addresses[1] = 6
    s.rows(row("192.0.2.1", 80))
    equal(s.unknown, [ip("192.0.2.1")])


def malformed(good, wide):
    """(what, row) of every kind; none of it may be taken for a row, or have a good one near it lost."""
    colon = good.index(":")
    rest = good[colon + 2 :]
    kinds = [("cut after %d" % n, good[:n]) for n in range(colon + 2 + wide)]
    for i in range(wide):
        if rest[i] in ":  ":
            kinds.append(("%d is no separator" % i, good[: colon + 2 + i] + "0" + good[colon + 3 + i :]))
        kinds.append(("%d is no hex" % i, good[: colon + 2 + i] + "G" + good[colon + 3 + i :]))
        kinds.append(("%d is binary" % i, good[: colon + 2 + i] + "\x01" + good[colon + 3 + i :]))
    kinds += [
        ("only blanks", " " * 149), ("only colons", ":" * 149), ("only digits", "1" * 149), ("a word", "hello"),
        ("no number", rest), ("a column more in front", "   0: x " + rest), ("shifted", "   0:  " + rest),
        ("no colon", good.replace(": ", "  ", 1)), ("a minus", "  -1: " + rest), ("huge", "A" * 5000),
    ]  # fmt: skip
    return kinds


def check_malformed(good, digits, found):
    # What counts ends with the state; what the kernel prints behind it is not read.
    wide = 2 * digits + 14
    for what, line in malformed(good, wide):
        s = Scan(digits).rows(good, line, good)
        equal((what, len(getattr(s, found)), s.skipped), (what, 2, 1))


def test_every_malformed_row_is_skipped_and_counted():
    check_malformed(LISTENER, 8, "listening")
    check_malformed(CONNECTION, 8, "connections")


def test_every_malformed_row_of_ipv6():
    check_malformed(row("::", 22), 32, "listening")
    check_malformed(row("fd00::1", 40000, "2001:db8::1", 8883, ESTABLISHED), 32, "connections")


def test_an_empty_line():
    s = Scan().rows(LISTENER, "", LISTENER)
    equal((s.listening, s.skipped), ([(22, 255)] * 2, 1))


def test_rows_of_the_other_family():
    s = Scan(8).rows(row("fd00::1", 22), LISTENER)
    equal((s.listening, s.connections, s.skipped), ([(22, 255)], [], 1))
    s = Scan(32).rows(LISTENER, row("::", 22))
    equal((s.listening, s.connections, s.skipped), ([(22, 255)], [], 1))


def test_columns_behind_the_state_do_not_matter():
    base = LISTENER[: LISTENER.index(" 0A ") + 4]
    s = Scan().rows(base, base + "0 " * 300, base + "\xff")
    equal((s.listening, s.skipped), ([(22, 255)] * 3, 0))


def test_lower_case_hex():
    s = Scan().rows(row("192.0.2.1", 0xABCD, "198.51.100.7", 8883, ESTABLISHED).lower())
    equal(s.connections[0][2], 0xABCD)


def test_a_large_row_number():
    s = Scan().rows(row("0.0.0.0", 22, sl=9999999))
    equal((s.listening, s.skipped), ([(22, 255)], 0))


def test_state_00_is_no_connection_of_udp():
    s = Scan(listens=CLOSE, connects=256).rows(udp("192.0.2.1", 1, "198.51.100.7", 2, 0))
    equal((s.listening, s.connections, s.sockets.connections), ([], [], 0))


def test_both_byte_orders():
    # The same address as a little-endian and as a big-endian host prints it.
    tail = " 00000000:0000 0A 00000000:00000000 00:00000000 00000000"
    s = Scan(order=3).rows("   0: 010200C0:0016" + tail)
    equal((s.listening, s.skipped), ([(22, 0)], 0))
    s = Scan(order=0).rows("   0: C0000201:0016" + tail)
    equal((s.listening, s.skipped), ([(22, 0)], 0))
    s = Scan(order=0).rows("   0: C0000201:0016 C6336407:22B3 01 0")
    equal(s.connections, [(0, 4, 22, 8883, b"\xc6\x33\x64\x07")])
    s = Scan(32, order=0).rows("   0: FD000000000000000000000000000001:0016 " + "0" * 32 + ":0000 0A 0")
    equal(s.listening, [(22, 2)])


def test_only_the_range_given_is_read():
    text = (LISTENER + "\n" + CONNECTION + "\n" + LISTENER + "\n").encode()
    first = len(LISTENER) + 1
    s = Scan().text(text, first, first + len(CONNECTION) + 1)
    equal((s.listening, s.connections), ([], [CONNECTED]))


def test_find_and_rfind():
    text = b"ab\ncd\nef"
    equal([proc_scan.find(text, i, 8, 10) for i in range(9)], [2, 2, 2, 5, 5, 5, 8, 8, 8])
    equal([proc_scan.rfind(text, 0, i, 10) for i in range(9)], [0, 0, 0, 3, 3, 3, 6, 6, 6])
    equal((proc_scan.find(text, 0, 2, 10), proc_scan.rfind(text, 3, 5, 10)), (2, 3))


def test_move_in_both_directions():
    for start, end, to in ((2, 6, 4), (4, 8, 2), (3, 3, 0), (0, 9, 0), (0, 4, 5)):
        buf = bytearray(b"012345678")
        expected = bytearray(buf)
        expected[to : to + end - start] = buf[start:end]
        proc_scan.move(buf, start, end, to)
        equal(bytes(buf), bytes(expected))


def columns(*fields):
    """The counters of a line of /proc/net/dev as numbers, None for a line that is refused."""
    text = "eth0: " + " ".join(fields)
    values = array("i", (-1,) * 8)
    if not proc_scan.columns(text.encode(), 5, len(text), values):
        return None
    return [values[i + 1] << 24 | values[i] for i in range(0, 8, 2)]


def test_counters_of_every_size():
    for bits in (0, 3, 24, 30, 32, 54, 64):
        for n in ((1 << bits) - 1, 1 << bits):
            k = n % (1 << 54)
            equal(columns("%d" % n, "  7", *"123456", "%d" % n, "9", "1", "2"), [k, 7, k, 9])


def test_lines_without_all_counters():
    good = ["1"] * 10
    equal(columns(*good), [1, 1, 1, 1])
    for bad in ("", "x", "-1", "\t1", "12x"):
        for i in range(10):
            if i < 9 or bad != "12x":  # what follows the last one is not looked at
                equal(columns(*good[:i] + [bad] + good[i + 1 :]), None)
    for n in range(10):
        equal(columns(*good[:n]), None)
    equal(columns("00012", *good[1:])[0], 12)
    assert 0 <= columns("9" * 300, *good[1:])[0] < 1 << 54  # nonsense, but within its bounds


def test_unhex():
    out = bytearray(8)
    equal(proc_scan.unhex(b"_0102aBcD", 1, 8, HEXA, out, 2, 0), 0)
    equal(bytes(out), b"\0\0\x01\x02\xab\xcd\0\0")
    equal(proc_scan.unhex(b"0102abcd", 0, 8, HEXA, out, 0, 3), 0)
    equal(bytes(out[:4]), b"\xcd\xab\x02\x01")
    for i in range(8):
        text = bytearray(b"01234567")
        for bad in b"gG /:@`\x00\xff":
            text[i] = bad
            assert proc_scan.unhex(text, 0, 8, HEXA, out, 0, 0)
