"""`linkpulse provision` in this process, and a mosquitto that runs on what it wrote."""

import hashlib
import json
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from linkpulse_tools import cli
from linkpulse_tools.mqtt.broker import MosquittoBroker
from linkpulse_tools.pki import authority, certs
from linkpulse_tools.pki.certs import Files
from linkpulse_tools.pki.store import Store


class Devices:
    """The folder that provisioning writes to, and the command on it. `out` and `err` are what it said last."""

    def __init__(self, folder: Path, capsys):
        self.folder, self._capsys = folder, capsys
        self.out = self.err = ""

    def run(self, *arguments) -> int:
        """The command's exit code."""
        self._capsys.readouterr()
        try:
            cli.main(["provision", "--out", str(self.folder), *map(str, arguments)])
            return 0
        except SystemExit as end:
            return end.code
        finally:
            self.out, self.err = self._capsys.readouterr()

    def provision(self, *arguments) -> dict[str, str]:
        """State by what, of a run that goes well."""
        code = self.run(*arguments, "--json")
        assert code == 0, self.err
        return {row["what"]: row["state"] for row in json.loads(self.out)["steps"]}

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def json(self, name: str) -> dict:
        return json.loads(self.read(name))

    def snapshot(self) -> dict[str, tuple]:
        """Every file with its mode, its bytes and when it was last written."""
        return {
            str(path.relative_to(self.folder)): (
                path.stat().st_mode,
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    @property
    def bundle(self):
        return authority.bundle(Store(self.folder))

    def pem(self, thing: str, to: Path) -> Files:
        """A thing's certificate and key as PEM, which a client on this machine needs."""
        certificate = x509.load_der_x509_certificate(self.read(f"{thing}/cert.der"))
        key = serialization.load_der_private_key(self.read(f"{thing}/key.der"), None)
        return certs.save(certs.Pair(certificate, key), to, thing)


class ProvisionedMosquitto(MosquittoBroker):
    """mosquitto on the files that provisioning wrote, for the port that is free."""

    def __init__(self, devices: Devices, thing: str, folder: Path):
        super().__init__(devices.bundle, folder)
        self._devices, self._thing = devices, thing

    def _configuration(self) -> str:
        self._devices.provision(self._thing, "--port", self.port)
        lines = ["persistence false", "log_dest stderr", "log_type all", f"include_dir {self._devices.folder}/ca"]
        if os.geteuid() == 0:
            lines.insert(0, "user root")  # otherwise it changes its user and cannot read the key
        return "\n".join(lines) + "\n"
