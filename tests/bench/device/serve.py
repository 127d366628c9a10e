"""Runs under MicroPython: makes reports, or encodes one sample in several ways, as often as it is told.

    serve.py PROC FORMAT TAGS            reads "WORK TIMES" lines, answers each with a line, until standard input ends
    serve.py PROC FORMAT TAGS WORK TIMES does that once, for valgrind

The caller measures the processor's time from outside.
"""

import gc
import sys

import baseline

from linkpulse.collect.linux import Collector
from linkpulse.report.writer import ReportWriter
from linkpulse.report import Reporter
from linkpulse.sample.counters import Counters
from linkpulse.sample.sockets import SocketTable

collector = Collector(sys.argv[1], True)
reporter = Reporter(collector, "bench", lambda: 1700000000, format=sys.argv[2], tags=sys.argv[3])
# A sample for what is about encoding alone.
counters = Counters(collector.width, True)
sockets = SocketTable(50)
written = ReportWriter(sys.argv[2], sys.argv[3])
tree = None


def sample():
    global tree
    collector.counters(counters)
    collector.sockets(sockets)
    tree = baseline.tree(1700000000, counters, sockets)


WORK = {
    "report": lambda: reporter.report(),
    "counters": lambda: collector.counters(counters),
    "sockets": lambda: collector.sockets(sockets),
    "encode": lambda: written.write(1700000000, counters, sockets),
    "tree": lambda: baseline.tree(1700000000, counters, sockets),
    "cbor2": lambda: baseline.dumps(tree),
    "json": lambda: baseline.json_dumps(tree),
    "nothing": lambda: None,
}


def repeat(work, times):
    for _ in range(times):
        work()


def heap(work):
    """Bytes allocated by one time, garbage included, and bytes in use after it, garbage excluded."""
    work()
    allocated = in_use = 1 << 30
    for _ in range(3):  # the collector takes what looks like a pointer for one: the least is the true figure
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        work()
        allocated = min(allocated, gc.mem_alloc() - before)
        gc.enable()
        gc.collect()
        in_use = min(in_use, gc.mem_alloc())
    return f"{allocated} {in_use}"


def command(words):
    if words[0] == "sample":
        sample()
        return "ok"
    if words[0] == "heap":
        return heap(WORK[words[1]])
    if words[0] == "bytes":
        for byte in WORK[words[1]]():
            print(f"{byte:02x}", end="")
        return ""
    repeat(WORK[words[0]], int(words[1]))
    return "ok"


if len(sys.argv) > 4:
    if sys.argv[4] not in ("report", "counters", "sockets"):
        sample()
    command(sys.argv[4:])
else:
    print("ready")
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        print(command(line.split()))
