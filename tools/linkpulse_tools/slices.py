"""Which modules of lib/ go together: what an agent, or an application with a connection of its own, has to load."""

from pathlib import Path

from linkpulse_tools import paths

CBOR = "microcbor.py"
# The collectors' own modules by platform, in collect/.
COLLECTORS = {
    "linux": ("addresses", "diag", "judge", "lines", "linux", "scan", "walk", "wanted"),
    "lwip": ("lwip", "wanted"),
    "sockets": ("counted", "endpoint", "ledger", "sockets", "wanted"),
    "cyw43": ("cyw43",),
}
# The reporter and all that it loads, for either format.
REPORTS = (
    "__init__",
    "clock",
    "errors",
    "jsonwriter",
    "names",
    "ports",
    "report",
    "reporter",
    "response",
    "response_cbor",
    "response_json",
    "rows",
    "sample",
    "state",
    "tags",
)
ONLY_ON = {"linux": ("baseline",)}


def agent(*collectors: str, lib: Path = paths.LIB) -> list[str]:
    """The modules of an agent with these collectors (names of COLLECTORS), relative to lib/, sorted."""
    elsewhere = {name for platform, names in ONLY_ON.items() if platform not in collectors for name in names}
    own = [path.stem for path in (lib / "linkpulse").glob("*.py") if path.stem not in elsewhere]
    return _files(own, collectors)


def reports(*collectors: str) -> list[str]:
    """The modules of a reporter without a session, relative to lib/, sorted."""
    return _files(REPORTS, collectors)


def _files(own, collectors) -> list[str]:
    collecting = {"__init__", *(name for collector in collectors for name in COLLECTORS[collector])}
    names = {f"linkpulse/{name}.py" for name in own} | {f"linkpulse/collect/{name}.py" for name in collecting}
    return sorted({CBOR, *names})
