"""What kind of board it is, and what is on it already."""

import json
from dataclasses import asdict, dataclass

from linkpulse_tools.device import interpreter
from linkpulse_tools.device.serial_board import Remote

# Frozen is what can be imported from the firmware alone; umqtt.simple may also lie in lib/.
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
    """A board, as it says itself.

    `version` is (major, minor, patch) of what `name` says, usually micropython; `missing` are modules of
    interpreter.MODULES that it has not. `heap` and `disk` are free bytes, `block` is a block of the file system.
    `radio`: it has WLAN.ioctl, of the CYW43. `umqtt`: "frozen", "file" or None. `frozen`: the version of linkpulse in
    the firmware, None without. `mpy` is sys.implementation._mpy, 0 where it takes no .mpy; `arch` is its native code's
    name for mpy-cross, None without.
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
    """Ask a board. Best after a soft reset: its heap is then what a program would find."""
    told = json.loads(board.run(PROBE % (interpreter.MODULES,)).strip().splitlines()[-1])
    disk, block = board.free()
    told["version"], told["missing"] = tuple(told["version"]), tuple(told["missing"])
    return Identity(**told, disk=disk, block=block)
