"""The Linux collector over whole proc roots, with the situations of AWS's C agent."""

import errno
from check import equal
from proc_root import (
    DEV, ESTABLISHED, TCP, TCP6, UDP, Pieces, collect, collector, connections, dev, inet6, ports, route, row,
    table, trie, udp, usual,
)  # fmt: skip
from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable

TCP_ROWS = (
    row("0.0.0.0", 22), row("127.0.0.1", 631), row("192.0.2.1", 80),
    row("192.0.2.1", 40000, "198.51.100.7", 8883, ESTABLISHED), row("192.0.2.1", 40001, "198.51.100.8", 443, 6),
    row("127.0.0.1", 40002, "127.0.0.1", 631, ESTABLISHED),
)  # fmt: skip
TCP6_ROWS = (
    row("::", 22), row("::1", 631), row("fd00::1", 80), row("::", 8080),
    row("fd00::1", 40000, "2001:db8::7", 8883, ESTABLISHED),
    row("::ffff:c000:201", 80, "::ffff:c633:6409", 50000, ESTABLISHED),
)  # fmt: skip
UDP_ROWS = (
    udp("0.0.0.0", 68), udp("127.0.0.53", 53), udp("192.0.2.1", 123),
    udp("192.0.2.1", 5000, "192.0.2.9", 53, ESTABLISHED),
)  # fmt: skip
UDP6_ROWS = (udp("::", 5353), udp("fd00::1", 546), udp("fd00::1", 5001, "2001:db8::1", 53, ESTABLISHED))


def machine(**files):
    return usual(
        tcp=table(TCP, TCP_ROWS), tcp6=table(TCP6, TCP6_ROWS), udp=table(UDP, UDP_ROWS, 127),
        udp6=table(UDP, UDP6_ROWS, 127), **files
    )  # fmt: skip


def test_a_usual_machine():
    c, s = collect(machine())
    assert s.tcp_read and s.udp_read
    equal(ports(s, s.tcp_ports), [(22, None), (80, "eth0"), (8080, None)])
    equal(ports(s, s.udp_ports), [(68, None), (123, "eth0"), (546, "eth0"), (5353, None)])
    equal((s.tcp_total, s.udp_total, s.connections), (3, 4, 3))
    equal(
        connections(s),
        [
            ("198.51.100.7:8883", 40000, "eth0"),
            ("198.51.100.9:50000", 80, "eth0"),
            ("[2001:db8::7]:8883", 40000, "eth0"),
        ],
    )
    equal(c.skipped, 0)


def test_the_same_machine_with_loopback():
    c, s = collect(machine(), loopback=True)
    equal(ports(s, s.tcp_ports), [(22, None), (80, "eth0"), (631, "lo"), (8080, None)])
    equal(ports(s, s.udp_ports), [(53, "lo"), (68, None), (123, "eth0"), (546, "eth0"), (5353, None)])
    equal(connections(s)[0], ("127.0.0.1:631", 40002, "lo"))
    equal(s.connections, 4)


def test_again_and_again_it_is_the_same():
    c = collector(machine())
    s = SocketTable()
    for _ in range(3):
        c.sockets(s)
        equal((s.tcp_total, s.udp_total, s.connections, c.skipped), (3, 4, 3, 0))
        equal(len(connections(s)), 3)


def test_empty_tables():
    c, s = collect(usual())
    assert s.tcp_read and s.udp_read
    equal((s.tcp_total, s.udp_total, s.connections, s.kept, c.skipped), (0, 0, 0, 0, 0))


def test_a_kernel_without_ipv6():
    c, s = collect(without("tcp6", "udp6", "if_inet6"))
    assert s.tcp_read and s.udp_read
    equal(ports(s, s.tcp_ports), [(22, None), (80, "eth0")])
    equal(ports(s, s.udp_ports), [(68, None), (123, "eth0")])


def without(*names):
    files = machine()
    for name in names:
        del files[name]
    return files


def test_a_table_that_is_missing_leaves_its_block_out():
    for name, tcp, udp_ in (("tcp", False, True), ("udp", True, False)):
        c, s = collect(without(name))
        equal((s.tcp_read, s.udp_read), (tcp, udp_))


def test_a_table_that_may_not_be_read_leaves_its_block_out():
    for name in ("tcp", "tcp6", "udp", "udp6"):
        files = machine()
        files[name] = OSError(errno.EACCES, "")
        c, s = collect(files)
        equal((name, s.tcp_read, s.udp_read), (name, not name.startswith("tcp"), not name.startswith("udp")))


def test_a_table_that_fails_in_the_middle_leaves_its_block_out_once():
    for name in ("tcp", "tcp6", "udp", "udp6"):
        files = machine()
        whole = files[name]
        files[name] = Pieces(whole, (160,), errno.EIO)
        c, s = collect(files)
        equal((name, s.tcp_read, s.udp_read), (name, not name.startswith("tcp"), not name.startswith("udp")))
        files[name] = whole
        c.sockets(s)
        equal((s.tcp_read, s.udp_read, s.tcp_total, s.udp_total, s.connections), (True, True, 3, 4, 3))


def test_garbage_between_good_rows():
    garbage = ("", "hello", " " * 149, TCP_ROWS[3][:35], "  99: ZZ" + TCP_ROWS[3][8:], "\xff" * 20, "9" * 390)
    mixed = []
    for i, good in enumerate(TCP_ROWS):
        mixed.append(good)
        mixed.append(garbage[i % len(garbage)])
    files = machine()
    files["tcp"] = table(TCP, mixed)
    c, s = collect(files)
    equal(ports(s, s.tcp_ports), [(22, None), (80, "eth0"), (8080, None)])
    equal((s.connections, c.skipped), (3, len(TCP_ROWS)))
    c.sockets(s)
    equal((s.connections, c.skipped), (3, 2 * len(TCP_ROWS)))


def test_a_line_that_is_too_long_is_skipped_and_counted():
    files = machine()
    files["tcp"] = Pieces(table(TCP, TCP_ROWS[:2] + ("x" * 5000,) + TCP_ROWS[2:]), (200,))
    c, s = collect(files)
    equal((s.tcp_total, s.connections, c.skipped), (3, 3, 1))


def test_udp_rows_of_state_00_are_no_connections():
    files = usual(udp=table(UDP, [udp("192.0.2.1", 1, "198.51.100.7", 2, 0), udp("0.0.0.0", 68)], 127))
    c, s = collect(files)
    equal((s.connections, s.udp_total), (0, 1))


def test_a_file_without_a_newline_at_its_end():
    files = machine()
    for name in ("tcp", "tcp6", "udp", "udp6", "if_inet6", "route", "dev"):
        files[name] = files[name][:-1]
    c, s = collect(files)
    equal((s.tcp_total, s.udp_total, s.connections, c.skipped), (3, 4, 3, 0))
    equal(counted(files, dev(("eth0", 1, 2, 3, 4)), dev(("eth0", 11, 12, 13, 14))[:-1]), [10, 10, 10, 10])


def test_rows_of_every_width_and_reads_of_every_size():
    # So that every place of a row lies on the edge of a read.
    for width in (100, 149, 150, 151, 200, 399):
        rows = [row("0.0.0.0", 1000 + i, width=width) for i in range(5)]
        rows += [row("192.0.2.1", 40000 + i, "198.51.100.7", 8883, ESTABLISHED, width) for i in range(5)]
        content = table(TCP, rows, width)
        for size in (1, width, width + 1, width + 2, 4096):
            c, s = collect(usual(tcp=Pieces(content, (size,))))
            equal((width, size, s.tcp_total, s.connections, c.skipped), (width, size, 5, 5, 0))
            equal([port for port, _ in ports(s, s.tcp_ports)], list(range(1000, 1005)))
            equal([found[1] for found in connections(s)], list(range(40000, 40005)))


def test_every_edge_of_a_read():
    content = table(TCP, TCP_ROWS)
    for size in range(1, 310, 3):
        files = machine()
        files["tcp"] = Pieces(content, (size, 13))
        c, s = collect(files)
        equal((size, s.tcp_total, s.connections, c.skipped), (size, 3, 3, 0))


class Many:
    """A table of n rows that is made while it is read, as the kernel does; `made(i)` gives a row."""

    def __init__(self, n, made, width=149):
        self._n = n
        self._made = made
        self._header = (TCP + " " * (width - len(TCP)) + "\n").encode()
        self._width = width + 1
        self.passes = 0
        self.seek(0)

    def seek(self, at):
        self._next = -1

    def readinto(self, buf):
        n = 0
        while n + self._width <= len(buf) and self._next < self._n:
            line = self._header if self._next < 0 else (self._made(self._next) + "\n").encode()
            buf[n : n + self._width] = line
            n += self._width
            self._next += 1
        self.passes += not n
        return n


def outgoing(i):
    return row("192.0.2.1", 1024 + i, "198.51.100.%d" % (i % 250), 443, ESTABLISHED)


def test_over_500_rows():
    c, s = collect(usual(tcp=Many(600, outgoing)))
    equal((s.connections, s.kept, c.skipped), (600, 50, 0))
    c, s = collect(usual(tcp=Many(600, outgoing)), 500)
    equal((s.connections, s.kept), (600, 500))
    equal(len(set([found[1] for found in connections(s)])), 500)
    c, s = collect(usual(tcp=Many(500, outgoing)), 500)
    equal([found[1] for found in sorted(connections(s), key=lambda found: found[1])], list(range(1024, 1524)))


def test_ten_thousand_rows():
    line = outgoing(0)

    def made(i):
        return line if i % 10 else row("0.0.0.0", 1 + i // 10 % 100)

    c, s = collect(usual(tcp=Many(10000, made)))
    equal((s.connections, s.kept, s.tcp_total, c.skipped), (9000, 50, 100, 0))


def test_more_listening_ports_than_the_table_holds():
    order = [(i * 37) % 200 for i in range(200)]
    rows = [row("0.0.0.0", 1000 + i) for i in order] + [row("192.0.2.1", 1000 + i) for i in order[:50]]
    rows += [row("192.0.2.1", 9, "198.51.100.7", 8883, ESTABLISHED), "garbage"]
    v6 = [row("::", 1000 + i) for i in order]  # the same ports again
    c, s = collect(usual(tcp=table(TCP, rows), tcp6=table(TCP6, v6)))
    equal((s.tcp_ports.kept, s.tcp_total, s.connections, c.skipped), (128, 250, 1, 1))
    expected = sorted([(1000 + i, None) for i in range(200)] + [(1000 + i, "eth0") for i in order[:50]], key=_order)
    equal(ports(s, s.tcp_ports), expected[:128])
    c.sockets(s)
    equal((s.tcp_total, s.connections, c.skipped), (250, 1, 2))


def _order(found):
    return found[0], found[1] is None


def test_a_long_line_is_counted_once_in_further_passes():
    rows = [row("0.0.0.0", 1 + i) for i in range(20)] + ["x" * 5000]
    c, s = collect(usual(tcp=Pieces(table(TCP, rows), (400,))), 50, 5)
    equal((s.tcp_ports.kept, s.tcp_total, c.skipped), (5, 20, 1))


def test_more_udp_ports_than_the_table_holds():
    rows = [udp("0.0.0.0", 65535 - i) for i in range(300)]
    c, s = collect(usual(udp=table(UDP, rows, 127)))
    equal((s.udp_ports.kept, s.udp_total), (128, 300))
    equal(ports(s, s.udp_ports)[0], (65236, None))


def test_a_table_just_as_large():
    for n, passes in ((128, 1), (129, 2), (256, 2), (257, 3)):
        many = Many(n, lambda i: row("0.0.0.0", 1 + i))
        c, s = collect(usual(tcp=many))
        equal((n, s.tcp_total, many.passes), (n, n, passes))


LAN = {
    "if_inet6": inet6(("fe80::1", "br-lan"), ("fe80::1", "eth0.100"), ("fd00::1", "br-lan"), ("fd00::2", "eth0.100")),
    "route": route(
        ("eth0.100", "0.0.0.0", "0.0.0.0"), ("eth0.100", "203.0.113.0", "255.255.255.0"),
        ("br-lan", "192.168.1.0", "255.255.255.0"), ("docker0", "172.17.0.0", "255.255.0.0"),
        ("wg0", "192.168.7.0", "255.255.255.0"), ("wg0", "192.168.7.128", "255.255.255.128"),
    ),
    "fib_trie": trie("203.0.113.5", "192.168.1.1", "172.17.0.1", "192.168.7.1", "192.168.7.200"),
    "tcp": table(TCP, [
        row("192.168.1.1", 53), row("203.0.113.5", 443), row("172.17.0.1", 2375), row("192.168.7.1", 51820),
        row("192.168.7.200", 51821), row("10.9.9.9", 7),
    ]),
    "tcp6": table(TCP6, [row("fd00::1", 53), row("fd00::2", 54), row("fd00::3", 55)]),
}  # fmt: skip


def test_interfaces_by_if_inet6_and_by_networks():
    c, s = collect(usual(**LAN))
    equal(
        ports(s, s.tcp_ports),
        [(7, None), (53, "br-lan"), (54, "eth0.100"), (55, None), (443, "eth0.100"), (2375, "docker0"), (51820, None),
         (51821, "wg0")],
    )  # fmt: skip


def test_without_routes_the_interface_is_not_known():
    c, s = collect(usual(tcp=LAN["tcp"], route=None, if_inet6=None))
    equal([name for _, name in ports(s, s.tcp_ports)], [None] * 6)
    c, s = collect(usual(tcp=LAN["tcp"], route=OSError(errno.EACCES, "")))
    equal(s.tcp_total, 6)


def test_routes_that_do_not_parse():
    bad = (
        route()[:-1]
        + b"\neth0\t00\n\neth0\tXXXXXXXX\t0\t0\t0\t0\t0\tYYYYYYYY\t0\n\t\t\t\t\t\t\t\t\t\n"
        + route(("br-lan", "192.168.0.0", "255.255.0.0")).split(b"\n")[1]
    )
    c, s = collect(usual(tcp=LAN["tcp"], route=bad, fib_trie=trie("192.168.1.1")))
    equal(ports(s, s.tcp_ports)[1], (53, "br-lan"))


def test_addresses_that_do_not_parse():
    bad = b"fd\n\n" + b"z" * 60 + b"\n" + LAN["if_inet6"]
    c, s = collect(usual(tcp6=LAN["tcp6"], if_inet6=bad))
    equal(ports(s, s.tcp_ports), [(53, "br-lan"), (54, "eth0.100"), (55, None)])


def test_address_files_that_fail_in_the_middle():
    # Port 53 is on br-lan in IPv4 and IPv6, and counts once only if that is known of both.
    for name, total in (("if_inet6", 8), ("route", 9)):
        files = usual(**LAN)
        files[name] = Pieces(files[name], (300,), errno.EIO)
        c, s = collect(files)
        equal((s.tcp_read, s.tcp_total), (True, total))


def test_more_addresses_than_are_remembered():
    rows = [row("192.168.1.%d" % (i % 40), 1000 + i) for i in range(120)]
    c, s = collect(usual(route=LAN["route"], tcp=table(TCP, rows)))
    equal(ports(s, s.tcp_ports), [(1000 + i, None) for i in range(120)])
    many = [("fd00::%x" % i, "br-lan") for i in range(1, 60)]
    c, s = collect(usual(tcp6=table(TCP6, [row("fd00::3b", 1), row("::", 2)]), if_inet6=inet6(*many)))
    equal(ports(s, s.tcp_ports), [(1, "br-lan"), (2, None)])


def test_any_number_of_routes():
    many = [("if%d" % i, "10.%d.0.0" % i, "255.255.0.0") for i in range(200)]
    rows = [row("10.%d.0.1" % i, 1 + i) for i in range(100, 200)]
    found = trie(*["10.%d.0.1" % i for i in range(200)])
    c, s = collect(usual(route=route(*many), tcp=table(TCP, rows), fib_trie=found))
    equal(ports(s, s.tcp_ports), [(1 + i, "if%d" % i) for i in range(100, 200)])


def test_include_and_exclude():
    everything = [(53, "br-lan"), (54, "eth0.100"), (443, "eth0.100"), (2375, "docker0"), (51820, "wg0"),
                  (51821, "wg0")]  # fmt: skip

    def expect(chosen, **options):
        c, s = collect(usual(**LAN), **options)
        found = ports(s, s.tcp_ports)
        equal(found, [(port, None if port == 51820 else name) for port, name in everything if name in chosen])

    expect(("eth0.100",), include=("eth0.100",))
    expect(("eth0.100", "br-lan"), include=["eth*", "br-lan"])
    expect(("br-lan", "eth0.100"), exclude=("docker*", "wg0"))
    expect((), exclude=("*",))
    expect(("br-lan", "eth0.100", "docker0", "wg0"), exclude=("eth0", "br", "eth0.1000"))
    expect(("wg0",), include=("wg0*",))


def test_loopback_by_name():
    c, s = collect(machine(), include=("lo",))
    equal(ports(s, s.tcp_ports), [(22, None), (631, "lo"), (8080, None)])
    c, s = collect(machine(), exclude=("lo",), loopback=False)
    equal(s.tcp_total, 3)


def counted(files, *devs, **options):
    """The four differences after reading these /proc/net/dev one after the other."""
    c = collector(files, **options)
    counters = Counters(c.width, c.counts_from_start)
    for content in devs:
        files["dev"] = content
        if c._dev._file:
            c._dev.close()
        c.counters(counters)
    return [counters.difference(i) for i in range(4)] if counters.available() else None


def test_counters():
    first = dev(("lo", 10, 1, 10, 1), ("eth0", 1000, 10, 2000, 20), ("br-lan", 1, 1, 1, 1), ("eth0.100", 5, 5, 5, 5))
    second = dev(("lo", 99, 9, 99, 9), ("eth0", 1100, 11, 2200, 22), ("br-lan", 2, 3, 4, 5), ("eth0.100", 9, 9, 9, 9))
    equal(counted(usual(), first), None)
    equal(counted(usual(), first, second), [105, 7, 207, 10])
    equal(counted(usual(), first, second, loopback=True), [194, 15, 296, 18])
    equal(counted(usual(), first, second, include=("br-lan",)), [1, 2, 3, 4])
    equal(counted(usual(), first, second, exclude=("br*", "eth0")), [4, 4, 4, 4])


def test_counters_over_32_bits():
    first = dev(("eth0", (1 << 32) - 1, 1, 1 << 40, 1))
    second = dev(("eth0", 1 << 32, 2, (1 << 40) + (1 << 34), 3))
    equal(counted(usual(), first, second), [1, 1, 1 << 34, 2])
    equal(counted(usual(), dev(("eth0", (1 << 64) - 1, 1, 1, 1)), dev(("eth0", 1, 1, 1, 1)))[0], 2)


def test_counters_without_a_blank_after_the_name():
    # Kernels before 2.6 and large numbers of some drivers: "eth0:1234".
    first = DEV.encode() + b"  eth0:1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n"
    second = DEV.encode() + b"  eth0:1005 11 0 0 0 0 0 0 2007 24 0 0 0 0 0 0\n"
    equal(counted(usual(), first, second), [5, 1, 7, 4])


def test_rows_of_counters_that_do_not_parse():
    good = dev(("eth0", 1, 1, 1, 1), ("eth1", 1, 1, 1, 1))
    bad = b"garbage\n\n eth9: 1 2 3\n eth8: a b c d e f g h i j k\neth7:\n eth6: 1 2 3 4 5 6 7 8 -9 1\n"
    lines = good.split(b"\n")
    mixed = b"\n".join(lines[:3]) + b"\n" + bad + b"\n".join(lines[3:])
    c = collector(usual(dev=mixed))
    counters = Counters()
    c.counters(counters)
    equal(c.skipped, 6)
    c.counters(counters)
    equal((c.skipped, counters.difference(0)), (12, 0))


def test_counters_that_cannot_be_read():
    for bad in (None, OSError(errno.EACCES, ""), Pieces(DEV.encode(), (50,), errno.EIO)):
        c = collector(usual(dev=bad))
        counters = Counters()
        for _ in range(3):
            c.counters(counters)
            assert not counters.available()


def test_more_interfaces_than_there_are_slots():
    many = [("veth%d" % i, 100, 1, 100, 1) for i in range(256)]
    for n, options, skipped in ((256, {}, 6), (250, {}, 0), (256, {"exclude": ("veth25*",)}, 0)):
        c = collector(usual(dev=dev(*many[:n])), **options)
        for passes in (1, 2):
            c.counters(Counters())
            equal((c.skipped, "not all interfaces are counted" in c.source), (passes * skipped, skipped > 0))


def test_a_namespace_with_nothing_but_headers():
    c = collector(usual(dev=DEV.encode()))
    counters = Counters()
    c.counters(counters)
    c.counters(counters)
    equal((counters.available(), counters.difference(0), c.skipped), (True, 0, 0))


def test_loopback_that_is_asked_for_and_excluded():
    c = collector(usual(), loopback=True, exclude=("lo",))
    counters = Counters()
    c.counters(counters)
    assert b"lo" not in [counters.names.name(i) for i in range(counters.names.known())]
