"""The files in every package for Linux: the launcher, the agent's modules, umqtt.simple, and what checks all that.

Modules are packed as source. A compiled one (.mpy) fits one version of the bytecode only, so after an upgrade of
MicroPython the agent could not start until its package is upgraded too. docs/linux.md says what the source costs.
"""

from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import slices, umqtt
from linkpulse_tools.build.dist.files import Member

PACKAGING = paths.ROOT / "packaging"
LAUNCHER = "bin/linkpulse-agent"
LIB = "lib/linkpulse"
# The doctor's scripts that check.py runs.
PROBES = ("begin", "settings", "files", "writable", "clock", "name", "port", "session", "running", "report")


def tree() -> dict[str, Member]:
    """The files by their name below a prefix such as /usr. The launcher finds the modules relative to itself."""
    members = {LAUNCHER: member(PACKAGING / "linux" / "linkpulse-agent", 0o755)}
    for name in ("main.py", "check.py"):
        members[f"{LIB}/{name}"] = member(PACKAGING / "linux" / name)
    for name in PROBES:
        members[f"{LIB}/probes/{name}.py"] = member(paths.PROBES / f"{name}.py")
    members[f"{LIB}/umqtt/simple.py"] = member(umqtt.ensure(paths.VENDOR))
    for name in slices.agent("linux"):
        members[f"{LIB}/{name}"] = member(paths.LIB / name)
    return members


def member(path: Path, mode: int = 0o644) -> Member:
    """A file of the checkout as a file of an archive. The mode of the checkout's file is not used."""
    return Member(path.read_bytes(), mode)


def under(prefix: str, members: dict[str, Member]) -> dict[str, Member]:
    """The same files, with `prefix` and a slash before every name."""
    return {f"{prefix}/{name}": found for name, found in members.items()}
