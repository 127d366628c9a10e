"""The files that a board should have: the agent in the form that its firmware takes, and the device's own files."""

from dataclasses import dataclass
from pathlib import Path

from linkpulse_tools import __version__, paths
from linkpulse_tools.build import mpy, slices, umqtt
from linkpulse_tools.deploy import plan
from linkpulse_tools.deploy.folder import Folder
from linkpulse_tools.device import interpreter
from linkpulse_tools.device.identity import Identity
from linkpulse_tools.errors import ToolError


@dataclass(frozen=True)
class Form:
    """How modules are copied. If `compiled`, they are .mpy files with native code for `arch`, or bytecode if it is
    None."""

    compiled: bool
    arch: str | None

    def __str__(self) -> str:
        return f".mpy, {self.arch or 'bytecode'}" if self.compiled else ".py (this firmware takes no .mpy of this kind)"


def require(board: Identity) -> None:
    """Raise a ToolError that says what to do, if the agent cannot run on the board."""
    if board.name != "micropython":
        raise ToolError(f"this is {board.name}, not MicroPython: put MicroPython's firmware on the board")
    if board.version < interpreter.MINIMUM:
        needed = ".".join(map(str, interpreter.MINIMUM))
        raise ToolError(
            f"MicroPython {dotted(board)} is too old, {needed} is needed: put a newer firmware on the board"
        )
    if board.missing:
        raise ToolError(f"this firmware has no {', '.join(board.missing)}: put a firmware with them on the board")
    if board.frozen not in (None, __version__):
        raise ToolError(
            f"linkpulse {board.frozen} is frozen into this firmware and hides the modules in lib/, and this is "
            f"{__version__}: put a firmware with {__version__} on the board, or use the tools of {board.frozen}"
        )


def collectors(board: Identity) -> tuple[str, ...]:
    """The collectors that this board's agent can use, for slices.agent."""
    if board.lwipstat:
        return ("lwip",)
    if board.platform == "linux":
        return ("linux",)
    return ("counted", "cyw43") if board.radio else ("counted",)


def form(board: Identity) -> Form:
    """The form of modules that this firmware takes."""
    bytecode, native = mpy.taken_by(board.mpy)
    return Form(bytecode, board.arch if native else None)


def wanted(board: Identity, folder: Folder, record: dict) -> dict[str, bytes]:
    """path -> bytes, in the order of copying: a file comes after the files that it needs."""
    how, files = form(board), {}
    if board.frozen is None:
        files.update(_modules(paths.LIB, paths.MPY, slices.agent(*collectors(board)), how))
    if board.umqtt is None or board.umqtt == "file" and set(plan.UMQTT) & set(record.get("files", ())):
        umqtt.ensure(paths.VENDOR)
        files.update(_modules(paths.VENDOR, paths.MPY / "vendor", [umqtt.MEMBER], how))
    files.update(folder.files)
    files.update({name: (paths.FIRMWARE / name).read_bytes() for name in plan.SCRIPTS})
    return files


def dotted(board: Identity) -> str:
    """The board's version of MicroPython as people write it."""
    return ".".join(map(str, board.version))


def _modules(source: Path, cache: Path, names: list[str], how: Form) -> dict[str, bytes]:
    if not how.compiled:
        return {f"lib/{name}": (source / name).read_bytes() for name in names}
    compiled = mpy.for_interpreter(source, cache, how.arch)
    files = {Path(name).with_suffix(".mpy") for name in names}
    return {f"lib/{name.as_posix()}": (compiled / name).read_bytes() for name in sorted(files)}
