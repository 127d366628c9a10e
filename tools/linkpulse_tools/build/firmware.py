"""Firmware for the board in QEMU, plain or with the agent frozen in. It is built if its sources changed."""

import contextlib
import fcntl
import hashlib
import importlib.util
import shutil
from pathlib import Path

from linkpulse_tools import files, paths
from linkpulse_tools.build import mpy, umqtt
from linkpulse_tools.errors import ToolError

BOARD = paths.ROOT / "boards" / "qemu-mps2"
OUT = paths.BUILD / "firmware"
AGENT = OUT / "agent"  # the files that boards/qemu-mps2/manifest_agent.py freezes
ARCH = "armv7m"
HEAP = 65536
MANIFESTS = {"plain": "manifest.py", "agent": "manifest_agent.py"}
FOLDERS = {"plain": OUT / "qemu-mps2", "agent": OUT / "qemu-mps2-agent"}
SEEN = (".c", ".h", ".ld", ".mk", ".py", ".mpy")
STAMP = "built.sha256"


class Unavailable(ToolError):
    """This machine lacks a program that builds the firmware."""


def script(name: str):
    """boards/qemu-mps2/NAME.py as a module. These scripts also work alone, outside any package."""
    if not BOARD.is_dir():
        raise ToolError(
            "the board in QEMU needs a checkout of linkpulse: clone the repository and run this command there"
        )
    spec = importlib.util.spec_from_file_location(f"linkpulse_qemu_mps2_{name}", BOARD / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ensure(kind: str = "agent", heap: int = HEAP, progress=lambda text: None) -> Path:
    """The firmware of that kind ("plain" or "agent"). It is built now if anything in it changed."""
    OUT.mkdir(parents=True, exist_ok=True)
    with _alone():
        plain = _made("plain", heap, progress)
        return plain if kind == "plain" else _made(kind, heap, progress)


@contextlib.contextmanager
def _alone():
    with (OUT / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _made(kind: str, heap: int, progress) -> Path:
    if kind == "agent":
        umqtt.ensure(paths.VENDOR)
        for lib, folder in ((paths.LIB, AGENT / "lib"), (paths.VENDOR, AGENT / "vendor")):
            mpy.compile_tree(lib, folder, ARCH, shown=str)  # under these names they are frozen
    out = FOLDERS[kind]
    elf, stamp = out / "firmware.elf", out / STAMP
    seal = f"{_digest(kind)} {heap}\n"
    if elf.exists() and stamp.exists() and stamp.read_text() == seal:
        return elf
    build = script("build")
    progress(f"building the firmware ({kind})")
    stamp.unlink(missing_ok=True)
    _provide(build)
    seal = f"{_digest(kind)} {heap}\n"  # with the sources that were fetched now
    like = None if kind == "plain" else FOLDERS["plain"]
    try:
        made = build.build(out, heap, True, BOARD / MANIFESTS[kind], paths.FIRMWARE, like)
    except build.BuildError as error:
        raise ToolError(f"the firmware: {error}") from error
    files.write(stamp, seal.encode())
    return made


def _provide(build) -> None:
    """Fetch what the build needs. An Unavailable says what is missing."""
    try:
        build.install()
        build.sources()
    except build.BuildError as error:
        raise Unavailable(f"the firmware cannot be built here: {error}") from error


def _digest(kind: str) -> str:
    """A digest of everything in the firmware: the port, lwipstat, the frozen modules, and the fetched sources."""
    digest = hashlib.sha256()
    folders = [BOARD, paths.FIRMWARE / "lwipstat", *([AGENT] if kind == "agent" else [])]
    fetched = paths.BUILD / "src" / "fetched"
    for path in [p for folder in folders for p in sorted(folder.rglob("*"))] + [fetched]:
        if path.is_file() and (path.suffix in SEEN or path.name in ("Makefile", "fetched")):
            if path.parent == BOARD and path.name in ("build.py", "qemu.py") or "test" in path.parts:
                continue
            digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def qemu():
    """The module that starts machines. Unavailable if QEMU is not installed."""
    if not shutil.which("qemu-system-arm"):
        raise Unavailable("qemu-system-arm is not installed")
    return script("qemu")
