"""Fetches umqtt.simple 1.3.4, the MQTT client that the device code uses unchanged.

pip cannot install it (the archive has no setup.py), so its address is asked of pip's own finder: the same indexes,
proxies, certificates and credentials as every other package. The archive's digest is fixed below.
"""

import hashlib
import io
import logging
import tarfile
from pathlib import Path

from linkpulse_tools import files
from linkpulse_tools.errors import ToolError

PROJECT = "micropython-umqtt-simple"
VERSION = "1.3.4"
SHA256 = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
MEMBER = "umqtt/simple.py"
MEMBER_LIMIT = 64 * 1024


def download() -> bytes:
    """The archive from the package index of pip's configuration, unverified."""
    from pip._internal.commands import create_command

    logging.getLogger("pip").setLevel(logging.ERROR)
    command = create_command("download")
    options, _ = command.parse_args([])
    try:
        with command.main_context():
            session = command.get_default_session(options)
            finder = command._build_package_finder(options, session)
            links = [c.link for c in finder.find_all_candidates(PROJECT) if str(c.version) == VERSION]
            if not links:
                raise ToolError(f"the package index has no {PROJECT} {VERSION}; `pip config list` says which is asked")
            if links[0].is_file:
                return Path(links[0].file_path).read_bytes()
            response = session.get(links[0].url_without_fragment)
            response.raise_for_status()
            return response.content
    except ToolError:
        raise
    except Exception as error:  # whatever pip's transport raises: it has no documented root
        raise ToolError(f"could not download {PROJECT} {VERSION}: {error}") from error


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
    stamp = vendor / "umqtt.sha256"
    if target.exists() and stamp.exists() and stamp.read_text() == _seal(target.read_bytes()):
        return target
    source = extract(fetch())
    files.write(target, source)
    files.write(stamp, _seal(source).encode())
    return target


def _seal(source: bytes) -> str:
    """What the stamp says: which archive, and what was taken out of it."""
    return f"{SHA256} {hashlib.sha256(source).hexdigest()}\n"
