# Executed at the board's REPL by tests/bench/qemu.py: the agent step by step, with `values` for its settings.
import gc

gc.threshold(4096)

import time


def used():
    gc.collect()
    return gc.mem_alloc()


def load():
    global Agent, Settings
    from linkpulse.agent.agent import Agent
    from linkpulse.settings import Settings

    return used()


def make():
    global agent
    agent = Agent(Settings(values))  # noqa: F821
    return used()


def crowd(port, n):
    """So many connections of an application."""
    import socket

    global kept
    kept = []
    for _ in range(n):
        s = socket.socket()
        s.connect(("10.0.2.2", port))
        kept.append(s)
    return used()


def connect():
    agent._connect()
    return used()


def reports(n):
    """That many reports as fast as they are accepted; raises for one that is not."""
    for _ in range(n):
        agent.reports.next = time.ticks_ms()
        before = agent._status.values["accepted"]
        agent.step()
        while agent.reports.waiting:
            agent.pause(200)
        if agent._status.values["accepted"] != before + 1:
            raise RuntimeError(agent._status.values)
    return used()


def steady():
    """Bytes that one report allocates, garbage included: the least of five."""
    least = 1 << 29
    for _ in range(5):
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        agent.reports.reporter.report()
        least = min(least, gc.mem_alloc() - before)
        gc.enable()
    return least


def ticks(call, *args):
    """Ticks of the board's 25 MHz clock: the least of five."""
    least = 1 << 29
    for _ in range(5):
        gc.collect()
        start = time.ticks_cpu()
        call(*args)
        least = min(least, time.ticks_diff(time.ticks_cpu(), start))
    return least


def parts():
    """(whole report, counters, sockets, writing) in ticks, and the report's size."""
    r = agent.reports.reporter
    size = len(r.report())
    return (
        ticks(r.report), ticks(r._collector.counters, r.counters), ticks(r._collector.sockets, r._sockets),
        ticks(r._report.write, 1700000000, r.counters, r._sockets, True), size,
    )  # fmt: skip
