"""Whole reports: both formats, both sets of tags, what is left out, and buffers that are too small."""

import json
from array import array
from check import equal
from proc_root import (
    ESTABLISHED, TCP, TCP6, UDP, collect, collector, connections, dev, inet6, row, table, udp, usual,
)  # fmt: skip
from linkpulse.errors import TooLarge
from linkpulse.report import writer
from linkpulse.report.writer import ReportWriter
from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable
from linkpulse.report.tags import keys
from microcbor import ARRAY, MAP, TEXT, Reader

LONG, SHORT = keys("long"), keys("short")


def item(r):
    """The next CBOR item as Python has it; only what a report may hold."""
    kind = r.peek()
    if kind == MAP:
        n = r.map()
        found = {}
        for _ in range(n):
            key = item(r)
            assert key not in found
            found[key] = item(r)
        return found
    if kind == ARRAY:
        return [item(r) for _ in range(r.array())]
    if kind == TEXT:
        return bytes(r.text()).decode()
    return r.int()


def read(payload, format):
    if format == "json":
        return json.loads(bytes(payload).decode())
    r = Reader(payload)
    found = item(r)
    equal(r.pos, len(payload))
    return found


def long_tags(value):
    """The same with long tags; a long tag among short ones is found out."""
    if isinstance(value, list):
        return [long_tags(part) for part in value]
    if not isinstance(value, dict):
        return value
    names = {}
    for i in range(len(LONG)):
        names[SHORT[i].decode()] = LONG[i].decode()
    found = {}
    for key in value:
        found[names[key]] = long_tags(value[key])
    return found


def sample(files, devs=(), connections=50, **options):
    """(counters, sockets) of a proc root; `devs` are what /proc/net/dev says one time after the other."""
    counters = Counters()
    for content in devs:
        files["dev"] = content
        collector(files, **options).counters(counters)
    return counters, collect(files, connections, **options)[1]


MACHINE = {
    "tcp": table(TCP, [
        row("0.0.0.0", 22), row("192.0.2.1", 80), row("192.0.2.1", 40000, "198.51.100.7", 8883, ESTABLISHED),
    ]),
    "tcp6": table(TCP6, [row("fd00::1", 40001, "2001:db8::7", 443, ESTABLISHED)]),
    "udp": table(UDP, [udp("0.0.0.0", 68)], 127),
}  # fmt: skip
DEVS = (dev(("eth0", 1000, 10, 2000, 20)), dev(("eth0", 1500, 12, 2000, 24)))
EXPECTED = {
    "header": {"report_id": 1700000000, "version": "1.0"},
    "metrics": {
        "listening_tcp_ports": {"ports": [{"port": 22}, {"port": 80, "interface": "eth0"}], "total": 2},
        "listening_udp_ports": {"ports": [{"port": 68}], "total": 1},
        "tcp_connections": {
            "established_connections": {
                "connections": [
                    {"remote_addr": "198.51.100.7:8883", "local_port": 40000, "local_interface": "eth0"},
                    {"remote_addr": "[2001:db8::7]:443", "local_port": 40001, "local_interface": "eth0"},
                ],
                "total": 2,
            }
        },
        "network_stats": {"bytes_in": 500, "bytes_out": 0, "packets_in": 2, "packets_out": 4},
    },
}


def each():
    for format in ("cbor", "json"):
        for tag_set in ("short", "long"):
            yield format, tag_set


def report(made, format, tag_set, size=0, empty=True, rows=50, report_id=1700000000):
    counters, sockets = made
    found = read(ReportWriter(format, tag_set, rows, size).write(report_id, counters, sockets, empty), format)
    return long_tags(found) if tag_set == "short" else found


def test_a_report_in_every_format_with_every_set_of_tags():
    made = sample(usual(**MACHINE), DEVS)
    for format, tag_set in each():
        equal(report(made, format, tag_set), EXPECTED)


def test_long_tags_are_as_many_as_short_ones():
    equal(len(LONG), len(SHORT))
    equal(len(set(LONG)), len(LONG))
    equal(len(set(SHORT)), len(SHORT))


def test_the_first_report_has_no_network_stats():
    made = sample(usual(**MACHINE), DEVS[:1])
    for format, tag_set in each():
        equal(sorted(report(made, format, tag_set)["metrics"]), sorted(EXPECTED["metrics"])[0:2] + ["tcp_connections"])


def test_what_was_not_collected_is_left_out():
    for missing, kept in (
        ("tcp", ["listening_udp_ports"]), ("udp", ["listening_tcp_ports", "tcp_connections"]),
    ):  # fmt: skip
        files = usual(**MACHINE)
        files[missing] = None
        for format, tag_set in each():
            equal(sorted(report(sample(files), format, tag_set)["metrics"]), kept)


def test_what_is_empty_is_sent_as_empty():
    made = sample(usual())
    none = {"ports": [], "total": 0}
    for format, tag_set in each():
        equal(
            report(made, format, tag_set)["metrics"],
            {
                "listening_tcp_ports": none,
                "listening_udp_ports": none,
                "tcp_connections": {"established_connections": {"connections": [], "total": 0}},
            },
        )


def test_what_is_empty_is_left_out_on_request():
    for format, tag_set in each():
        equal(report(sample(usual()), format, tag_set, empty=False)["metrics"], {})
        equal(report(sample(usual(**MACHINE), DEVS), format, tag_set, empty=False), EXPECTED)
        files = usual(tcp=table(TCP, [row("0.0.0.0", 22)]))
        equal(sorted(report(sample(files), format, tag_set, empty=False)["metrics"]), ["listening_tcp_ports"])
        files = usual(tcp=table(TCP, [row("192.0.2.1", 1, "198.51.100.7", 8883, ESTABLISHED)]))
        equal(sorted(report(sample(files), format, tag_set, empty=False)["metrics"]), ["tcp_connections"])


def test_short_cbor_is_short():
    # The service's own example: a listener of each kind, one connection, statistics.
    files = usual(
        tcp=table(TCP, [row("192.0.2.1", 24800), row("192.0.2.1", 47602, "192.0.2.7", 8000, ESTABLISHED)]),
        udp=table(UDP, [udp("192.0.2.1", 5353)], 127),
    )
    first = dev(("eth0", 0, 0, 0, 0))
    made = sample(files, (first, dev(("eth0", 29358693495, 44240, 10254389487, 2478))))
    found = ReportWriter("cbor", "short").write(1530304554, made[0], made[1])
    assert len(found) <= 172, len(found)


def test_ids_of_every_size():
    made = sample(usual(**MACHINE))
    for report_id in (1, 1530304554, 0x7FFFFFFF, 0x80000000, 1 << 40):
        for format, tag_set in each():
            equal(report(made, format, tag_set, report_id=report_id)["header"]["report_id"], report_id)


def many(n, ports=0, v6=False):
    rows = [row("192.0.2.1", 1024 + i, "198.51.100.%d" % (i % 250), 443, ESTABLISHED) for i in range(n)]
    rows += [row("0.0.0.0", 1 + i) for i in range(ports)]
    wide = [row("fd00::1", 1024 + i, "2001:db8:1:2:3:4:5:%x" % i, 443, ESTABLISHED) for i in range(n if v6 else 0)]
    return usual(tcp=table(TCP, rows), tcp6=table(TCP6, wide))


def test_the_buffer_holds_all_the_rows_it_was_made_for():
    made = sample(many(50))
    for format, tag_set in each():
        found = report(made, format, tag_set)["metrics"]["tcp_connections"]["established_connections"]
        equal((len(found["connections"]), found["total"]), (50, 50))


def test_the_buffer_grows_with_the_reports_where_there_is_memory():
    sizes = []

    def counted(n):
        sizes.append(n)
        return bytearray(n)

    def refused(n):
        raise MemoryError

    def rows(n):
        counters, sockets = sample(many(n), connections=500)
        found = long_tags(read(made.write(5, counters, sockets), "cbor"))["metrics"]["tcp_connections"]
        equal(found["established_connections"]["total"], n)
        return len(found["established_connections"]["connections"])

    try:
        writer.bytearray = counted
        made = ReportWriter("cbor", "short", 500)
        assert sum(sizes) < 1200
        equal(rows(8), 8)
        writer.bytearray = refused
        assert 8 <= rows(200) < 30
        writer.bytearray = counted
        equal(rows(200), 200)
        largest = max(sizes)
        equal((rows(205), rows(8), max(sizes)), (205, 8, largest))
    finally:
        del writer.bytearray


def test_a_small_buffer_has_fewer_connections_and_the_true_total():
    made = sample(many(300))
    every = connections(made[1])
    for format, tag_set in each():
        before = -1
        for size in (300, 500, 700, 1000, 1500, 2000):
            counters, sockets = made
            payload = ReportWriter(format, tag_set, 50, size).write(5, counters, sockets)
            assert len(payload) <= size
            found = read(payload, format)
            found = (long_tags(found) if tag_set == "short" else found)["metrics"]["tcp_connections"]
            found = found["established_connections"]
            equal(found["total"], 300)
            n = len(found["connections"])
            assert n >= before and (n == 50 or size - len(payload) < 220), (format, tag_set, size, n, len(payload))
            before = n
            for one in found["connections"]:
                assert (one["remote_addr"], one["local_port"], one["local_interface"]) in every
            equal(len(set([one["local_port"] for one in found["connections"]])), n)  # none twice
        assert before > 10


def test_every_size_gives_a_report_or_too_large():
    made = sample(many(20, 20, True), DEVS, 40)
    for format, tag_set in each():
        smallest = 0
        for size in range(1, 1500, 7):
            try:
                found = report(made, format, tag_set, size, rows=40)
            except TooLarge as e:
                assert not smallest and str(size) in str(e)
                continue
            smallest = smallest or size
            metrics = found["metrics"]
            equal(metrics["tcp_connections"]["established_connections"]["total"], 40)
            equal(metrics["listening_tcp_ports"]["total"], 20)
            equal(metrics["network_stats"]["bytes_in"], 500)
        assert 80 < smallest < 400, smallest


def test_ports_go_when_even_they_do_not_fit():
    made = sample(many(3, 100))
    found = report(made, "cbor", "short", 300)["metrics"]
    listed = [one["port"] for one in found["listening_tcp_ports"]["ports"]]
    assert 10 < len(listed) < 100
    equal(listed, list(range(1, len(listed) + 1)))  # the lowest
    equal(found["listening_tcp_ports"]["total"], 100)
    equal(found["tcp_connections"]["established_connections"], {"connections": [], "total": 3})


def test_each_connection_has_the_same_chance_in_a_small_buffer():
    made = sample(many(20))
    times = {}
    small = ReportWriter("cbor", "short", 20, 300)
    for _ in range(300):
        found = long_tags(read(small.write(5, made[0], made[1]), "cbor"))["metrics"]["tcp_connections"]
        for one in found["established_connections"]["connections"]:
            times[one["local_port"]] = times.get(one["local_port"], 0) + 1
    equal(len(times), 20)  # one of them never coming has a chance under 1e-20
    assert max(times.values()) < 3 * min(times.values()), times


def test_a_report_is_valid_until_the_next():
    made = sample(usual(**MACHINE), DEVS)
    r = ReportWriter("json", "long")
    first = r.write(1, made[0], made[1])
    copy = bytes(first)
    second = r.write(1, made[0], made[1])
    equal(bytes(second), copy)


def test_interfaces_that_change_their_names():
    # The slot of a name is used again by another one: rows must not keep the old name.
    r = ReportWriter("json", "long")
    sockets = SocketTable()
    for name in ["a%d" % i for i in range(70)] + ["wwan0", 'q"\\e']:
        files = usual(**MACHINE)
        files["if_inet6"] = inet6(("fd00::1", name))
        collector(files).sockets(sockets)
        collector(files).sockets(sockets)
        found = json.loads(bytes(r.write(1, Counters(), sockets)).decode())["metrics"]["tcp_connections"]
        equal(found["established_connections"]["connections"][1]["local_interface"], name)


def test_interfaces_that_are_not_known():
    files = usual(**MACHINE)
    files["if_inet6"] = files["route"] = None
    for format, tag_set in each():
        found = report(sample(files), format, tag_set)["metrics"]
        for one in found["tcp_connections"]["established_connections"]["connections"]:
            equal(sorted(one), ["local_port", "remote_addr"])
        equal(found["listening_tcp_ports"]["ports"], [{"port": 22}, {"port": 80}])


def test_a_name_that_json_writes_six_times_as_long_never_makes_a_report_too_large():
    name = b"\x01" * 15
    counters = Counters()
    for value in (0, 0xFFFFFF):
        counters.begin()
        counters.put(name, 0, 15, array("i", [value] * 8))
        counters.end()
    for ports in (60, 2):
        sockets = SocketTable(50)
        sockets.begin()
        slot = sockets.names.find(name, 0, 15)
        sockets.tcp_read = sockets.udp_read = True
        sockets.tcp_total = sockets.udp_total = ports
        for port in range(65000, 65000 + ports):
            sockets.tcp_ports.add(port, slot)
            sockets.udp_ports.add(port, slot)
        for port in range(50):
            sockets.add(slot, 6, port, 443, bytes(range(16, 32)), 0)
        for rows in (0, 1, 5, 50):
            metrics = report((counters, sockets), "json", "long", rows=rows)["metrics"]
            assert metrics["network_stats"]["bytes_in"] > 1 << 40
            equal(metrics["listening_tcp_ports"]["total"], ports)
            equal(metrics["tcp_connections"]["established_connections"]["total"], 50)
    listed = metrics["tcp_connections"]["established_connections"]["connections"]
    assert len(listed) > 10
    equal(set([one["local_interface"] for one in listed]), {name.decode()})
