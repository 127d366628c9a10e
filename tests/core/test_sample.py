"""Differences of counters, the port table and the reservoir."""

import random
from array import array
from check import equal
from linkpulse.collect.linux import proc_scan
from linkpulse.collect.linux.proc_lines import HEXA, ORDER
from linkpulse.sample.counters import BYTES_IN, BYTES_OUT, PACKETS_IN, PACKETS_OUT, Counters
from linkpulse.sample.names import NO_INTERFACE, Names
from linkpulse.sample.ports import PortTable
from linkpulse.sample.sockets import RECORD, SocketTable
import proc_root


def put(c, name, *totals):
    """One interface at (bytes in, packets in, bytes out, packets out); those not given are the first."""
    values = array("i")
    for which in range(4):
        n = totals[min(which, len(totals) - 1)]
        values.append(n & 0xFFFFFF)
        values.append(n >> 24 & 0x3FFFFFFF)
    raw = b"__" + name.encode() + b"__"
    return c.put(raw, 2, len(raw) - 2, values)


def sample(c, **interfaces):
    c.begin()
    for name in interfaces:
        totals = interfaces[name]
        put(c, name, *(totals if isinstance(totals, tuple) else (totals,)))
    return c.difference(BYTES_IN) if c.available() else None


def test_the_first_sample_has_no_difference():
    c = Counters()
    assert not c.available()
    equal(sample(c, eth0=5000), None)
    equal(sample(c, eth0=5100), 100)


def test_counters_that_begin_with_the_process_have_one():
    c = Counters(from_start=True)
    equal(sample(c, eth0=5000), 5000)
    c.commit()
    equal(sample(c, eth0=5001), 1)
    equal(sample(c, eth0=5001, wlan0=7), 8)  # a new one began after it


def test_each_of_the_four():
    c = Counters()
    sample(c, eth0=(1000, 10, 2000, 20), wlan0=(5, 6, 7, 8))
    sample(c, eth0=(1100, 11, 2300, 24), wlan0=(10, 16, 27, 48))
    equal([c.difference(i) for i in (BYTES_IN, PACKETS_IN, BYTES_OUT, PACKETS_OUT)], [105, 11, 320, 44])


def test_the_baseline_moves_only_on_commit():
    c = Counters()
    sample(c, eth0=100)
    equal(sample(c, eth0=150), 50)
    equal(sample(c, eth0=175), 75)  # the report in between was lost
    c.commit()
    equal(c.difference(BYTES_IN), 0)
    equal(sample(c, eth0=180), 5)


def test_a_commit_is_of_every_interface():
    c = Counters()
    sample(c, eth0=100, wlan0=1000, ppp0=5000)
    equal(sample(c, eth0=101, wlan0=1010, ppp0=5100), 111)
    c.commit()
    equal([c.difference(i) for i in range(4)], [0, 0, 0, 0])
    stored = [(name, list(values)) for name, values in c.baseline()]
    equal([(name, values[0]) for name, values in sorted(stored)], [(b"eth0", 101), (b"ppp0", 5100), (b"wlan0", 1010)])
    c = Counters()
    for name, values in stored:
        c.restore(name, values)
    equal(sample(c, eth0=102, wlan0=1012, ppp0=5104), 7)


def test_nothing_moved_is_zero_and_available():
    c = Counters()
    sample(c, eth0=100)
    equal(sample(c, eth0=100), 0)
    assert c.available()


def test_a_machine_without_interfaces():
    c = Counters()
    equal(sample(c), None)
    equal(sample(c), 0)
    c.commit()


def test_a_reset_leaves_that_interface_out_once():
    c = Counters()
    sample(c, eth0=10**9, wlan0=100)
    equal(sample(c, eth0=500, wlan0=130), 30)
    equal(c.resets, 1)
    equal(sample(c, eth0=700, wlan0=130), 230)
    equal(c.resets, 1)


def test_a_reset_of_one_counter_leaves_all_four_out():
    c = Counters()
    sample(c, eth0=(1000, 10, 2000, 20))
    sample(c, eth0=(1100, 11, 2100, 5))
    equal([c.difference(i) for i in range(4)], [0, 0, 0, 0])


def test_no_difference_is_ever_negative():
    for width in (32, 64):
        for before in (1, 255, 1 << 24, (1 << 31) + 5, (1 << 32) - 1):
            for after in (0, 1, 1 << 23, 1 << 24, (1 << 31) + 4, (1 << 32) - 1):
                c = Counters(width)
                sample(c, eth0=before)
                assert sample(c, eth0=after) >= 0, (width, before, after)


def test_a_wrap_at_32_bits():
    c = Counters(32)
    sample(c, eth0=0xFFFFFF00)
    equal(sample(c, eth0=0x80), 0x180)
    equal(c.resets, 0)
    c.commit()
    equal(sample(c, eth0=0x81), 1)


def test_a_wrap_that_cannot_be_one_is_a_reset():
    c = Counters(32)
    sample(c, eth0=0x01000000)
    equal(sample(c, eth0=5), 0)  # as a wrap it would be nearly 2**32
    equal(c.resets, 1)
    c = Counters(32)
    sample(c, eth0=0x90000000)
    equal(sample(c, eth0=0x0FFFFFFF), 0x7FFFFFFF)  # just under half
    equal(sample(c, eth0=0x10000000), 0)
    equal(c.resets, 1)


def test_a_driver_that_counts_32_bits_on_a_platform_of_64():
    # One counter after the other wraps; a packet counter that went back as well is a reset.
    c = Counters(64)
    sample(c, eth0=(0xFFFFFF00, 5000, 0xFFFFF000, 5000))
    sample(c, eth0=(0x80, 5001, 0xFFFFF001, 5001))
    equal([c.difference(i) for i in range(4)], [0x180, 1, 1, 1])
    c.commit()
    sample(c, eth0=(0x81, 5002, 0x10, 5002))
    equal(([c.difference(i) for i in range(4)], c.resets), ([1, 1, 0x100F, 1], 0))
    c.commit()
    equal((sample(c, eth0=(0x90, 3, 0x20, 3)), c.resets), (0, 1))
    c = Counters(64)
    sample(c, eth0=(0xFFFFFF00, 5000, 0, 0))
    equal((sample(c, eth0=(0x80, 20, 0, 0)), c.resets), (0, 1))
    c = Counters(64)
    sample(c, eth0=(1 << 32, 5000, 0, 0))  # has counted further than 32 bits
    equal((sample(c, eth0=(0x80, 5001, 0, 0)), c.resets), (0, 1))


def test_differences_over_32_bits():
    c = Counters(64)
    sample(c, eth0=5)
    equal(sample(c, eth0=5 + (1 << 40)), 1 << 40)
    c.commit()
    equal(sample(c, eth0=5 + (1 << 40) + 0xFFFFFFFFF), 0xFFFFFFFFF)


def test_borrowing_from_the_high_part():
    c = Counters(64)
    sample(c, eth0=(1 << 24) - 1)
    equal(sample(c, eth0=1 << 24), 1)
    sample(c, eth0=(1 << 33) + 3)
    c.commit()
    equal(sample(c, eth0=(1 << 34) + 2), (1 << 33) - 1)


def test_a_wrap_at_64_bits():
    # Kept modulo 2**54, which divides 2**64.
    c = Counters(64)
    sample(c, eth0=(1 << 64) - 1000)
    equal(sample(c, eth0=500), 1500)
    equal(c.resets, 0)


def test_an_interface_that_appears_makes_no_spike():
    c = Counters()
    sample(c, eth0=100)
    equal(sample(c, eth0=110, ppp0=10**12), 10)
    equal(sample(c, eth0=120, ppp0=10**12 + 7), 27)


def test_an_interface_that_disappears_makes_no_negative():
    c = Counters()
    sample(c, eth0=100, ppp0=10**6)
    equal(sample(c, eth0=110), 10)
    c.commit()
    equal(sample(c, eth0=111), 1)


def test_an_interface_that_comes_back_starts_again():
    for away in (1, 2, 3):
        c = Counters()
        sample(c, eth0=100, ppp0=1000)
        for _ in range(away):
            sample(c, eth0=100)
        equal((away, sample(c, eth0=100, ppp0=10**9)), (away, 0))
        equal(sample(c, eth0=100, ppp0=10**9 + 3), 3)


def test_every_interface_that_is_not_counted_whole_is_a_gap():
    c = Counters()
    gaps = []
    for interfaces in (
        {"eth0": 1, "ppp0": 1000}, {"eth0": 2, "ppp0": 2000}, {"eth0": 3}, {"eth0": 4}, {"eth0": 5, "ppp0": 7},
        {"eth0": 6, "ppp0": 1}, {"eth0": 7, "ppp0": 2},
    ):  # fmt: skip
        sample(c, **interfaces)
        c.end()
        gaps.append(c.gaps)
    equal(gaps, [0, 0, 1, 1, 2, 3, 3])
    c.begin()
    c.missing()  # a sample that came to nothing is no gap
    c.end()
    sample(c, eth0=8, ppp0=3)
    c.end()
    equal(c.gaps, 3)
    c = Counters(from_start=True)
    sample(c, eth0=5)
    equal(c.gaps, 0)


def test_an_interface_away_keeps_the_others_baseline():
    c = Counters()
    sample(c, eth0=100, ppp0=1000)
    sample(c, eth0=100)
    c.commit()
    equal(sample(c, eth0=150, ppp0=1), 50)


def test_counters_that_cannot_be_read():
    c = Counters()
    sample(c, eth0=100)
    c.missing()
    assert not c.available()
    c.commit()  # of a report without them: nothing moves
    equal(sample(c, eth0=150), 50)


def test_more_interfaces_than_there_are_slots():
    c = Counters()
    c.begin()
    found = [put(c, "if%d" % i, 100) for i in range(256)]
    equal(found, [True] * 250 + [False] * 6)
    c.begin()
    for i in range(256):
        put(c, "if%d" % i, 101)
    equal(c.difference(BYTES_IN), 250)


def test_slots_are_used_again_for_new_names():
    c = Counters()
    for turn in range(10):
        c.begin()
        put(c, "eth0", 100 + turn)
        for i in range(20):
            assert put(c, "veth%d_%d" % (turn, i), 10**6 * turn + 5), turn
        if turn:
            equal(c.difference(BYTES_IN), turn)  # what is new starts from where it stands


def find(names, name):
    return names.find(name, 0, len(name))


def test_names_keep_their_slot_while_they_are_seen():
    names = Names()
    names.begin()
    equal([find(names, b"eth0"), find(names, b"eth01"), find(names, b"eth"), find(names, b"eth0")], [0, 1, 2, 0])
    equal((names.name(1), names.name(NO_INTERFACE)), (b"eth01", None))
    names.begin()
    equal(find(names, b"eth"), 2)
    assert names.seen(2) and not names.seen(0)


def test_a_full_table_of_names():
    names = Names()
    names.begin()
    for i in range(250):
        equal(find(names, b"a%d" % i), i)
    equal(find(names, b"b"), NO_INTERFACE)
    names.begin()
    equal(find(names, b"b"), NO_INTERFACE)  # those of the sample before may be spoken of still
    names.begin()
    equal(find(names, b"b"), 0)


def entries(table):
    return [(table.port(i), table.slot(i)) for i in range(table.kept)]


def test_ports_are_sorted_and_each_once():
    t = PortTable(8)
    for port, slot in (
        (443, 1),
        (22, 0),
        (443, 0),
        (22, 0),
        (443, 1),
        (65535, NO_INTERFACE),
        (1, 2),
        (22, NO_INTERFACE),
    ):
        t.add(port, slot)
    equal(entries(t), [(1, 2), (22, 0), (22, NO_INTERFACE), (443, 0), (443, 1), (65535, NO_INTERFACE)])
    assert not t.more
    t.begin()
    equal(entries(t), [])


def test_a_full_port_table_keeps_the_lowest():
    for step in (1, 7, 11):  # 20 is prime to these: every order
        t = PortTable(5)
        for i in range(20):
            t.add(100 + i * step % 20, 0)
        equal([port for port, _ in entries(t)], [100, 101, 102, 103, 104])
        assert t.more


def test_a_table_that_is_just_full_has_no_more():
    t = PortTable(3)
    for port in (3, 1, 2, 2, 1, 3):
        t.add(port, 0)
    assert not t.more and t.kept == 3
    t.add(3, 1)
    assert t.more


def test_passes_find_every_port_once():
    total = 0
    first = t = PortTable(7)
    seen = []
    tables = []
    while t is not None:
        for i in range(50):
            t.add(1 + i * 13 % 50, 3)
            t.add(1 + i, 3)
        seen += entries(t)
        total += t.kept
        tables.append(t)
        t = t.rest(first)
    equal((seen, total), ([(1 + i, 3) for i in range(50)], 50))
    assert len(tables) == 8 and all([t is tables[1] for t in tables[1:]])


def scanned(sockets, text):
    """The connections of a text of rows, as proc_scan.rows puts them into the table."""
    sockets.reserve()
    state = array("i", (0, 8, 10, 1, ORDER, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0))
    address = bytearray(18)
    address[1] = 4
    address[2:6] = b"\xc0\x00\x02\x01"
    event = proc_scan.rows(text, len(text), state, HEXA, bytearray(36), address, sockets.records, sockets.state)
    equal((event, state[7]), (0, 0))


def local_port(sockets, i):
    return sockets.records[i * RECORD + 2] << 8 | sockets.records[i * RECORD + 3]


def test_records_grow_with_the_connections_and_keep_their_memory():
    sockets = SocketTable(3)
    lengths = []
    for n in (0, 2, 1, 8):
        sockets.begin()
        for i in range(n):
            sockets.add(0, 4, i, 443, b"\xc0\x00\x02\x01", 0)
        lengths.append(len(sockets.records) // RECORD)
    equal((lengths, sockets.connections, sockets.kept), ([0, 2, 2, 3], 8, 3))
    sockets.reserve()
    equal(len(sockets.records), 3 * RECORD)


def test_the_reservoir_keeps_all_up_to_its_capacity():
    for n in (0, 1, 9, 10):
        sockets = SocketTable(10)
        sockets.begin()
        rows = [proc_root.row("192.0.2.1", i, "198.51.100.1", 443, 1) for i in range(n)]
        scanned(sockets, ("\n".join(rows) + "\n").encode() if rows else b"")
        equal((sockets.connections, sockets.kept), (n, n))
        equal([local_port(sockets, i) for i in range(n)], list(range(n)))


def test_a_reservoir_of_none():
    sockets = SocketTable(0)
    sockets.begin()
    scanned(sockets, (proc_root.row("192.0.2.1", 1, "198.51.100.1", 443, 1) + "\n").encode() * 5)
    equal((sockets.connections, sockets.kept, len(sockets.records)), (5, 0, 0))


def test_the_reservoir_is_uniform():
    # 40 connections into 10 places, 1,600 times: each comes about 400 times, with a standard deviation of 17.3; the
    # seeds are fixed, so the bound either holds always or never.
    text = "".join([proc_root.row("192.0.2.1", i, "198.51.100.1", 443, 1) + "\n" for i in range(40)]).encode()
    times = [0] * 40
    sockets = SocketTable(10)
    sockets.state[2] = 12345
    sockets.state[3] = 23456
    for _ in range(1600):
        sockets.begin()
        scanned(sockets, text)
        equal(sockets.connections, 40)
        ports = set()
        for i in range(10):
            ports.add(local_port(sockets, i))
        equal(len(ports), 10)  # nothing twice
        for port in ports:
            times[port] += 1
    chi = 0
    for n in times:
        chi += (n - 400) * (n - 400) / 300.0
    assert 10 < chi < 80, (chi, times)  # 39 degrees of freedom: 1e-4 on either side
    assert min(times) > 320 and max(times) < 480, times


def added(sockets, text):
    for i in range(8):
        sockets.add(0, 4, i, 443, b"\xc0\x00\x02\x01", 0)


def test_every_draw_is_fair_from_the_first():
    # A reservoir of one: each of eight connections stays 50 times of 400. The seed is fixed, as above.
    random.seed(11)
    text = "".join([proc_root.row("192.0.2.1", i, "198.51.100.1", 443, 1) + "\n" for i in range(8)]).encode()
    for put in (scanned, added):
        for fresh in (True, False):
            times = [0] * 8
            for i in range(400):
                if fresh or i == 0:
                    sockets = SocketTable(1, 1)
                sockets.begin()
                put(sockets, text)
                times[local_port(sockets, 0)] += 1
            chi = sum([(n - 50) * (n - 50) / 50.0 for n in times])
            assert chi < 40, (fresh, chi, times)  # 7 degrees of freedom: 1e-6


def test_every_seed_gives_a_usable_generator():
    seen = set()
    for _ in range(50):
        state = SocketTable(1).state
        equal((state[0], state[1]), (0, 1))
        assert 0 < state[2] < (16275 << 16) - 1 and 0 < state[3] < (15963 << 16) - 1
        seen.add((state[2], state[3]))
    assert len(seen) > 40


def test_names_that_cannot_be_names_are_no_interface():
    names = Names()
    names.begin()
    for bad in (b"", b"a" * 16, b"a" * 300, b"\xff\xfe"):
        equal(names.find(bad, 0, len(bad)), NO_INTERFACE)
    equal(names.find(b"a" * 15, 0, 15), 0)
    equal(names.find("ö".encode(), 0, 2), 1)
