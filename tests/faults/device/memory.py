"""Rows 34 and 35: memory that runs out at every single block, and a heap that is locked."""

import gc
import json
import micropython
import doubles
import fakeproc
from doubles import Broker, Link, Proc, Time
from fakeproc import ESTABLISHED, TCP, TCP6, UDP, row, table, udp

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
    body = json.loads(report) if report[:1] == b"{" else doubles.decode(report)
    numbers = doubles.numbers(body)
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
        one._status.tell(told)
        if told.changed:
            told.changed = False
            return True
    return False


class Told:
    changed = False

    def __call__(self):
        self.changed = True


def starved(proc, state, format, tags):
    """Every number of free blocks for a whole cycle, from none to enough, each followed by one with memory.

    `state`: "warm", connected after many reports; "lost", the connection too is to be made; "first", right after the
    start; "grown", with an interface and a connection that the cycle sees for the first time.
    """
    clock = doubles.install(Time())
    p = Proc(proc, **tables())
    broker = Broker(cbor=format == "cbor")
    told = Told()
    ballast = Ballast()
    more = (("eth1", 7, 7, 7, 7),) if state == "grown" else ()

    def start():
        clock.now += 1000000
        Link.broker = broker
        return doubles.agent(clock, broker, proc, format=format, tags=tags, timeout=5)

    one = start()
    p.traffic(1000)
    cycle(one, clock, told)
    assert one._status.values["accepted"] == 1, one._status.values
    expected = picture(broker.report)[0]
    base = counted = 1000
    made = errors = grown = 0
    open_files = doubles.descriptors()
    blocks = 0
    while True:
        assert blocks < LIMIT, "a cycle needs more than %d blocks" % LIMIT
        counted += 1000
        fresh = state in ("first", "grown")
        if fresh:
            one._session.close()
            one = start()
            if state == "grown":
                p.traffic(counted)
                assert cycle(one, clock, told)
                base = counted
                counted += 1000
        elif state == "lost":
            one._session.close()
        p.traffic(counted, *more)
        values = one._status.values
        before = values["accepted"]
        reports = broker.reports
        # The cycle under test.
        gc.collect()
        ballast.leave(blocks)
        failed = None
        try:
            cycle(one, clock, told)
        except Exception as e:
            failed = e
        ballast.free()
        if failed is not None:
            import sys

            sys.print_exception(failed)
            raise AssertionError("with %d blocks %s came out of the agent" % (blocks, type(failed).__name__))
        succeeded = values["accepted"] > before
        if not succeeded:
            errors += 1
            assert values["outcome"] in ("error", "unknown"), values
        bases = [counted] if succeeded else [base, counted] if broker.reports > reports else [base]
        if fresh and not succeeded:
            bases.append(None)  # the report that must not have the block may be still to come
            if state == "first":
                bases += [counted, counted + 1000]
        # Afterwards all is well again.
        counted += 1000
        p.traffic(counted, *more)
        for _ in range(4):
            before = values["accepted"]
            assert cycle(one, clock, told), "with %d blocks the agent stands still" % blocks
            if values["accepted"] > before:
                break
        assert values["accepted"] > before, values
        made += 1
        body, numbers = picture(broker.report)
        assert body == expected, "with %d blocks the report became %s" % (blocks, body)
        if numbers is None:
            assert None in bases, "with %d blocks the differences are gone" % blocks
        else:
            known = [(counted - b, counted - b, 2 * (counted - b), 3 * (counted - b)) for b in bases if b is not None]
            assert numbers in known, "with %d blocks %s is none of %s" % (blocks, numbers, known)
        base = counted
        if doubles.descriptors() > open_files:
            grown += 1
        if succeeded:
            break
        blocks += 1
    return {"blocks": blocks, "bytes": blocks * BLOCK, "failed": errors, "sane after": made, "files": grown}


def locked(proc, connections, format, tags, size):
    """Sampling, differences, encoding and commit with the heap locked. [rows, listed, bytes, room]."""
    from linkpulse.collect.linux import Collector
    from linkpulse.reporter import Reporter

    p = Proc(proc, **tables(int(connections)))
    ids = [1000]

    def next_id():
        ids[0] += 1
        return ids[0]

    r = Reporter(Collector(proc), "thing-1", next_id, format, tags, None, 50, int(size))
    for n in range(4):
        p.traffic(1000 * n)
        r.report()
        r.counters.commit()
    p.traffic(5000)
    report = r._report
    writer = report._writer
    whole = writer.result
    writer.result = nothing  # the view that it makes is the one object a report costs
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


def nothing():
    return None


if __name__ == "__main__":
    doubles.main(globals())
