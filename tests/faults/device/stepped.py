"""An agent that a test leads step by step: a line of Python on standard input, a line of JSON on standard output.

The agent and all that schedules run on virtual time, which only moves when a test says so; the link keeps real time,
with a deadline of `TIMEOUT` ms, so that a deadline is waited for in earnest and yet soon over. Arguments: a file with
settings.
"""

import gc

gc.threshold(4096)

import json
import os
import select
import sys
import time as real

TIMEOUT = 400
PATIENCE = 20  # ms, the longest single wait for a message


class Clock:
    """Stands where a module has its `time`."""

    def __init__(self):
        self.now = 1000000
        self.base = int(real.time())
        self.gmtime = real.gmtime
        self.ticks_add = real.ticks_add
        self.ticks_diff = real.ticks_diff

    def ticks_ms(self):
        return self.now

    def sleep(self, seconds):
        self.now += int(seconds * 1000)

    def time(self):
        return self.base + (self.now - 1000000) // 1000


clock = Clock()

import linkpulse.agent.agent
import linkpulse.port.clock
import linkpulse.session.tls_stream
import linkpulse.agent.schedule
import linkpulse.session.session
from linkpulse.errors import NetworkError
from linkpulse.settings import Settings

linkpulse.port.clock.wall_clock = clock.time
for module in (linkpulse.agent.agent, linkpulse.agent.schedule, linkpulse.session.session):
    module.time = clock

agent = board = None
failure = None  # class, text and wait of the last one


def make(**changes):
    """A new agent, as after a restart of the process."""
    global agent
    with open(sys.argv[1]) as f:
        values = json.load(f)
    values.update(changes)
    agent = linkpulse.agent.agent.Agent(Settings(values))
    session = agent.session
    session._timeout = TIMEOUT
    patient = session.wait
    session.wait = lambda ms: patient(min(ms, PATIENCE))
    inner = agent._failed

    def failed(error):
        global failure
        wait = inner(error)
        failure = [type(error).__name__, str(error), wait]
        return wait

    agent._failed = failed


def open_tables():
    """The collector's files are open from here on."""
    reporter = agent.reports.reporter
    collector = reporter._collector
    collector._dev.rewind()
    collector.sockets(reporter._sockets)
    gc.collect()


def advance(ms):
    clock.now += ms


def due():
    """Virtual time goes on to where the next report is due."""
    clock.now = max(clock.now, agent.reports.next, agent._retry.due)


def told(wait):
    s = agent._status.values
    return {
        "wait": wait,
        "failure": failure,
        "outcome": s["outcome"],
        "last_error": s["last_error"],
        "retry_after": s["retry_after"],
        "connected": agent.session.connected(),
        "waiting": agent.reports.waiting,
        "now": clock.now,
    }


def step():
    """One step of the agent."""
    global failure
    failure = None
    return told(agent.step())


def wait(ms=400):
    """What the agent does between steps, in real time: until the outcome is known, or `ms` are over."""
    global failure
    failure = None
    end = real.ticks_add(real.ticks_ms(), ms)
    outcomes = total()
    while agent.session.connected() and outcomes == total() and real.ticks_diff(end, real.ticks_ms()) > 0:
        agent.pause(PATIENCE)
    return told(None)


def total():
    s = agent._status.values
    return s["accepted"] + s["rejected"] + s["unknown"] + s["errors"]


def cycle(ms=400):
    """A report when it is due, and the wait for its answer."""
    due()
    result = step()
    if agent.reports.waiting and failure is None and not agent.reports._again:
        result = wait(ms)
    return result


def drained():
    """The time in which the answer to the report before may come from what the broker has kept is over."""
    if agent.reports._again:
        advance(30001)


def hasty(ms):
    """Only `ms` for each try to publish from here on."""
    session = agent.session
    publish = session.publish

    def short(topic, payload):
        session._timeout = ms
        try:
            publish(topic, payload)
        finally:
            session._timeout = TIMEOUT

    session.publish = short


class Hardware:
    """In place of a Board: counts its calls; `down` is a reason why there is no network."""

    def __init__(self):
        self.beats = self.connects = 0
        self.down = None

    def connect(self):
        self.connects += 1
        if self.down:
            raise NetworkError(self.down)

    def beat(self):
        self.beats += 1


def hardware():
    """The agent has such hardware from here on."""
    global board
    board = agent._board = Hardware()
    agent.session.stream._beat = board.beat


def cancelled(wanted):
    """Runs the agent as a task, until the report is acknowledged or (`wanted`) accepted, and cancels it."""
    import asyncio

    async def main():
        task = asyncio.create_task(agent.run_async())
        while not (agent._status.values["accepted"] if wanted else agent.reports.waiting):
            await asyncio.sleep_ms(5)
        await asyncio.sleep_ms(5)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as e:
            return type(e).__name__

    due()
    return asyncio.run(main()), agent._status.values["outcome"]


def flood(n):
    """How many messages each wait() of the session took, until it had n; and the agent's own word on the last one."""
    session = agent.session
    received = session._client.cb
    seen = [0]

    def count(topic, payload):
        seen[-1] += 1
        received(topic, payload)

    session._client.set_callback(count)
    while sum(seen) < n:
        seen.append(0)
        session.wait(PATIENCE)
    return seen, agent._status.values["last_error"]


def fill():
    """Sends until the broker's window and all buffers are full."""
    write = agent.session.stream._tls.write
    block = bytes(16384)
    quiet = 0
    while quiet < 8:  # kernels find room again for a moment, by packing what they hold
        quiet = 0 if write(block) else quiet + 1
        if quiet:
            block = b"1"
            real.sleep_ms(50)


def heap():
    gc.collect()
    return gc.mem_alloc()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def main():
    make()
    lines = select.poll()
    lines.register(sys.stdin, select.POLLIN)
    print(json.dumps({"value": "ready"}))
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        try:
            try:
                answer = {"value": eval(line, globals())}
            except SyntaxError:
                exec(line, globals())
                answer = {"value": None}
        except Exception as e:
            answer = {"raised": [type(e).__name__, str(e)]}
        print(json.dumps(answer))


main()
