"""umqtt.simple 1.3.4, the MQTT client that the device code uses unchanged.

A wheel of these tools contains it. In a checkout it is fetched once, from the package index that pip is configured to
use. pip itself cannot install it, because the archive has no setup.py. The archive's digest is fixed below.
"""

import hashlib
import io
import tarfile
from pathlib import Path

from linkpulse_tools import files
from linkpulse_tools.build import package_index
from linkpulse_tools.errors import ToolError

PROJECT = "micropython-umqtt-simple"
VERSION = "1.3.4"
SHA256 = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
ARCHIVE = f"micropython-umqtt.simple-{VERSION}.tar.gz"
MEMBER = "umqtt/simple.py"
MEMBER_LIMIT = 64 * 1024
STAMP = "umqtt.sha256"


def download() -> bytes:
    """The archive from the package index, unverified."""
    return package_index.download(PROJECT, ARCHIVE)


def extract(archive: bytes, sha256: str = SHA256) -> bytes:
    """The text of umqtt/simple.py from a verified archive; nothing else of it is read, no path in it is used."""
    found = hashlib.sha256(archive).hexdigest()
    if found != sha256:
        raise ToolError(f"{PROJECT} {VERSION} has sha256 {found}, expected {sha256}: not used")
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            if member.isfile() and member.name.partition("/")[2] == MEMBER and member.size <= MEMBER_LIMIT:
                return tar.extractfile(member).read()
    raise ToolError(f"{PROJECT} {VERSION} holds no {MEMBER}")


def ensure(vendor: Path, fetch=download) -> Path:
    """Have vendor/umqtt/simple.py, downloading once; returns its path."""
    target = vendor / MEMBER
    stamp = vendor / STAMP
    if target.exists() and stamp.exists() and stamp.read_text() == _seal(target.read_bytes()):
        return target
    source = extract(fetch())
    files.write(target, source)
    files.write(stamp, _seal(source).encode())
    return target


def _seal(source: bytes) -> str:
    """What the stamp says: which archive, and what was taken out of it."""
    return f"{SHA256} {hashlib.sha256(source).hexdigest()}\n"
