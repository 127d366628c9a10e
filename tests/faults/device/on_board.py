# The device of test_silence_on_qemu.py, executed at the board's REPL, where `values` are the settings.
import gc

gc.threshold(4096)

import time

import lwipstat
import socket
from linkpulse.agent.agent import Agent
from linkpulse.settings import Settings

TIMEOUT = 2000  # ms: the device's deadline

agent = failure = None


def make():
    """A new agent, as after a restart."""
    global agent
    agent = None
    gc.collect()
    agent = Agent(Settings(values))  # noqa: F821
    agent.session._timeout = TIMEOUT
    inner = agent._failed

    def failed(error):
        global failure
        wait = inner(error)
        failure = type(error).__name__, str(error), wait
        return wait

    agent._failed = failed


def cycle(patience=4000):
    """A report now, and the wait for its answer: (failure, outcome, ms that it took, connected)."""
    global failure
    failure = None
    start = time.ticks_ms()
    agent.reports.next = agent._retry.due = start
    agent.step()
    if failure is None and agent.reports._again:
        agent.reports._answer_due = start  # the broker has kept nothing for it: that wait is over
        agent.step()
    while agent.reports.waiting and failure is None and time.ticks_diff(time.ticks_ms(), start) < patience:
        agent.pause(20)
    took = time.ticks_diff(time.ticks_ms(), start)
    return failure, agent._status.values["outcome"], took, agent.session.connected()


def open_to(port):
    """Connections to that port of the host that are not over: their states."""
    rows = bytearray(64 * lwipstat.SOCKET)
    found = []
    for i in range(lwipstat.tcp(rows)):
        at = i * lwipstat.SOCKET
        if rows[at + 6] | rows[at + 7] << 8 == port and rows[at] in (2, 3, 4, 7):
            found.append(rows[at])
    return found


def heap():
    gc.collect()
    return gc.mem_alloc()


def connected(port):
    s = socket.socket()
    s.connect(("10.0.2.2", port))
    return s


def timed(call, *args):
    """(ms, what it returned or the number that it raised)."""
    start = time.ticks_ms()
    try:
        result = call(*args)
    except OSError as e:
        result = e.errno
    return time.ticks_diff(time.ticks_ms(), start), result
