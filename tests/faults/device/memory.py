"""Rows 34 and 35: memory that runs out at every single block, and a heap that is locked."""

import gc
import json
import sys
import micropython
import rig
from array import array
from proc_folder import Proc
from virtual_broker import Broker, decode
from virtual_time import Time, install
from proc_root import ESTABLISHED, TCP, TCP6, UDP, row, table, udp

BLOCK = 32  # bytes of a block of the heap: four words
LIMIT = 3000


def tables(connections=3):
    return {
        "tcp": table(TCP, [row("0.0.0.0", 22), row("192.0.2.1", 8080)]
                     + [row("192.0.2.1", 50000 + i, "203.0.113.9", 443, ESTABLISHED) for i in range(connections)]),
        "tcp6": table(TCP6, [row("::", 443), row("fd00::1", 40000, "2001:db8::9", 8883, ESTABLISHED)]),
        "udp": table(UDP, [udp("0.0.0.0", 5353)], 127),
    }  # fmt: skip


def picture(report):
    """What a report says but for its id and the differences, and these."""
    body = json.loads(report) if report[:1] == b"{" else decode(report)
    numbers = rig.numbers(body)
    for head in ("header", "hed"):
        body.pop(head, None)
    metrics = body.get("metrics", body.get("met"))
    metrics.pop("network_stats", metrics.pop("ns", None))
    return json.dumps(body), numbers


class Ballast:
    """All of the heap but for some blocks."""

    def __init__(self):
        self._chain = None

    def leave(self, blocks):
        """Fills the heap until `blocks` are free, and lets nothing be collected but by gc.collect()."""
        gc.collect()
        gc.disable()
        chain = None
        try:
            while True:
                chain = (chain,)  # one block each
        except MemoryError:
            pass
        while blocks and chain is not None:
            chain = chain[0]
            blocks -= 1
        self._chain = chain
        chain = None
        gc.collect()

    def free(self):
        self._chain = None
        gc.enable()
        gc.collect()


def cycle(one, clock, told):
    """The steps from now to the next outcome; False after too many."""
    for _ in range(12):
        clock.now += one.step()
        one._status.notify(told)
        if told.changed:
            told.changed = False
            return True
    return False


class Told:
    changed = False

    def __call__(self):
        self.changed = True


class Starved:
    """An agent whose memory runs out at a chosen block, and what its reports must say afterwards.

    `state`: "warm", connected after many reports; "lost", the connection too is to be made; "first", right after the
    start; "grown", with an interface that the cycle sees for the first time.
    """

    def __init__(self, proc, state, format, tags):
        self.clock = install(Time())
        self.proc = Proc(proc, **tables())
        self.broker = Broker(cbor=format == "cbor")
        self.told = Told()
        self.ballast = Ballast()
        self.state = state
        self.options = {"format": format, "tags": tags, "timeout": 5}
        self.one = self.start()
        self.counted = self.base = 1000
        self.proc.traffic(self.counted)
        self.cycle()
        assert self.accepted() == 1, self.one._status.values
        self.expected = picture(self.broker.report)[0]

    def start(self):
        self.clock.now += 1000000
        return rig.agent(self.clock, self.broker, self.proc.root, **self.options)

    def cycle(self):
        return cycle(self.one, self.clock, self.told)

    def accepted(self):
        return self.one._status.values["accepted"]

    def prepare(self):
        """Brings the agent to where the cycle under test begins, with 1000 more bytes counted."""
        self.counted += 1000
        more = ()
        if self.state == "lost":
            self.one.session.close()
        elif self.state != "warm":
            self.one.session.close()
            self.one = self.start()
        if self.state == "grown":
            self.proc.traffic(self.counted)
            assert self.cycle()
            self.base = self.counted
            self.counted += 1000
            more = (("eth1", 7, 7, 7, 7),)
        self.more = more
        self.proc.traffic(self.counted, *more)

    def starve(self, blocks):
        """The cycle with so many blocks: True when it succeeded. Nothing may come out of the agent."""
        before = self.accepted()
        failed = None
        gc.collect()
        self.ballast.leave(blocks)
        try:
            self.cycle()
        except Exception as e:
            failed = e
        self.ballast.free()
        if failed is not None:
            sys.print_exception(failed)
            raise AssertionError("with %d blocks %s came out of the agent" % (blocks, type(failed).__name__))
        values = self.one._status.values
        assert values["accepted"] > before or values["outcome"] in ("error", "unknown"), values
        return values["accepted"] > before

    def bases(self, succeeded, sent):
        """What the next report may count from; None for a report that has no differences."""
        if succeeded:
            return [self.counted]
        # The service may have accepted a report whose answer found no memory.
        bases = [self.base, self.counted] if sent else [self.base]
        if self.state == "first":
            bases += [None, self.counted, self.counted + 1000]
        return bases

    def recover(self, blocks, bases):
        """With memory again all must be well: a whole report, with the right differences."""
        self.counted += 1000
        self.proc.traffic(self.counted, *self.more)
        before = self.accepted()
        for _ in range(4):
            assert self.cycle(), "with %d blocks the agent stands still" % blocks
            if self.accepted() > before:
                break
        assert self.accepted() > before, self.one._status.values
        body, numbers = picture(self.broker.report)
        assert body == self.expected, "with %d blocks the report became %s" % (blocks, body)
        known = [None if b is None else tuple([n * (self.counted - b) for n in (1, 1, 2, 3)]) for b in bases]
        assert numbers in known, "with %d blocks %s is none of %s" % (blocks, numbers, known)
        self.base = self.counted


def starved(proc, state, format, tags):
    """Every number of free blocks for a whole cycle, from none to enough, each followed by a cycle with memory."""
    s = Starved(proc, state, format, tags)
    files = rig.descriptors()
    for blocks in range(LIMIT):
        s.prepare()
        reports = s.broker.reports
        succeeded = s.starve(blocks)
        s.recover(blocks, s.bases(succeeded, s.broker.reports > reports))
        assert rig.descriptors() <= files, "with %d blocks a file was left open" % blocks
        if succeeded:
            return {"blocks": blocks, "bytes": blocks * BLOCK}
    raise AssertionError("a cycle needs more than %d blocks" % LIMIT)


def locked(proc, connections, format, tags, size):
    """Sampling, differences, encoding and commit with the heap locked. [rows, listed, bytes, room]."""
    from linkpulse.collect.linux import Collector
    from linkpulse.report import Reporter

    p = Proc(proc, **tables(int(connections)))
    ids = [1000]

    def next_id():
        ids[0] += 1
        return ids[0]

    r = Reporter(Collector(proc), "thing-1", next_id, format=format, tags=tags, size=int(size))
    # In bytecode a row of a length that was not seen before takes memory, so each sample has the same connections.
    chosen = bytes(r._sockets.state)
    for n in range(4):
        p.traffic(1000 * n)
        r._sockets.state[:] = array("i", chosen)
        r.report()
        r.counters.commit()
    p.traffic(5000)
    report = r._report
    writer = report._writer
    whole = writer.result
    writer.result = nothing  # the view that it makes is the one object a report costs
    r._sockets.state[:] = array("i", chosen)
    micropython.heap_lock()
    try:
        r._sample()
        report.write(2000, r.counters, r._sockets)
        difference = r.counters.difference(0)
        r.counters.commit()
    finally:
        micropython.heap_unlock()
    assert difference == 2000 and r.counters.difference(0) == 0
    body, _ = picture(bytes(whole()))
    tcp = json.loads(body)
    tcp = tcp.get("metrics", tcp.get("met"))
    tcp = tcp.get("tcp_connections", tcp.get("tc"))
    tcp = tcp.get("established_connections", tcp.get("ec"))
    return [tcp.get("total", tcp.get("t")), len(tcp.get("connections", tcp.get("cs"))), writer.size, len(report._buf)]


def own_kernel(format):
    """The same over this machine's own tables, which are read through sock_diag: how many sockets, and by what."""
    from linkpulse.collect.linux import Collector
    from linkpulse.report import Reporter

    ids = iter(range(1000, 9999))
    r = Reporter(Collector("/proc", True), "thing-1", lambda: next(ids), format=format, size=8192)
    for _ in range(4):
        r.report()
        r.counters.commit()
    report = r._report
    report._writer.result = nothing
    micropython.heap_lock()
    try:
        r._sample()
        report.write(2000, r.counters, r._sockets)
        r.counters.commit()
    finally:
        micropython.heap_unlock()
    s = r._sockets
    return [s.connections + s.tcp_ports.kept, s.tcp_read, s.udp_read, r._collector._diag is not None]


def nothing():
    return None


if __name__ == "__main__":
    rig.main(globals())
