"""Collecting and writing a report allocate nothing once everything has been seen: shown under a locked heap."""

from check import equal, without_heap
from proc_root import ESTABLISHED, TCP, TCP6, UDP, collector, dev, inet6, row, table, udp, usual
from linkpulse.collect.linux import Collector
from linkpulse.report.writer import ReportWriter
from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable
import linkpulse.collect.linux.proc_lines
import os
import sys

TABLES = {
    "tcp": table(TCP, [row("0.0.0.0", 22), row("192.0.2.1", 80), "garbage"] + [
        row("192.0.2.1", 40000 + i, "198.51.100.%d" % i, 8883, ESTABLISHED) for i in range(30)
    ]),
    "tcp6": table(TCP6, [row("::", 22), row("fd00::1", 40000, "2001:db8::7", 8883, ESTABLISHED)]),
    "udp": table(UDP, [udp("0.0.0.0", 68), udp("192.0.2.1", 123)], 127),
    "udp6": table(UDP, [udp("::", 5353)], 127),
    "if_inet6": inet6(("::1", "lo"), ("fd00::1", "eth0")),
    "dev": dev(("lo", 9, 9, 9, 9), ("eth0", 1000, 10, 2000, 20), ("br-lan", (1 << 29) - 1, 1, 1, 1)),
}  # fmt: skip


def check(c, format, tag_set, connections=50, size=0):
    counters = Counters()
    sockets = SocketTable(connections)
    report = ReportWriter(format, tag_set, connections, size)

    def collect():
        c.counters(counters)
        c.sockets(sockets)

    def write():
        report._write(1000, counters, sockets, True, sockets.kept, 256)

    for _ in range(2):
        collect()
        write()
    skipped = c.skipped
    without_heap(collect)
    without_heap(write)
    counters.commit()
    without_heap(counters.commit)
    equal((sockets.tcp_total, sockets.udp_total, sockets.connections), (2, 3, 31))
    equal(c.skipped, skipped + 1)
    return report._writer.size


def test_tables_in_memory():
    for format in ("cbor", "json"):
        for tag_set in ("short", "long"):
            check(collector(usual(**TABLES)), format, tag_set)


def test_a_reservoir_and_a_report_that_does_not_fit():
    check(collector(usual(**TABLES)), "cbor", "short", 10)
    size = check(collector(usual(**TABLES)), "json", "long", 10, 300)
    assert size > 300


def test_real_files():
    made = []
    try:
        os.mkdir("heap-test")
        os.mkdir("heap-test/net")
        files = usual(**TABLES)
        for name in files:
            path = "heap-test/net/" + name
            with open(path, "wb") as f:
                f.write(files[name])
            made.append(path)
        linkpulse.collect.linux.proc_lines.open = open
        check(Collector("heap-test"), "cbor", "short")
    finally:
        for path in made:
            os.remove(path)
        os.rmdir("heap-test/net")
        os.rmdir("heap-test")


def test_differences():
    counters = Counters()
    for totals in ((1000, 10, 2000, 20), (1500, 12, 2000, 24)):
        collector(usual(dev=dev(("eth0",) + totals))).counters(counters)
    found = [0] * 4

    def differences():
        for which in range(4):
            found[which] = counters.difference(which)

    without_heap(differences)
    equal(found, [500, 2, 0, 4])


def test_the_lock_is_a_real_one_on_micropython():
    found = [False]

    def allocates():
        try:
            bytearray(1000)
        except MemoryError:
            found[0] = True

    without_heap(allocates)
    equal(found[0], sys.implementation.name == "micropython")
