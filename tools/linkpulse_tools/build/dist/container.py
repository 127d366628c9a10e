"""A folder from which a container engine builds an image that reports on its host."""

from pathlib import Path

from linkpulse_tools import __version__
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist import linux as dist_linux
from linkpulse_tools.build.dist.files import Member
from linkpulse_tools.build.dist.linux import PACKAGING, member

SOURCE = PACKAGING / "container"


def build(out: Path) -> list[Path]:
    """Write linkpulse-container-VERSION.tar.gz into `out`."""
    members = dist_linux.under("linkpulse-container", contents())
    return [dist_files.tar_gz(out / f"linkpulse-container-{__version__}.tar.gz", members)]


def contents() -> dict[str, Member]:
    """The files for the engine: the Containerfile, and the files that it copies."""
    return {**dist_linux.tree(), **{path.name: member(path) for path in sorted(SOURCE.iterdir())}}
