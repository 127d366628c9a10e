"""python -m tests.bench [--quick] [--json]: measure, show, write build/bench.json. Asserts nothing."""

import argparse
import sys
import time

from rich.console import Console

from linkpulse_tools.errors import ToolError

from . import instructions, interval, measure, namespace, table
from .programs import Programs
from .worker import Failed


def notes(results: dict) -> list[str]:
    """What a reader must know about how this was measured."""
    alone = "in a network namespace of its own" if results["namespace"] else "in the machine's own network namespace"
    why = "" if results["namespace"] else f" ({results['namespace_problem']}): other sockets are counted as well"
    counted = "valgrind, user space only" if results["valgrind"] else "not counted: --quick, or no valgrind"
    return [
        f"Measured {alone} with {results['buckets']} TCP hash buckets{why}. N: established rows; besides "
        f"{namespace.LISTENERS} listeners, {namespace.DATAGRAM} UDP sockets, all on loopback and reported by both.",
        f"CPU: user and system, read from outside, {results['rounds']} rounds in turns, the lowest of each: what "
        f"disturbs a measurement only adds to it. Instructions: {counted}.",
        "AWS's agent: collection to JSON, nothing sent. cbor2 stand-in: an encoder in the style of micropython-lib's.",
        f"Interval: processor time and wake-ups in {interval.IDLE:g} s of waiting, connected by mutual TLS to a broker "
        f"here, times {interval.INTERVAL / interval.IDLE:g}, and the report of N=10; sending it is not counted.",
        "Heap: this interpreter has 64-bit words and loads the code into its heap, so the budget of 8 KB (32-bit, "
        "frozen) is not judged here, nor is the resident memory of a connected agent.",
    ]


def run(console: Console, quick: bool) -> dict:
    problem = namespace.isolate()
    programs = Programs()
    rounds = 3 if quick else 9
    valgrind = not quick and instructions.available()
    results = {
        "versions": programs.versions(),
        "namespace": problem is None,
        "namespace_problem": problem,
        "buckets": namespace.buckets(),
        "valgrind": valgrind,
        "rounds": rounds,
        "quick": quick,
    }

    def say(text: str) -> None:
        console.print(f"{text} …", style="dim")

    started = time.monotonic()
    with namespace.Sockets() as sockets:
        results["live"] = measure.live(programs, sockets, say, rounds, valgrind)
    if problem is None:  # elsewhere the port that AWS's agent asks for is not ours
        results["interval"] = interval.measure(programs, say)
    results["smallest_heap"] = measure.smallest_heap(programs, say)
    results["encoding"] = measure.encoding(programs, say, rounds)
    results["sizes"] = measure.sizes(programs)
    results["on_disk"] = measure.on_disk(programs)
    results["seconds"] = round(time.monotonic() - started, 1)
    results["notes"] = notes(results)
    results["lines"] = [
        {"group": line.group, "what": line.what, "ours": line.ours, "theirs": line.theirs, "value": line.value,
         "budget": line.budget, "verdict": line.verdict}
        for line in table.lines(results)
    ]  # fmt: skip
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no valgrind: some three minutes")
    parser.add_argument("--json", action="store_true", help="the figures on standard output instead of the table")
    options = parser.parse_args()
    try:
        results = run(Console(stderr=True), options.quick)
    except (Failed, ToolError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    table.publish(results, "bench.json", None if options.json else table.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
