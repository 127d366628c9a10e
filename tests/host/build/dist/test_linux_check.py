"""`linkpulse-agent --check`: what the owner of a gateway is told who has nothing but the package."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from linkpulse_tools.build.dist import linux as dist_linux
from linkpulse_tools.pki import certs as make
from tests.host.build.dist import gateway

CHECKS = ["settings", "platform", "files", "clock", "name", "port", "tls", "connect", "subscribe", "report"]


class Machine:
    """A gateway with the package. `settings(**changes)` writes its settings; `check()` gives the exit code and, by
    check, (status, text)."""

    def __init__(self, folder, micropython, certs, broker):
        self.folder, self._certs, self._broker = folder / "etc", certs, broker
        self._command = [folder / "usr" / dist_linux.LAUNCHER]
        self.environment = dict(os.environ, LINKPULSE_MICROPYTHON=micropython)
        for name, member in dist_linux.tree().items():
            path = folder / "usr" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(member.data)
            path.chmod(member.mode)
        self.settings()

    def settings(self, **changes):
        values = gateway.values(self._broker, timeout=2, **changes)
        self._path = gateway.write(self.folder, self._certs, values)

    def start(self):
        """The agent itself."""
        command = [*self._command, self._path]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def check(self):
        command = [*self._command, "--check", self._path]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=gateway.WAIT)
        lines = [line.split(None, 2) for line in done.stdout.splitlines()]
        assert [name for _, name, _ in lines] == CHECKS, done
        failed = [name for status, name, _ in lines if status == "failed"]
        said = f"{len(failed)} of {len(CHECKS)} checks failed: {', '.join(failed)}\n" if failed else ""
        assert (done.returncode, done.stderr) == (bool(failed), said)
        return done.returncode, {name: (status, text) for status, name, text in lines}

    def only(self, name, *texts):
        """This check failed, and no other one; these texts are in what it says."""
        code, found = self.check()
        assert code == 1 and [one for one in CHECKS if found[one][0] == "failed"] == [name], found
        assert all(text in found[name][1] for text in texts), found
        return found


@pytest.fixture
def machine(tmp_path, micropython, certs, embedded_broker):
    return Machine(tmp_path, micropython, certs, embedded_broker)


def test_all_is_well_and_the_ids_go_on(machine, embedded_broker, certs):
    with gateway.service(embedded_broker, certs) as heard:
        code, found = machine.check()
        first = heard.accepted().report_id
        assert code == 0 and {status for status, _ in found.values()} == {"ok"}, found
        assert f"report {first} of" in found["report"][1]
        machine.check()
        assert heard.accepted().report_id > first
    assert not (machine.folder / "baseline").exists()


def test_agent_that_runs_keeps_its_ids(machine, embedded_broker, certs):
    with gateway.service(embedded_broker, certs), machine.start() as process:
        try:
            assert json.loads(process.stdout.readline())["outcome"] == "accepted"
            code, found = machine.check()
        finally:
            process.kill()
    assert (code, found["report"][0], found["subscribe"][0]) == (0, "skipped", "ok"), found
    assert f"the agent is running (process {process.pid})" in found["report"][1]


def test_ctrl_c_ends_the_agent_quietly(machine, embedded_broker, certs):
    with gateway.service(embedded_broker, certs), machine.start() as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=gateway.WAIT)
    assert process.returncode == 130 and b"Traceback" not in rest + said, rest + said


def test_a_module_that_is_missing(machine, tmp_path):
    shutil.rmtree(tmp_path / "usr/lib/linkpulse/umqtt")
    with machine.start() as process:
        _, said = process.communicate(timeout=gateway.WAIT)
    assert process.returncode == 69 and len(said.splitlines()) == 1, said
    assert b"no module named 'umqtt'" in said and b"MICROPYPATH must name" in said


def test_ids_stay_those_of_the_agents_user(machine):
    if os.getuid():
        pytest.skip("only root can give files away")
    os.chown(machine.folder, 1234, 1234)
    machine.check()
    state = (machine.folder / "linkpulse.state").stat()
    assert (state.st_uid, state.st_gid) == (1234, 1234)


def test_ids_are_those_of_the_service(machine, tmp_path):
    machine.environment["STATE_DIRECTORY"] = str(tmp_path / "state")
    machine.check()  # the service has not run yet: nothing is stored
    (tmp_path / "state").mkdir()
    machine.check()
    assert (tmp_path / "state/linkpulse.state").exists()
    assert not (machine.folder / "linkpulse.state").exists()


def test_nobody_answers(machine):
    """The report is one, although the next one is due before its answer is given up."""
    machine.settings(interval=1)
    machine.only("report", "no answer came within 2 s", "linkpulse listen")


def test_settings_that_are_wrong(machine):
    (machine.folder / "settings.json").write_text('{\n "thing": x}')
    found = machine.only("settings", "is not JSON near line 2")
    assert found["report"] == ("skipped", "not possible until this works: settings")
    machine.settings(hots="h")
    machine.only("settings", "did you mean host?")
    (machine.folder / "settings.json").unlink()
    machine.only("settings", "cannot be read (error 2)")


def test_files_that_are_wrong(machine):
    machine.settings(state="none/state")
    found = machine.only("report", "no answer came")
    assert found["files"][0] == "warning" and "none/state cannot be written (error 2)" in found["files"][1], found
    machine.settings()
    (machine.folder / "key.der").chmod(0o644)
    machine.only("files", "chmod 600")
    (machine.folder / "ca.der").unlink()
    found = machine.only("files", "ca.der does not exist")
    assert found["port"][0] == "ok" and found["tls"] == ("skipped", "not possible until this works: files")


def test_broker_that_cannot_be_reached(machine, tmp_path, certs, embedded_broker):
    machine.settings(host="broker.invalid")
    machine.only("name", "broker.invalid is not resolved", "name server")
    machine.settings(port=1)
    machine.only("port", "127.0.0.1 port 1 does not answer (error 111): is the broker running")
    machine.settings(server_name="other.example")
    machine.only("tls", "is for another name")
    stranger = make.ensure(tmp_path / "stranger", "thing-1")
    machine.settings()
    for name, data in (("cert", stranger.thing.der), ("key", stranger.thing.key_der)):
        (machine.folder / f"{name}.der").write_bytes(data.read_bytes())
    code, found = machine.check()
    assert code == 1 and "failed" in (found["tls"][0], found["connect"][0]), found
