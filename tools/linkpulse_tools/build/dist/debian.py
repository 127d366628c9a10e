"""A Debian package for every architecture, with a hardened systemd service.

dpkg-deb makes it from a tree that is laid out here. Nothing is compiled, so debhelper would add nothing.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

from linkpulse_tools import __version__, paths
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist import linux as dist_linux
from linkpulse_tools.build.dist.files import Member
from linkpulse_tools.build.dist.linux import PACKAGING, member
from linkpulse_tools.errors import ToolError

NAME = "linkpulse"
MAINTAINER = "linkpulse contributors <linkpulse@example.org>"
SOURCE = PACKAGING / "debian"
DOC = f"usr/share/doc/{NAME}"
SCRIPTS = ("postinst", "prerm", "postrm")


def build(out: Path) -> list[Path]:
    """Write linkpulse_VERSION_all.deb into `out`."""
    if not shutil.which("dpkg-deb"):
        raise dist_files.Unavailable("dpkg-deb is not installed: it comes with the package dpkg")
    target = out / f"{NAME}_{__version__}_all.deb"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / NAME
        stage(root)
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(target)]
        environment = {
            **dist_files.environment(),
            "DPKG_DEB_THREADS_MAX": "1",
        }  # the bytes depend on the number of threads
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise ToolError(f"dpkg-deb: {done.stderr.strip()}")
    return [target]


def contents() -> dict[str, Member]:
    """The package's files by their path without the leading slash."""
    return {
        **dist_linux.under("usr", dist_linux.tree()),
        f"usr/lib/{NAME}/private-copy": member(SOURCE / "private-copy", 0o755),
        f"usr/lib/systemd/system/{NAME}.service": member(SOURCE / f"{NAME}.service"),
        "usr/share/man/man1/linkpulse-agent.1.gz": _packed(_filled(SOURCE / "linkpulse-agent.1")),
        f"usr/share/lintian/overrides/{NAME}": member(SOURCE / "lintian-overrides"),
        f"{DOC}/changelog.gz": _packed(changelog((paths.ROOT / "CHANGELOG.md").read_text())),
        f"{DOC}/copyright": member(SOURCE / "copyright"),
        f"{DOC}/examples/settings.json": member(PACKAGING / "linux" / "settings.example.json"),
        f"{DOC}/settings.md": member(paths.ROOT / "docs" / "settings.md"),
    }


def stage(root: Path) -> None:
    """Lay out the package below `root`, in the form that dpkg-deb takes."""
    files = contents()
    sums = "".join(f"{hashlib.md5(file.data).hexdigest()}  {name}\n" for name, file in sorted(files.items()))
    size = sum(-(-len(file.data) // 1024) for file in files.values())
    control = _filled(SOURCE / "control").replace("@SIZE@", str(size)).replace("@MAINTAINER@", MAINTAINER)
    files["DEBIAN/control"] = Member(control.encode())
    files["DEBIAN/md5sums"] = Member(sums.encode())
    for script in SCRIPTS:
        files[f"DEBIAN/{script}"] = member(SOURCE / script, 0o755)
    for name, file in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        path.chmod(file.mode)
    (root / "etc" / NAME).mkdir(parents=True)  # for the settings and keys; only root can read it
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    (root / "etc" / NAME).chmod(0o700)
    when = dist_files.epoch()
    for path in root.rglob("*"):
        os.utime(path, (when, when))


def changelog(markdown: str) -> str:
    """CHANGELOG.md in the form of deb-changelog(5). A release is a section `## VERSION…` with a list."""
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(dist_files.epoch()))
    entries = []
    for section in markdown.split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        version = re.match(r"[0-9][0-9a-z.]*", heading)
        items = re.findall(r"^- (.+(?:\n  .+)*)", body, re.MULTILINE)
        if not version or not items:
            raise ToolError(f"CHANGELOG.md: the section {heading!r} must begin with a version and have a list")
        lines = [
            textwrap.fill(" ".join(item.split()), 78, initial_indent="  * ", subsequent_indent="    ") for item in items
        ]
        entry = [f"{NAME} ({version[0]}) unstable; urgency=medium", "", *lines, "", f" -- {MAINTAINER}  {date}"]
        entries.append("\n".join(entry) + "\n")
    return "\n".join(entries)


def _filled(path: Path) -> str:
    date = time.strftime("%Y-%m-%d", time.gmtime(dist_files.epoch()))
    return path.read_text().replace("@VERSION@", __version__).replace("@DATE@", date)


def _packed(text: str) -> Member:
    return Member(gzip.compress(text.encode(), mtime=0))
