"""What the tests of `linkpulse doctor` share: a device that is well, what doctor says of it, brokers with a script."""

import itertools
import json
import os
import re
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

from linkpulse_tools import cli
from tests.doubles.scripted_broker import Broker, Gone, server_context

ORDER = ["firmware", "linkpulse", "memory", "settings", "files", "clock", "network", "name", "port", "tls"]
ORDER += ["key", "dates", "connect", "subscribe", "publish", "response"]
THINGS = itertools.count()  # each with ids of its own, which may be of the same second
MAIN = b"with open('ran', 'a') as f:\n    f.write('x')\n"


class Result:
    """What doctor said: `code`, `checks` by name in their order, `error` on standard error."""

    def __init__(self, code, out, error):
        self.code, self.error = code, error
        self.checks = {check["name"]: check for check in json.loads(out).get("checks", ())} if out else {}

    def __repr__(self):
        return "\n".join(f"{c['name']}: {c['status']}: {c['text']} -> {c['hint']}" for c in self.checks.values())

    def named(self, status):
        return [name for name, check in self.checks.items() if check["status"] == status]

    def says(self, name, status, text, hint=""):
        """That check has this status, and these expressions are in what it says."""
        check = self.checks[name]
        assert check["status"] == status and re.search(text, check["text"]), self
        assert re.search(hint, check["hint"]) and bool(check["hint"]) >= (status in ("failed", "warning")), self

    def well(self):
        assert self.named("ok") == list(self.checks) and self.code == 0 and not self.error, self

    def only(self, name, text, hint="", also=()):
        """It failed, with `also` for the same reason; all that is left out is what these make impossible."""
        self.says(name, "failed", text, hint)
        assert set(self.named("failed")) == {name, *also} and self.code == 1, self
        assert not self.named("warning"), self
        for left_out in self.named("skipped"):
            self.says(left_out, "skipped", rf"until this works: ({'|'.join((name, *also))})$")
        assert f"{len(self.named('failed'))} of {len(self.checks)} checks failed" in self.error


class Patient:
    """A device's folder, with settings for the broker and files as they should be. `folder` may be a board's whole file
    system. `doctor(*options)` gives a Result; `arguments` say where the device is."""

    def __init__(self, folder: Path, arguments, capsys, certs, broker, host=None):
        self.folder, self.arguments, self._capsys = folder, arguments, capsys
        folder.mkdir(parents=True, exist_ok=True)
        self.values = {"thing": f"doctor-{os.getpid()}-{next(THINGS)}", "host": host or broker.host}
        self.values |= {"port": broker.port, "server_name": "localhost", "timeout": 5}
        for name, path in (("ca", certs.ca.der), ("cert", certs.thing.der), ("key", certs.thing.key_der)):
            self.put(name, path)
        self.settings()

    def put(self, name, data):
        """The file of that setting, from a path or bytes."""
        file = self.folder / f"{name}.der"
        file.write_bytes(data.read_bytes() if isinstance(data, Path) else data)
        file.chmod(0o600)
        self.values[name] = file.name

    def settings(self, **more):
        self.values |= more
        (self.folder / "settings.json").write_text(json.dumps(self.values))
        return self

    def shown(self, *options):
        """(exit code, standard output, standard error) of the command."""
        self._capsys.readouterr()
        code = 0
        try:
            cli.main(["doctor", *self.arguments, *options])
        except SystemExit as end:
            code = end.code
        return code, *self._capsys.readouterr()

    def doctor(self, *options) -> Result:
        return Result(*self.shown("--json", *options))


def lay_out(folder: Path, modules: Path, vendor: Path) -> None:
    """The code, as on a board."""
    shutil.rmtree(folder / "lib", ignore_errors=True)
    shutil.copytree(modules, folder / "lib")
    shutil.copytree(vendor / "umqtt", folder / "lib" / "umqtt")


@contextmanager
def scripted(certs, *acts):
    """A broker that takes TCP once, and then plays `acts`, one a TLS connection, each given its Peer."""
    with Broker(server_context(certs.server, certs.ca)) as broker:
        broker.host = "127.0.0.1"
        raised = []

        def play():
            try:
                broker.accept(tls=False)
                for act in acts:
                    act(broker.accept())
            except (OSError, Gone) as error:
                raised.append(error)

        thread = threading.Thread(target=play, name="scripted broker", daemon=True)
        thread.start()
        yield broker
        thread.join(10)
        assert not raised and not thread.is_alive(), raised
