"""Finds the MicroPython that runs the device code, and checks that it is suitable."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from linkpulse_tools.errors import ToolError

MODULES = ("tls", "socket", "select", "json", "struct", "binascii", "random")
MINIMUM = (1, 24)
HEAP = "256K"
OTHER = "name another with LINKPULSE_MICROPYTHON=PATH (with make, MICROPYTHON=PATH)"
ARCHITECTURES = (
    None,
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)
PROBE = """
import sys, gc
missing = []
for name in MODULES:
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
it = sys.implementation
print('{"name": "%s", "version": [%d, %d, %d], "mpy": %d, "heap": %d, "missing": "%s"}' % (
    it[0], it[1][0], it[1][1], it[1][2], getattr(it, "_mpy", 0),
    gc.mem_free() + gc.mem_alloc() if hasattr(gc, "mem_free") else 0, " ".join(missing)))
""".replace("MODULES", repr(MODULES))


@dataclass(frozen=True)
class Interpreter:
    """A MicroPython that was checked. `arch` is mpy-cross's name for its native code, or None."""

    path: str
    version: tuple
    arch: str | None

    def command(self, script: Path, *arguments: str, heap: str = HEAP) -> list[str]:
        """The command line that runs a script with a heap of `heap`."""
        return [self.path, "-X", f"heapsize={heap}", str(script), *arguments]


def architecture(mpy: int) -> str | None:
    """The native architecture in sys.implementation._mpy (bits 10 to 13), or None for bytecode only."""
    index = mpy >> 10 & 0xF
    return ARCHITECTURES[index] if index < len(ARCHITECTURES) else None


def find(wanted: str | None = None) -> Interpreter:
    """The MicroPython that the argument or LINKPULSE_MICROPYTHON names, or else the one installed with this Python."""
    wanted = wanted or os.environ.get("LINKPULSE_MICROPYTHON")
    beside = Path(sys.executable).parent / "micropython"
    path = shutil.which(wanted) if wanted else (str(beside) if beside.exists() else shutil.which("micropython"))
    if not path:
        what = f"{wanted!r} is not a program" if wanted else "no MicroPython found"
        raise ToolError(f"{what}: {OTHER}")
    return check(os.path.abspath(path))


def check(path: str) -> Interpreter:
    """Run it once. A ToolError lists everything that the agent needs and this interpreter does not have."""
    try:
        command = [path, "-X", f"heapsize={HEAP}", "-c", PROBE]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{path} does not run: {error}: {OTHER}") from error
    try:
        found = json.loads(done.stdout)
        version = tuple(found["version"])
    except (ValueError, KeyError, TypeError):
        lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if "import sys" not in line]
        said = lines[-1:] or [f"exit code {done.returncode}"]
        raise ToolError(f"{path} is not a MicroPython that linkpulse can use ({said[0]}): {OTHER}") from None
    problems = list(_problems(found, version))
    if problems:
        raise ToolError(f"{path} cannot run the agent: {'; '.join(problems)}: {OTHER}")
    return Interpreter(path, version, architecture(found["mpy"]))


def _problems(found: dict, version: tuple):
    if found["name"] != "micropython":
        yield f"it is {found['name']}, not MicroPython"
    elif version < MINIMUM:
        yield f"its version is {'.'.join(map(str, version))}, and {'.'.join(map(str, MINIMUM))} or newer is needed"
    if found["missing"]:
        yield f"it has no module {found['missing'].replace(' ', ', ')}"
    if found["name"] == "micropython" and not 200_000 < found["heap"] < 300_000:
        yield f"it ignores -X heapsize={HEAP} (heap of {found['heap']} bytes)"
