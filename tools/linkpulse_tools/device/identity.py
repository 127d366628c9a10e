"""Finds out what kind of board it is, and what is on it."""

import json
from dataclasses import asdict, dataclass

from linkpulse_tools.device import interpreter
from linkpulse_tools.device.serial_board import Remote

# A module is frozen if it can be imported from the firmware alone. umqtt.simple may also be in lib/.
PROBE = """
import gc, sys, json
gc.collect()
_heap = gc.mem_free()
def _has(name, path=None):
    before, known = sys.path[:], set(sys.modules)
    if path:
        sys.path[:] = path
    try:
        return __import__(name, None, None, ("",))
    except Exception:  # whatever a module of somebody else's does when it is loaded: it is of no use then
        return None
    finally:
        sys.path[:] = before
        for module in list(sys.modules):
            if module not in known:
                del sys.modules[module]
_it, _net, _lib = sys.implementation, _has("network"), _has("linkpulse", [".frozen"])
print(json.dumps({
    "platform": sys.platform, "name": _it[0], "version": list(_it[1][:3]), "mpy": getattr(_it, "_mpy", 0),
    "machine": getattr(_it, "_machine", ""), "heap": _heap,
    "missing": [name for name in %r if not _has(name)],
    "lwipstat": bool(_has("lwipstat")), "network": bool(_net),
    "wlan": hasattr(_net, "WLAN"), "radio": hasattr(getattr(_net, "WLAN", None), "ioctl"),
    "umqtt": "frozen" if _has("umqtt.simple", [".frozen"]) else "file" if _has("umqtt.simple") else None,
    "frozen": _lib.__version__ if _lib else None,
}))
"""


@dataclass(frozen=True)
class Identity:
    """A board, as it describes itself.

    `name` is the implementation, usually micropython, and `version` its (major, minor, patch). `missing` are the
    modules of interpreter.MODULES that the board does not have. `heap` and `disk` are free bytes, and `block` is the
    size of a block of the file system. `radio` says whether it has the CYW43's WLAN.ioctl. `umqtt` is "frozen", "file"
    or None. `frozen` is the version of linkpulse in the firmware, or None. `mpy` is sys.implementation._mpy, or 0 if it
    takes no .mpy files. `arch` is mpy-cross's name for its native code, or None.
    """

    platform: str
    name: str
    version: tuple
    mpy: int
    machine: str
    heap: int
    missing: tuple
    lwipstat: bool
    network: bool
    wlan: bool
    radio: bool
    umqtt: str | None
    frozen: str | None
    disk: int
    block: int

    @property
    def arch(self) -> str | None:
        return interpreter.architecture(self.mpy)

    def as_dict(self) -> dict:
        """For JSON."""
        return {**asdict(self), "arch": self.arch}


def of(board: Remote) -> Identity:
    """Ask a board. Do this after a soft reset, so that its heap is what a program would find."""
    told = json.loads(board.run(PROBE % (interpreter.MODULES,)).strip().splitlines()[-1])
    disk, block = board.free()
    told["version"], told["missing"] = tuple(told["version"]), tuple(told["missing"])
    return Identity(**told, disk=disk, block=block)
