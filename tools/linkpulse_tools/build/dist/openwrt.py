"""A folder for an OpenWrt package feed, which builds a package for OpenWrt's own MicroPython."""

from pathlib import Path

from linkpulse_tools import __version__, paths
from linkpulse_tools.build.dist import debian as dist_debian
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist import linux as dist_linux
from linkpulse_tools.build.dist.files import Member
from linkpulse_tools.build.dist.linux import PACKAGING, member

SOURCE = PACKAGING / "openwrt" / "linkpulse"


def build(out: Path) -> list[Path]:
    """Write linkpulse-openwrt-VERSION.tar.gz into `out`."""
    name = f"linkpulse-openwrt-{__version__}"
    members = dist_linux.under("linkpulse", contents())
    return [dist_files.tar_gz(out / f"{name}.tar.gz", members)]


def contents() -> dict[str, Member]:
    """The folder's files. OpenWrt's build takes src/ as the package's source."""
    makefile = (SOURCE / "Makefile").read_text()
    filled = makefile.replace("@VERSION@", __version__).replace("@MAINTAINER@", dist_debian.MAINTAINER)
    return {
        "Makefile": Member(filled.encode()),
        **{f"files/{path.name}": member(path) for path in sorted((SOURCE / "files").iterdir())},
        **dist_linux.under("src", dist_linux.tree()),
        "src/LICENSE": member(paths.ROOT / "LICENSE"),
    }
