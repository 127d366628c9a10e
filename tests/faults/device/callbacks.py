"""Row 38: a collector or a callback that raises anything."""

import rig
from proc_folder import Proc
from virtual_broker import Broker, TLSStream
from virtual_time import Time, install


class Mute(Exception):
    """Its text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


def kinds():
    return (
        Exception("what it says"), OSError(5), OSError(), ValueError(b"\xff"), RuntimeError(), KeyError("k"),
        IndexError(1), TypeError(None), AttributeError("a"), ZeroDivisionError(), StopIteration(1),
        NotImplementedError(), AssertionError(), MemoryError(), UnicodeError("\u20ac"), Mute(),
    )  # fmt: skip


class Collector:
    """Linux's, in which a method raises: at once, or after it has done half or all of its work."""

    width = 64
    counts_from_start = False
    skipped = 0

    def __init__(self, proc):
        from linkpulse.collect.linux import Collector

        self._inner = Collector(proc)
        self.where = self.error = None

    def counters(self, into):
        self._do("counters", into)

    def sockets(self, into):
        self._do("sockets", into)

    def _do(self, what, into):
        where = self.where
        if where == "before " + what:
            raise self.error
        if where == "amid " + what:
            into.begin()
            if what == "counters":
                into.put(b"lo", 0, 2, rig.zeros(8))
            raise self.error
        getattr(self._inner, what)(into)
        if where == "after " + what:
            raise self.error


def collectors(proc):
    """For each place and each kind of exception: [place, kind, blocks, problem, outcome, difference afterwards]."""
    clock = install(Time())
    import json

    p = Proc(proc)
    broker = Broker()
    differences = []

    def decide(report_id):
        numbers = rig.numbers(json.loads(broker.report))
        differences.append(numbers[0] if numbers else 0)
        return "accept"

    broker.decide = decide
    collector = Collector(proc)
    one = rig.agent(clock, broker, proc, collector)
    total = 1000
    p.traffic(total)
    rig.run(one, clock, 600000)
    found = []
    for where in (
        "before counters",
        "amid counters",
        "after counters",
        "before sockets",
        "amid sockets",
        "after sockets",
    ):
        for error in kinds():
            collector.where = where
            collector.error = error
            total += 10
            p.traffic(total)
            reports = broker.reports
            rig.run(one, clock, 310000)
            status = one.status()
            blocks = sorted(json.loads(broker.report)["metrics"]) if broker.reports > reports else None
            problem = status["problem"]
            outcome = status["outcome"]
            last_error = status["last_error"]
            collector.where = None
            total += 1
            p.traffic(total)
            before = status["accepted"]
            del differences[:]
            for _ in range(10):
                rig.run(one, clock, 310000)
                if one.status()["accepted"] > before:
                    break
            report = json.loads(broker.report)
            assert one.status()["problem"] is None and len(report["metrics"]) == 4
            found.append((where, type(error).__name__, blocks, problem, outcome, last_error, sum(differences)))
    return found


def callbacks(proc):
    """A log and an `on_outcome` that raise each kind in turn: what status() says, and that reports go on."""
    clock = install(Time())
    Proc(proc)
    broker = Broker()
    current = [None, None]
    calls = [0, 0]

    def log(level, text):
        calls[0] += 1
        if current[0] is not None:
            raise current[0]

    def on_outcome():
        calls[1] += 1
        if current[1] is not None:
            raise current[1]

    one = rig.agent(clock, broker, proc, log=log)
    found = []
    for which in (0, 1):
        for error in kinds():
            current[:] = [None, None]
            current[which] = error
            before = one.status()["accepted"], calls[which]
            rig.run(one, clock, 620000, on_outcome)
            status = one.status()
            found.append(
                (
                    which,
                    type(error).__name__,
                    status["accepted"] - before[0],
                    calls[which] - before[1],
                    status["last_error"],
                )
            )
    # A log that fails while the network does.
    current[:] = [MemoryError(), Mute()]
    TLSStream.broker = None
    one.close()
    rig.run(one, clock, 3600000, on_outcome)
    return found, one.status()["errors"]


class Handler:
    """A handler beside the reports. It publishes every 100 s; receive() raises `error`, if there is one."""

    topics = ("jobs/accepted", "jobs/rejected")

    def __init__(self):
        from linkpulse.agent import schedule

        self._schedule = schedule
        self._next = schedule.after(0)
        self.sent = self.received = 0
        self.error = None

    def due(self):
        return self._schedule.until(self._next)

    def message(self):
        self._next = self._schedule.after(100000)
        self.sent += 1
        return "jobs", b'{"header": {"report_id": %d}}' % self.sent

    def receive(self, topic, payload):
        if topic != b"jobs/accepted":
            return None
        self.received += 1
        if self.error is not None:
            raise self.error
        return True

    def connected(self, kept):
        pass

    def lost(self):
        pass


def handlers(proc):
    """A handler that raises each kind: [kind, what it received, reports accepted, errors, last_error] of each."""
    clock = install(Time())
    Proc(proc)
    handler = Handler()
    one = rig.agent(clock, Broker(), proc, handlers=(handler,))
    rig.run(one, clock, 600000)
    found = []
    for error in kinds():
        if not isinstance(error, MemoryError):
            one._status.values["last_error"] = None
            before = one.status()["accepted"], one.status()["errors"], handler.received
            handler.error = error
            rig.run(one, clock, 620000)
            s = one.status()
            name = type(error).__name__
            after = s["accepted"] - before[0], s["errors"] - before[1], handler.received - before[2]
            found.append((name, after, s["last_error"]))
    return found


class Blind(Collector):
    """It sees nothing, so no report can be made."""

    def _do(self, what, into):
        pass


def beside(proc):
    """What a handler published and received in an hour beside reports that cannot be made; errors and connections."""
    clock = install(Time())
    Proc(proc)
    handler = Handler()
    broker = Broker()
    one = rig.agent(clock, broker, proc, Blind(proc), handlers=(handler,))
    rig.run(one, clock, 3600000)
    return handler.sent, handler.received, one.status()["errors"], broker.connects


class Forbidden(Handler):
    """A handler that always has something to publish, for which the broker cuts the connection."""

    def due(self):
        return 0

    def message(self):
        return "jobs", b'{"header": {"report_id": 7}}'


def after_forbidden(proc):
    """What a handler published in an hour after one whose messages cut the connection; accepted reports."""
    clock = install(Time())
    Proc(proc)
    handler = Handler()
    handler.sent = 1000
    one = rig.agent(
        clock, Broker(lambda number: "cut" if number == 7 else "accept"), proc, handlers=(Forbidden(), handler)
    )
    rig.run(one, clock, 3600000)
    return handler.sent - 1000, one.status()["accepted"]


def stopped(proc):
    """What ends the program ends the agent, with its connection closed; run() after that reports again."""
    clock = install(Time())
    Proc(proc)
    broker = Broker()
    collector = Collector(proc)
    one = rig.agent(clock, broker, proc, collector)
    found = []
    for kind in (KeyboardInterrupt, SystemExit):
        for where in ("before counters", "after sockets"):
            rig.run(one, clock, 610000)
            collector.where = where
            collector.error = kind()
            clock.end = clock.now + 610000
            try:
                one.run()
                found.append("went on")
            except kind:
                found.append((kind.__name__, one.status()["connected_since"] is not None))
            collector.where = None
        # In the middle of a wait for the answer, too.
        broker.decide = lambda report_id: "lose"
        rig.run(one, clock, 300000)
        broker.decide = lambda report_id: "accept"
        before = one.status()["accepted"]
        rig.run(one, clock, 700000)
        found.append(one.status()["accepted"] > before)
    return found


if __name__ == "__main__":
    rig.main(globals())
