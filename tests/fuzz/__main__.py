"""`python -m tests.fuzz`: a million inputs for every parser on every interpreter that runs it, and a table."""

import argparse
import secrets
import sys

from rich.console import Console
from rich.table import Table

from tests.fuzz import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs for each parser (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="what an earlier run printed")
    parser.add_argument("--parser", action="append", help=f"only this one: {', '.join(run.names())}")
    parser.add_argument("--runtime", choices=["cpython", "micropython", "both"], default="both")
    parser.add_argument("--jobs", type=int, help="processes at once (default: one a core)")
    options = parser.parse_args()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    console = Console()
    console.print(f"seed {seed}")
    results = run.fuzz(options.inputs, seed, options.parser, options.runtime, console.print, options.jobs)
    table = Table(title=f"fuzzing, seed {seed}")
    for name in ("parser", "runtime", "inputs", "seconds", "inputs/s", "escapes"):
        table.add_column(name, justify="left" if name in ("parser", "runtime") else "right")
    for r in results:
        rate = f"{r.inputs / r.seconds:,.0f}" if r.seconds else ""
        table.add_row(r.parser, r.runtime, f"{r.inputs:,}", f"{r.seconds:.1f}", rate, str(len(r.escapes)))
    console.print(table)
    return 1 if any(r.escapes for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
