"""Rows 30 to 33: the kernel's counters and tables, through the real collector on files that change."""

import os
import json
import rig
import proc_root
from proc_folder import Proc
from virtual_broker import decode
from proc_root import CLOSE, ESTABLISHED, TCP, TCP6, UDP, row, table, udp
from linkpulse.collect.linux import Collector
from linkpulse.report import Reporter
from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable


def reporter(proc, connections=50, format="json", tags="long", size=0, **options):
    ids = iter(range(1, 1 << 20))
    return Reporter(
        Collector(proc, **options),
        "thing-1",
        lambda: next(ids),
        format=format,
        tags=tags,
        connections=connections,
        size=size,
    )


def accept(r):
    answer = '{"reportId": %d, "status": "ACCEPTED"}' % r.report_id
    assert r.receive(r.accepted, answer.encode()).matches


def statistics(r, accepted=True):
    """(bytes in, packets in, bytes out, packets out) of the next report, None without the block."""
    report = json.loads(bytes(r.report()))
    if accepted:
        accept(r)
    return rig.numbers(report)


def counters(folder):
    """Each step writes net/dev anew and takes a report: [what happened, the block]."""
    p = Proc(folder)
    r = reporter(folder)
    dev = proc_root.dev
    found = []

    def step(what, *entries, accepted=True):
        p.write("dev", dev(*[entry if isinstance(entry, tuple) else (entry,) for entry in entries]))
        found.append((what, statistics(r, accepted)))

    def eth(n, name="eth0"):
        return (name, n, n + 1, n + 2, n + 3)

    top = (1 << 32) - 100
    step("first", eth(top))
    step("over 2^32", eth(top + 300))
    step("lost", eth(top + 400), accepted=False)
    step("after the lost one", eth(top + 450))
    step("reset", eth(10))
    step("after the reset", eth(30))
    step("reset of bytes in only", ("eth0", 5, 40, 40, 40))
    step("after that", ("eth0", 15, 41, 42, 43))
    step("appears", ("eth0", 15, 41, 42, 43), eth(9999, "wlan0"))
    step("both", ("eth0", 16, 41, 42, 43), eth(10000, "wlan0"))
    step("disappears", ("eth0", 18, 41, 42, 43))
    step("comes back", ("eth0", 19, 41, 42, 43), eth(50000, "wlan0"))
    step("both again", ("eth0", 19, 41, 42, 43), eth(50007, "wlan0"))
    step(
        "none",
    )
    step("eth0 again", ("eth0", 100, 100, 100, 100))
    step("huge", ("eth0", (1 << 64) - 1, 100, 100, 100))
    step("64 bits wrap", ("eth0", 9, 100, 100, 100))
    return found


def widths():
    """Differences of two values by the width that a platform declares, and what is left out as a reset."""
    found = []
    for width in (32, 64):
        for before, now in (
            ((1 << 32) - 10, 90), ((1 << 32) - 1, 0), (1000, 10), (3000000000, 5), (0, (1 << 32) - 1),
            ((1 << 32) - 10, (1 << 32) + 90), ((1 << 54) - 10, 90), ((1 << 54) - 10, (1 << 54) + 90),
        ):  # fmt: skip
            c = Counters(width)
            for value in (before, now):
                c.begin()
                values = rig.zeros(8)
                for which in range(0, 8, 2):
                    values[which] = value & 0xFFFFFF
                    values[which + 1] = value >> 24 & 0x3FFFFFFF
                c.put(b"eth0", 0, 4, values)
            found.append((width, before, now, c.difference(0), c.resets))
    return found


def boots(folder):
    """The first report after each of three starts, and the second."""
    p = Proc(folder)
    found = []
    for start in range(3):
        r = reporter(folder, tags=("long", "short")[start % 2])
        p.traffic(1000000 * (start + 1))
        first = json.loads(bytes(r.report()))
        accept(r)
        p.traffic(1000000 * (start + 1) + 5)
        found.append((sorted(first.get("metrics", first.get("met"))), statistics(r)))
    return found


GOOD = row("192.0.2.1", 8080), row("192.0.2.1", 50000, "203.0.113.9", 443, ESTABLISHED)


def bad_rows(good):
    """Rows that are not the kernel's, by what is wrong with them, made of one with IPv4 addresses that is."""
    return {
        "empty": "",
        "blank": " " * 149,
        "a digit": "7",
        "short": good[:20],
        "without state": good[:34],
        "half a state": good[:35],
        "state not hex": good[:34] + "zz" + good[36:],
        "address not hex": good[:8] + "G" + good[9:],
        "port not hex": good[:16] + "-" + good[17:],
        "remote not hex": good[:22] + "?" + good[23:],
        "no colon": good[:14] + " " + good[15:],
        "nothing": "\x00" * 149,
        "not ascii": "\u00ff\u00fe" * 40,
        "no number": "abcd" + good[4:],
    }


def malformed(folder):
    """For each bad row between two good ones: rows skipped, connections and ports found."""
    p = Proc(folder)
    found = []
    six = row("fd00::1", 8080), row("fd00::1", 50000, "2001:db8::9", 443, ESTABLISHED)
    for file, header, rows, good in (
        ("tcp", TCP, GOOD, GOOD[1]),
        ("tcp6", TCP6, six, GOOD[1]),
        (
            "udp",
            UDP,
            (udp("192.0.2.1", 8080), udp("192.0.2.1", 50000, "203.0.113.9", 443, ESTABLISHED)),
            udp("192.0.2.1", 53),
        ),
    ):
        for name, bad in bad_rows(good).items():
            c = Collector(folder)
            s = SocketTable()
            if file == "tcp6":
                bad = bad.replace(GOOD[1][6:14], six[1][6:38])
            p.write(file, table(header, (rows[0], bad, rows[1])))
            c.sockets(s)
            ports = s.udp_ports if file == "udp" else s.tcp_ports
            found.append((name, file, c.skipped, s.kept, proc_root.ports(s, ports), s.tcp_read and s.udp_read))
            p.write(file, table(header, ()))
    return found


def shapes(folder):
    """Tables that are valid but unusual: {what: [skipped, TCP ports, UDP ports, connections, read]}."""
    p = Proc(folder)
    long = GOOD[0] + " more columns than this kernel has 0 0 0"
    cases = {
        "extra columns": {"tcp": table(TCP, (long, GOOD[1] + " 1 2 3"))},
        "a huge number": {"tcp": table(TCP, (GOOD[0], "9" * 200 + GOOD[1][4:]))},
        "no padding": {"tcp": ("x\n" + GOOD[0].rstrip() + "\n" + GOOD[1].rstrip() + "\n").encode()},
        "header only": {"tcp": table(TCP, ())},
        "no header's end": {"tcp": b"  sl  local_address"},
        "empty": {"tcp": b""},
        "cut in a row": {"tcp": table(TCP, GOOD)[:-60]},
        "cut before the state": {"tcp": table(TCP, GOOD)[:-125]},
        "a line without end": {"tcp": table(TCP, GOOD) + b"7" * 100000},
        "a long line between": {"tcp": table(TCP, (GOOD[0], "5" * 5000, GOOD[1]))},
        "wildcards": {"tcp": table(TCP, (row("0.0.0.0", 22), row("0.0.0.0", 80)))},
        "udp state 07": {"udp": table(UDP, (udp("0.0.0.0", 53), udp("192.0.2.1", 5353)), 127)},
        "udp connected": {"udp": table(UDP, (udp("192.0.2.1", 4000, "203.0.113.9", 53, ESTABLISHED),), 127)},
        "udp6": {
            "udp6": table(UDP, (row("::", 5683, "::", 0, CLOSE, 127), row("fd00::1", 547, "::", 0, CLOSE, 127)), 127)
        },
        "tcp6": {"tcp6": table(TCP6, (row("::", 443), row("fd00::1", 50000, "2001:db8::9", 443, ESTABLISHED)))},
        "mapped": {"tcp6": table(TCP6, (row("::ffff:c000:201", 50000, "::ffff:cb00:7109", 443, ESTABLISHED),))},
        "other states": {
            "tcp": table(
                TCP, [row("192.0.2.1", 1000 + n, "203.0.113.9", 1, n) for n in (2, 3, 4, 5, 6, 7, 8, 9, 11, 12)]
            )
        },
    }
    found = {}
    for name in cases:
        for file in ("tcp", "tcp6", "udp", "udp6"):
            p.write(file, cases[name].get(file, proc_root.USUAL[file]))
        c = Collector(folder)
        s = SocketTable()
        c.sockets(s)
        found[name] = (
            c.skipped, proc_root.ports(s, s.tcp_ports), proc_root.ports(s, s.udp_ports), proc_root.connections(s),
            s.tcp_read and s.udp_read,
        )  # fmt: skip
    return found


def devices(folder):
    """Lines of net/dev that cannot be read between two that can: [line, skipped, statistics]."""
    found = []
    good = "%6s: %7d %7d    0    0    0     0          0         0 %8d %7d    0    0    0     0       0          0"
    bads = [
        "",
        "nothing",
        ":",
        "  : 1",
        "eth1:",
        "eth1: 1 2 3",
        "eth1: 1 2 x 0 0 0 0 0 5 6",
        "eth1: -5 2 0 0 0 0 0 0 5 6",
    ]
    bads += ["eth1 7 7 0 0 0 0 0 0 7 7", "\u00ff" * 30, "x" * 390, "x" * 900, "eth1:" + "9" * 300]
    for bad in bads:
        p = Proc(folder)
        c = Collector(folder)
        into = Counters()
        for n in (1000, 1100):
            lines = (good % ("eth0", n, n, n, n), bad, good % ("br-lan", n, n, n, n), good % ("eth0.100", n, n, n, n))
            p.write("dev", (proc_root.DEV + "\n".join(lines) + "\n").encode())
            c.counters(into)
        found.append((bad, c.skipped, [into.difference(which) for which in range(4)]))
    return found


def blocks(r):
    report = json.loads(bytes(r.report()))
    return sorted(report["metrics"])


def unreadable(folder, kind):
    """Every file in turn cannot be opened, then can again: {file: [blocks without it, problem, blocks with it]}.

    "gone": it is not there; "folder": a folder stands in its place; "mode": its mode does not let this user read it.
    """
    found = {}
    for file in ("tcp", "tcp6", "udp", "udp6", "dev", "if_inet6", "route"):
        p = Proc(folder)
        r = reporter(folder)
        blocks(r)
        accept(r)
        with open(p.path(file), "rb") as f:
            content = f.read()
        p.remove(file)
        if kind == "folder":
            os.mkdir(p.path(file))
        elif kind == "mode":
            p.write(file, content)
            assert os.system("chmod 0 " + p.path(file)) == 0
        # It was open; a new process, or one whose file was closed after an error, does not have it any more.
        c = r._collector
        for collected in (c._dev,) + c._tcp + c._udp:
            collected.close()
        fresh = reporter(folder)
        without = blocks(fresh)
        without = blocks(fresh)
        again = blocks(r)
        assert without == again, (without, again)
        if kind == "folder":
            os.rmdir(p.path(file))
        elif kind == "mode":
            p.remove(file)
        p.write(file, content)
        blocks(fresh)
        found[file] = without, fresh.problem, blocks(fresh)
    return found


def nothing(folder):
    """No file at all: the error, and the report once they are there."""
    from linkpulse.errors import CollectError

    p = Proc(folder)
    for name in proc_root.USUAL:
        p.remove(name)
    r = reporter(folder)
    try:
        r.report()
    except CollectError as e:
        error = str(e)
    Proc(folder)
    return error, blocks(r)


def many(folder, n, format, tags, size):
    """`n` connections: the report's numbers, and how often each of ten equal parts of the table was chosen."""
    n = int(n)
    p = Proc(folder)
    with open(p.path("tcp"), "wb") as f:
        f.write(table(TCP, ()))
        for i in range(n):
            line = row("192.0.2.1", 1024 + i, "203.0.%d.%d" % (i >> 8, i & 255), 443, ESTABLISHED)
            f.write((line + "\n").encode())
    r = reporter(folder, 50, format, tags, int(size))
    payload = r.report()
    report = decode(payload) if format == "cbor" else json.loads(bytes(payload))
    metrics = report.get("metrics", report.get("met"))
    tcp = metrics.get("tcp_connections", metrics.get("tc"))
    tcp = tcp.get("established_connections", tcp.get("ec"))
    room = len(r._report._buf)
    listed = tcp.get("connections", tcp.get("cs"))
    ports = set([c.get("local_port", c.get("lp")) for c in listed])
    assert len(ports) == len(listed), "a connection twice"
    parts = [0] * 10
    for _ in range(120):
        s = r._sockets
        r._collector.sockets(s)
        for i in range(s.kept):
            port = s.records[i * 22 + 2] << 8 | s.records[i * 22 + 3]
            parts[(port - 1024) * 10 // n] += 1
    return {
        "bytes": len(payload),
        "room": room,
        "listed": len(listed),
        "total": tcp.get("total", tcp.get("t")),
        "parts": parts,
    }


if __name__ == "__main__":
    rig.main(globals())
