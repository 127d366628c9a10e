"""What the tests of the Linux packages share: settings for a broker here, and what the service heard."""

import contextlib
import json
import os
import queue
import shutil
from pathlib import Path

from linkpulse_tools.defender.service import Outcome, Service
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki.certs import Bundle

WAIT = 30.0


class Heard:
    """The outcomes of the reports that reach the service, as they come."""

    def __init__(self):
        self.outcomes: queue.Queue = queue.Queue()

    def accepted(self, otherwise=lambda: "") -> Outcome:
        """The next report, which must be accepted; if none comes, `otherwise()` tells more."""
        try:
            outcome = self.outcomes.get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"no report in {WAIT:g} s. {otherwise()}") from None
        assert outcome.status == "accepted", outcome
        return outcome


@contextlib.contextmanager
def service(where, bundle: Bundle):
    """A Heard of all reports at the broker `where`, which are answered meanwhile."""
    heard = Heard()
    with Responder(where.host, where.port, bundle, Service(0, heard.outcomes.put)):
        yield heard


def values(where, **more) -> dict:
    """Settings as `provision` writes them, with a report a second."""
    common = {"thing": "thing-1", "host": where.host, "port": where.port, "server_name": "localhost"}
    files = {"ca": "ca.der", "cert": "cert.der", "key": "key.der"}
    return {**common, **files, "interval": 1, "allow_short_interval": True, "loopback": True, "timeout": 10, **more}


def write(folder: Path, bundle: Bundle, settings: dict, owner: int | None = None) -> Path:
    """A device's folder, readable by its owner only; the path of settings.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in (("ca", bundle.ca.der), ("cert", bundle.thing.der), ("key", bundle.thing.key_der)):
        shutil.copy(path, folder / f"{name}.der")
    (folder / "settings.json").write_text(json.dumps(settings))
    for path in folder.iterdir():
        path.chmod(0o600)
        if owner is not None:
            os.chown(path, owner, owner)
    return folder / "settings.json"
