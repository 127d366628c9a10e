"""What every package for Linux has in it: the launcher, the agent's modules, umqtt.simple.

Modules are packed as source. Compiled ones (.mpy) fit one version of the bytecode only: an upgrade of the machine's
MicroPython would end the agent until its package is upgraded too. What that costs is in docs/linux.md.
"""

from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import slices, umqtt
from linkpulse_tools.build.dist.files import Member

PACKAGING = paths.ROOT / "packaging"
LAUNCHER = "bin/linkpulse-agent"
LIB = "lib/linkpulse"


def tree() -> dict[str, Member]:
    """The files by their name under a prefix such as /usr: the launcher finds the modules from where it lies."""
    members = {LAUNCHER: member(PACKAGING / "linux" / "linkpulse-agent", 0o755)}
    members[f"{LIB}/main.py"] = member(PACKAGING / "linux" / "main.py")
    members[f"{LIB}/umqtt/simple.py"] = member(umqtt.ensure(paths.VENDOR))
    for name in slices.agent("linux"):
        members[f"{LIB}/{name}"] = member(paths.LIB / name)
    return members


def member(path: Path, mode: int = 0o644) -> Member:
    """A file of the checkout as one of an archive; the checkout's own modes do not count."""
    return Member(path.read_bytes(), mode)


def under(prefix: str, members: dict[str, Member]) -> dict[str, Member]:
    """The same with `prefix` and a slash before every name."""
    return {f"{prefix}/{name}": found for name, found in members.items()}
