"""Reads and checks a device's folder, which `provision` wrote: settings.json, ca.der, cert.der, key.der."""

import datetime
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from linkpulse_tools.device import interpreter, process
from linkpulse_tools.errors import ToolError

SETTINGS = "settings.json"
SOON = datetime.timedelta(days=30)
# The device's own code checks the settings, so that this check accepts exactly what the device accepts.
CHECK = f"""
import json
from linkpulse.errors import SettingsError
from linkpulse.settings import load
try:
    s = load({SETTINGS!r})
    print(json.dumps({{"warnings": s.warnings, "timeout": s.timeout}}))
except SettingsError as e:
    print(json.dumps({{"problem": str(e)}}))
"""


@dataclass(frozen=True)
class Folder:
    """A device's folder.

    `settings` is the map in settings.json. `files` maps a path on the device to bytes. It includes settings.json, but
    not a key that the device made itself. `warnings` are texts for the user. `timeout` is in seconds.
    """

    path: Path
    settings: dict
    files: dict
    warnings: tuple
    timeout: int

    @property
    def own_key(self) -> str | None:
        """The path of the device's own key on the device, or None if the key is in the folder."""
        key = self.settings["key"]
        return None if key in self.files else key


def load(path: Path) -> Folder:
    """The folder at `path`. A ToolError says everything that is wrong with it."""
    if not (path / SETTINGS).is_file():
        raise ToolError(f"{path} has no {SETTINGS}: `linkpulse provision` makes such a folder")
    try:
        settings = json.loads((path / SETTINGS).read_bytes())
    except ValueError as error:
        raise ToolError(f"{path / SETTINGS} is not JSON: {error}") from None
    checked = _check(path)
    files = {SETTINGS: (path / SETTINGS).read_bytes()}
    problems = []
    for name in ("ca", "cert", "key"):
        inside = PurePosixPath(settings[name])
        if inside.is_absolute() or ".." in inside.parts:
            problems.append(f"{name}: {settings[name]} is not a path in this folder")
        elif (path / inside).is_file():
            files[settings[name]] = (path / inside).read_bytes()
        elif name != "key":
            problems.append(f"{name}: there is no {settings[name]}")
    if problems:
        raise ToolError(f"{path}: " + "; ".join(problems))
    warnings = [*checked["warnings"], *_judge(path, settings, files)]
    return Folder(path, settings, files, tuple(warnings), checked["timeout"])


def _check(path: Path) -> dict:
    runtime = interpreter.find()
    done = subprocess.run(
        [runtime.path, "-c", CHECK],
        cwd=path,
        env=process.environment(runtime),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode:
        raise ToolError(f"{path / SETTINGS} cannot be checked:\n{done.stdout}{done.stderr}")
    told = json.loads(done.stdout)
    if "problem" in told:
        raise ToolError(f"{path / SETTINGS}: {told['problem']}")
    return told


def _judge(path: Path, settings: dict, files: dict):
    """Warnings about certificates. A ToolError for those that no broker accepts."""
    now = datetime.datetime.now(datetime.timezone.utc)
    authorities = _certificates(path, settings["ca"], files)
    if all(ca.not_valid_after_utc < now for ca in authorities):
        raise ToolError(f"{path / settings['ca']} expired on {authorities[0].not_valid_after_utc:%Y-%m-%d}: renew it")
    certificate = _certificates(path, settings["cert"], files)[0]
    if certificate.not_valid_after_utc < now:
        expired = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise ToolError(f"{path / settings['cert']} expired on {expired}: `linkpulse provision THING --renew`")
    if certificate.not_valid_before_utc > now:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise ToolError(f"{path / settings['cert']} is not valid before {begins}: is this machine's clock right?")
    if settings["key"] in files and _key(path, settings["key"], files).public_key() != certificate.public_key():
        raise ToolError(f"{path / settings['key']} is not the key of {settings['cert']}: provision the thing again")
    if certificate.not_valid_after_utc < now + SOON:
        yield f"{settings['cert']} expires on {certificate.not_valid_after_utc:%Y-%m-%d}"


def _certificates(path: Path, name: str, files: dict) -> list[x509.Certificate]:
    data = files[name]
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise ToolError(
            f"{path / name} does not contain a certificate as PEM or DER: put the right file there"
        ) from error


def _key(path: Path, name: str, files: dict):
    data = files[name]
    load_key = serialization.load_pem_private_key if b"-----BEGIN" in data else serialization.load_der_private_key
    try:
        return load_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ToolError(
            f"{path / name} does not contain a private key without a password: put the right file there"
        ) from error
