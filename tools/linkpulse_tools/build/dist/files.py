"""Archives that are the same, byte for byte, whenever and by whomever they are made."""

import gzip
import io
import os
import subprocess
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.errors import ToolError

EARLIEST = 315532800  # 1980-01-01, the first date of a zip archive
VARIABLE = "SOURCE_DATE_EPOCH"


class Unavailable(ToolError):
    """This machine lacks a program for one kind of package. The other kinds can be built."""


@dataclass(frozen=True)
class Member:
    """A file in an archive: its bytes and its mode, 0644 or 0755."""

    data: bytes
    mode: int = 0o644


def epoch() -> int:
    """The date of every file, in seconds since 1970: SOURCE_DATE_EPOCH, or else the last commit's, or else 1980."""
    given = os.environ.get(VARIABLE)
    if given:
        if not given.isdecimal():
            raise ToolError(f"{VARIABLE} must be seconds since 1970, but it is {given!r}")
        return max(EARLIEST, int(given))
    command = ["git", "-C", str(paths.ROOT), "log", "-1", "--format=%ct"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return EARLIEST
    return max(EARLIEST, int(said))


def environment() -> dict:
    """This process's environment with that date, for programs that put a date into what they make."""
    return dict(os.environ, **{VARIABLE: str(epoch())})


def tar_gz(target: Path, members: dict[str, Member]) -> Path:
    """Write `members` (by their name in the archive), sorted and owned by root. Returns `target`."""
    raw, now = io.BytesIO(), epoch()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, member in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(member.data), member.mode, now
            info.uname = info.gname = "root"
            tar.addfile(info, io.BytesIO(member.data))
    target.write_bytes(gzip.compress(raw.getvalue(), mtime=now))
    return target


def zip_file(target: Path, members: dict[str, Member]) -> Path:
    """The same as a zip archive, whose dates are UTC."""
    date = time.gmtime(epoch())[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in sorted(members.items()):
            info = zipfile.ZipInfo(name, date)
            info.create_system = 3  # 3 means Unix, so that the mode is used
            info.external_attr = (0o100000 | member.mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.data)
    return target
