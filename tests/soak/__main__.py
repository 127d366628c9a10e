"""`python -m tests.soak virtual` and `python -m tests.soak real`: the agent over a long time, and a table."""

import argparse
import secrets
import sys

from rich.console import Console

from tests.soak import real, virtual


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("kind", choices=["virtual", "real"])
    parser.add_argument("--hours", type=int, default=72, help="virtual hours (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="real minutes (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="what an earlier run printed")
    options = parser.parse_args()
    seed = secrets.randbelow(2**30) if options.seed is None else options.seed
    console = Console()
    console.print(f"seed {seed}")
    problems = []
    if options.kind == "virtual":
        for format, tags in (("cbor", "short"), ("json", "long")):
            _, sums = virtual.soak(options.hours, seed, format, tags)
            console.print(virtual.table(options.hours, seed, format, tags, sums))
            problems += virtual.problems(sums)
    else:
        found = real.soak(options.minutes, seed, console.print)
        console.print(real.table(found))
        problems += found.problems
    for problem in problems:
        console.print(problem, style="red")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
