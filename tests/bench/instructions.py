"""Instructions of user space a report takes, counted by valgrind: the figure that repeats best."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from .worker import Failed

TIMEOUT = 240


def available() -> bool:
    return shutil.which("valgrind") is not None


def count(command: list[str], env: dict) -> int:
    """Instructions of one whole run."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    done = subprocess.run(valgrind, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise Failed("valgrind: " + "\n".join(done.stderr.strip().splitlines()[-5:]))
    return int(found[1])


def each(jobs: dict[str, tuple]) -> dict[str, int]:
    """Instructions of one time of some work: jobs are (command, env, few, many), the command run with both numbers.

    What starting costs is in both runs and cancels out.
    """
    runs = [(name, times) for name, (_, _, few, many) in jobs.items() for times in (many, few)]
    with ThreadPoolExecutor(2) as pool:
        counted = list(pool.map(lambda run: count([*jobs[run[0]][0], str(run[1])], jobs[run[0]][1]), runs))
    totals = dict(zip(runs, counted, strict=True))
    return {name: (totals[name, many] - totals[name, few]) // (many - few) for name, (_, _, few, many) in jobs.items()}
