"""The real agent between the doubles, and what the programs that run it share."""

import json
import os
import sys
from array import array
from virtual_broker import TLSStream
from virtual_time import Done


def settings(proc, **values):
    from linkpulse.settings import Settings

    all_of_them = {
        "thing": "thing-1", "host": "broker.example", "ca": "/none", "cert": "/none", "key": "/none",
        "format": "json", "tags": "long", "proc": proc, "state": "",
    }  # fmt: skip
    all_of_them.update(values)
    return Settings(all_of_them)


def agent(clock, broker, proc, collector=None, log=None, handlers=(), **values):
    """The real agent and session over a TLSStream to `broker`. `clock` must be installed already."""
    from linkpulse.session import session
    from linkpulse.agent.agent import Agent

    TLSStream.time = clock
    TLSStream.broker = broker
    TLSStream.fault = None
    session.TLSStream = TLSStream
    session.context = lambda *files: None
    return Agent(settings(proc, **values), collector, log, handlers)


def run(one, clock, ms, on_outcome=None):
    """Agent.run() for so much virtual time."""
    clock.end = clock.elapsed() + ms
    one._piece = min(one._piece, 1000)  # so that it ends in time
    try:
        one.run(on_outcome)
    except Done:
        pass


def run_on(one, clock, ms, on_outcome):
    """The same without an end of the agent: its connection stays."""
    end = clock.now + ms
    while clock.now < end:
        one.pause(min(one.step(), end - clock.now))
        one._status.notify(on_outcome)


def descriptors():
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def numbers(report):
    """(bytes in, packets in, bytes out, packets out) of a decoded report in either tags, or None."""
    metrics = report.get("metrics", report.get("met"))
    stats = metrics.get("network_stats", metrics.get("ns"))
    if stats is None:
        return None
    return tuple([stats.get(long, stats.get(short)) for long, short in
                  (("bytes_in", "bi"), ("packets_in", "pi"), ("bytes_out", "bo"), ("packets_out", "po"))])  # fmt: skip


def zeros(n):
    return array("i", (0,) * n)


def main(functions):
    """Runs the function named by the first argument with the others, and prints what it returns as JSON."""
    print(json.dumps(functions[sys.argv[1]](*sys.argv[2:])))
