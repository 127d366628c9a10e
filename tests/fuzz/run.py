"""Runs the workers: one process for each piece of work, as many at once as there are cores."""

import ast
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import mpy, umqtt
from linkpulse_tools.device import interpreter
from linkpulse_tools.pki import certs

HERE = Path(__file__).resolve().parent
DEVICE = HERE / "device"
CORPUS = HERE / "corpus"
DOUBLES = HERE.parent / "doubles" / "device"
PIECE = 250_000  # inputs of one process
SLOWEST = 300  # inputs a second, on any machine: below that a process hangs


@dataclass
class Result:
    """What came of one parser on one interpreter. An escape is a dict: what, text, seed, input, file."""

    parser: str
    runtime: str
    inputs: int = 0
    seconds: float = 0.0
    escapes: list = field(default_factory=list)


def names(runtime: str = "micropython") -> list[str]:
    """The parsers that an interpreter runs."""
    tree = ast.parse((DEVICE / "parsers.py").read_text(encoding="utf-8"))
    lists = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("BOTH", "ONLY_MICROPYTHON")
    }
    return list(lists["BOTH"] + (lists["ONLY_MICROPYTHON"] if runtime == "micropython" else ()))


def fuzz(inputs: int, seed: int, only=None, runtime: str = "both", tell=print, cores=None) -> list[Result]:
    """Feed every parser `inputs` inputs on every interpreter, and what is in the corpus."""
    runtimes = ["cpython", "micropython"] if runtime == "both" else [runtime]
    results = [Result(name, kind) for kind in runtimes for name in names(kind) if not only or name in only]
    interpreter_of = interpreter.find() if "micropython" in runtimes else None
    if interpreter_of:
        umqtt.ensure(paths.VENDOR)
        mpy.for_interpreter(paths.LIB, paths.MPY, interpreter_of.arch)
    with tempfile.TemporaryDirectory() as folder:
        bundle = certs.make_bundle(Path(folder), "thing-1")
        files = [bundle.ca.der, bundle.thing.der, bundle.thing.key_der]
        work = [
            (result, seed + number * 1000 + at // PIECE, min(PIECE, inputs - at))
            for number, result in enumerate(results)
            for at in range(0, inputs, PIECE)
        ]
        with ThreadPoolExecutor(cores or os.cpu_count()) as pool:
            list(pool.map(lambda one: _piece(*one, interpreter_of, files, tell), work))
    return results


def _piece(result: Result, seed: int, inputs: int, micropython, files, tell) -> None:
    done, said = _worker(result, seed, inputs, micropython, files)
    for line in said.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if "escape" in found:
            result.escapes.append(found)
            tell(f"{result.parser} on {result.runtime}: {found}")
        else:
            result.inputs += found["inputs"]
            result.seconds += found["seconds"]
            return
    # The process ended, or did not: once more, with each input written down before it is tried.
    what = f"it ended with {done}" if done is not None else "it did not end"
    again, _ = _worker(result, seed, -inputs, micropython, files)
    folder = CORPUS / result.parser
    trying = folder / ".trying"
    if again is not None and trying.exists():
        trying.replace(folder / f"{what.replace(' ', '-')}-{seed}")
    trying.unlink(missing_ok=True)
    found = {"escape": what, "text": said[-300:], "seed": str(seed), "file": str(folder)}
    result.escapes.append(found)
    tell(f"{result.parser} on {result.runtime}: {found}")


def _worker(result: Result, seed: int, inputs: int, micropython, files):
    script = DEVICE / "worker.py"
    arguments = [result.parser, str(seed), str(inputs), str(CORPUS / result.parser), *map(str, files)]
    if inputs < 0:
        (CORPUS / result.parser).mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, TZ="UTC", PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    if result.runtime == "cpython":
        command = [sys.executable, str(script), *arguments]
    else:
        command = micropython.command(script, *arguments, heap="2M")
        library = paths.MPY / (micropython.arch or "bytecode")
        env["MICROPYPATH"] = mpy.search_path(library, paths.VENDOR, DEVICE, DOUBLES)
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60 + abs(inputs) / SLOWEST
        )
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace")
    said = done.stdout.decode(errors="replace")
    if done.returncode or '"inputs"' not in said:
        return done.returncode, said + done.stderr.decode(errors="replace")
    return 0, said
