"""Which modules of lib/ go together: a folder of lib/linkpulse is a slice, and what a device loads is made of them.

The collectors are collect/NAME.py or the folder collect/NAME, one for each platform.
"""

from pathlib import Path

from linkpulse_tools import paths

CBOR = "microcbor.py"
PACKAGE = "linkpulse"
COLLECT = "collect"
# What an application with an MQTT connection of its own loads: one thing's reports, without a session or settings.
REPORTS = ("__init__", "errors", "port", "sample", "report")
# Loaded by an agent whose settings name hardware.
HARDWARE = "board"
# What no device with MicroPython loads: other runtimes, and a module that is empty when compiled.
NOT_LOADED = ("port/cpython.py", "collect/layout.py")


def rooms(lib: Path = paths.LIB) -> list[str]:
    """The folders and modules of the package, without the collectors."""
    return [name for name in _entries(lib / PACKAGE) if name != COLLECT]


def collectors(lib: Path = paths.LIB) -> list[str]:
    """The platforms that a collector is there for."""
    shared = {"__init__", "interface_filter", "layout"}
    return [name for name in _entries(lib / PACKAGE / COLLECT) if name not in shared]


def agent(*chosen: str, lib: Path = paths.LIB) -> list[str]:
    """The modules of an agent with the collectors of that name, relative to lib/, sorted."""
    return _files(rooms(lib), chosen, lib)


def reports(*chosen: str, lib: Path = paths.LIB) -> list[str]:
    """The modules of a reporter without a session, relative to lib/, sorted."""
    return _files(REPORTS, chosen, lib)


def room_of(module: str) -> str:
    """The room in which a module lies, by its path relative to lib/: "session", "errors", "microcbor.py"."""
    first, _, rest = module.partition("/")
    return rest.partition("/")[0].removesuffix(".py") if rest else first


def _files(names, chosen, lib: Path) -> list[str]:
    platforms = [name for name in collectors(lib) if name not in chosen]
    collecting = [name for name in _entries(lib / PACKAGE / COLLECT) if name not in platforms]
    wanted = [lib / PACKAGE / name for name in (*names, *(f"{COLLECT}/{name}" for name in collecting))]
    found = (path for name in wanted for path in (*name.rglob("*.py"), name.with_suffix(".py")) if path.exists())
    modules = {path.relative_to(lib).as_posix() for path in found}
    return sorted({CBOR, *modules} - {f"{PACKAGE}/{name}" for name in NOT_LOADED})


def _entries(folder: Path) -> list[str]:
    return sorted({path.stem for path in folder.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))})
