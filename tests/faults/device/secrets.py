"""Row 40: a run in which every kind of error happens, with all that can be said said."""

import json
import sys
import time
from linkpulse import Agent
from linkpulse.port.clock import synchronize
from linkpulse.collect.linux import Collector
from linkpulse.errors import LinkpulseError
from linkpulse.report import Reporter
from linkpulse.session.session import Session
from linkpulse.settings import Settings, load
from linkpulse.agent.status import DEBUG


def log(level, text):
    print("log", level, text)


def tell(e):
    """All that an exception can be made to say."""
    print("kind", type(e).__name__)
    print(str(e), repr(e), e.args)
    sys.print_exception(e)
    sys.print_exception(e, sys.stderr)


def attempt(call, *args):
    try:
        call(*args)
    except Exception as e:
        tell(e)


def agent(values, steps=8, collector=None):
    """An agent with these settings for a few steps, and all that it can be made to say."""
    try:
        s = Settings(values)
        print(repr(s), s.warnings)
        one = Agent(s, collector, log)
    except LinkpulseError as e:
        return tell(e)
    due = one.reports.next = time.ticks_ms()
    end = time.ticks_add(time.ticks_ms(), 1300)
    for _ in range(steps):
        wait = one.step()
        one.pause(min(wait, 300))
        print(json.dumps(one.status()))
        if time.ticks_diff(end, time.ticks_ms()) < 0 or one.reports.next != due and not one.session.connected():
            break  # it failed, and the next try is some time away
    for thing in (
        one,
        one.session,
        one.session.stream,
        one.session._packets,
        one.reports.reporter,
        one.reports.reporter._sockets,
        one.reports.ids,
    ):
        print(repr(thing), str(thing))
    one.session.close()
    session = Session(s, lambda topic, payload: print("message", topic, payload))
    attempt(session.connect)
    session.close()


def main(path):
    with open(path) as f:
        runs = json.load(f)
    for name in runs["settings"]:
        print("run", name)
        agent(runs["settings"][name])
    if "texts" not in runs:
        return
    good = runs["settings"]["accepted"]
    print("run nothing to report")
    agent(good, 8, Collector("/nonexistent"))
    print("run small buffer")
    agent(dict(good, buffer=20))
    for text in runs["texts"]:
        with open(runs["scratch"], "w") as f:
            f.write(text)
        attempt(load, runs["scratch"])
    attempt(synchronize, "127.0.0.1:9", 1)
    attempt(load, good["key"])  # the wrong file is named
    attempt(Settings, dict(good, port=runs["key text"], thing=5, key_text=runs["key path"]))
    ids = iter(range(1, 100))
    r = Reporter(Collector(good["proc"]), good["thing"], lambda: next(ids))
    r.report()
    for topic in (r.accepted, r.rejected):
        for payload in (b"", b"\xff" * 40, bytes(2000)):
            print(r.receive(topic, payload))
    print("level", DEBUG, "done")


if __name__ == "__main__":
    main(sys.argv[1])
