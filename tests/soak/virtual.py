"""Virtual hours of the agent: what tests/soak/device/virtual.py says, and the table of it."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from rich.table import Table

from linkpulse_tools import paths
from linkpulse_tools.build import mpy, umqtt
from linkpulse_tools.device import interpreter

HERE = Path(__file__).resolve().parent
DOUBLES = HERE.parent / "doubles" / "device"
HEAP = "512K"
OUTCOMES = ("accepted", "rejected", "unknown", "errors")


def soak(hours: int, seed: int, format: str = "cbor", tags: str = "short") -> tuple[list[dict], dict]:
    """(what each hour said, the sums)."""
    runtime = interpreter.find()
    umqtt.ensure(paths.VENDOR)
    library = mpy.for_interpreter(paths.LIB, paths.MPY, runtime.arch)
    env = dict(os.environ, TZ="UTC", MICROPYPATH=mpy.search_path(library, paths.VENDOR, DOUBLES))
    with tempfile.TemporaryDirectory() as folder:
        arguments = map(str, (Path(folder) / "proc", hours, seed, format, tags))
        command = runtime.command(HERE / "device" / "virtual.py", *arguments, heap=HEAP)
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60 + 20 * hours
        )
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return said[:-1], said[-1]


def problems(sums: dict) -> list[str]:
    """What is not as it must be."""
    found = []
    if sums["growth"] > 0:
        found.append(f"the heap grew by {sums['growth']} bytes after the first hour")
    if sums["files"] > 0:
        found.append(f"{sums['files']} more files are open")
    if sums["ids backward"]:
        found.append(f"{sums['ids backward']} report ids did not increase")
    if sums["reported"] != sums["counted"]:
        found.append(f"{sums['reported']} bytes were reported of {sums['counted']} that were counted")
    return found


def table(hours: int, seed: int, format: str, tags: str, sums: dict) -> Table:
    shown = Table("what", "figure", title=f"{hours} virtual hours, {format}, {tags} tags, seed {seed}")
    status = sums["status"]
    shown.add_row("heap after each hour", ", ".join(f"{heap:,}" for heap in sums["heaps"]) + " bytes")
    shown.add_row("growth after the first hour", f"{sums['growth']} bytes")
    shown.add_row("more open files", str(sums["files"]))
    shown.add_row("reports sent, of them again with DUP", f"{sums['reports']:,}, {sums['again']:,}")
    shown.add_row("accepted, rejected, unknown, errors", ", ".join(f"{status[name]:,}" for name in OUTCOMES))
    shown.add_row("connections", f"{sums['connects']:,}")
    shown.add_row("what the broker did", ", ".join(f"{what} {n}" for what, n in sorted(sums["counts"].items())))
    shown.add_row("ids that did not increase", str(sums["ids backward"]))
    shown.add_row("bytes counted, bytes in accepted reports", f"{sums['counted']:,}, {sums['reported']:,}")
    return shown
