"""`linkpulse deploy` onto the unix port over a terminal and onto the board in QEMU, until a service accepts."""

import json
import queue
import shutil
import types

import pytest

from linkpulse_tools import cli, paths
from linkpulse_tools.build import firmware, mpy
from linkpulse_tools.defender.service import Service
from linkpulse_tools.deploy import first_report
from linkpulse_tools.device import serial_board
from linkpulse_tools.device.qemu_board import HOST, wait_for
from linkpulse_tools.errors import ToolError
from linkpulse_tools.mqtt.broker import find_mosquitto
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki.certs import make_authority, make_client, save
from tests.doubles.relay import Relay
from tests.host.provision.provisioning import Devices, ProvisionedMosquitto

WAIT = 60.0
PASSWORD = "open sesame"
FACTORY = b"# This file is executed on every boot\n#import esp\nimport os, machine\nimport gc\ngc.collect()\n"
MACHINE = """
def note(text):
    with open("noted", "a") as f:
        f.write(text + "\\n")
class WDT:
    def __init__(self, timeout):
        note("watchdog %d" % timeout)
    def feed(self):
        note("fed")
class RTC:
    def datetime(self, value):
        note("clock %d" % value[0])
"""


@pytest.fixture(autouse=True)
def short_start(monkeypatch):
    monkeypatch.setattr(first_report, "START", 0.2)


@pytest.fixture
def service(certs, embedded_broker):
    """The service on the embedded broker: .host, .port, .outcomes, a queue."""
    with answering(certs, embedded_broker) as found:
        yield found


class answering(Responder):
    def __init__(self, certs, broker, limit=0.0):
        self.outcomes = queue.Queue()
        self.host, self.port = broker.host, broker.port
        super().__init__(broker.host, broker.port, certs, Service(limit, self.outcomes.put))

    def accepted(self):
        outcome = self.outcomes.get(timeout=WAIT)
        assert outcome.status == "accepted", outcome
        return outcome.report_id


@pytest.fixture
def device(tmp_path, certs, embedded_broker):
    """device(host, **settings) -> a folder as provision makes it, for the broker at that address."""
    folder = tmp_path / "devices" / "thing-1"
    folder.mkdir(parents=True)
    for name, source in (("ca", certs.ca.der), ("cert", certs.thing.der), ("key", certs.thing.key_der)):
        shutil.copy(source, folder / f"{name}.der")

    def make(host=embedded_broker.host, **more):
        settings = {"thing": "thing-1", "host": host, "port": embedded_broker.port, "server_name": "localhost"}
        settings.update(ca="ca.der", cert="cert.der", key="key.der", timeout=10, **more)
        (folder / "settings.json").write_text(json.dumps(settings))
        return folder

    return make


@pytest.fixture
def files(tmp_path):
    """The folder that is the unix port's file system."""
    folder = tmp_path / "board"
    folder.mkdir()
    return folder


@pytest.fixture
def unix(files, micropython):
    """The unix port with 160 KB: its 64-bit objects take twice as much, and the raw REPL a little more than main.py."""
    with Relay(files, micropython, "160K") as relay:
        yield relay


@pytest.fixture
def deploy(capsys):
    """deploy(board, folder, *options) -> (exit code, the JSON or None, standard error)."""

    def run(board, folder, *options, as_json=True):
        code = 0
        arguments = [*([board.terminal] if board else []), "--device", str(folder), *(["--json"] if as_json else [])]
        try:
            cli.main(["deploy", *arguments, *options])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        assert PASSWORD not in said.out + said.err
        return code, json.loads(said.out) if as_json and said.out else said.out, said.err

    return run


def machine(make_board, kind, heap=None):
    with make_board(kind):  # skips where it cannot be made
        pass
    return firmware.qemu().Machine(firmware.FOLDERS[kind] / "firmware.elf", heap)


def steps(told, action):
    return [step["path"] for step in told["steps"] if step["action"] == action]


def tree(folder):
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture(params=["unix", "plain", "agent"])
def erased(request, make_board):
    """A board with nothing on it: (its address of this machine, .terminal, what must be copied of lib/)."""
    kind = request.param
    if kind == "unix":
        yield "127.0.0.1", request.getfixturevalue("unix"), "lib/linkpulse/collect/linux/__init__.mpy"
    else:
        with machine(make_board, kind, 192 * 1024 if kind == "plain" else None) as board:
            yield HOST, board, "lib/linkpulse/collect/lwip.mpy" if kind == "plain" else None


def test_from_nothing_to_an_accepted_report(erased, tmp_path, capsys, deploy):
    host, board, module = erased
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    devices = Devices(tmp_path / "devices", capsys)
    devices.provision("thing-1", "--host", host, "--interval", 1)
    folder = devices.folder / "thing-1"
    with (
        ProvisionedMosquitto(devices, "thing-1", tmp_path) as broker,
        answering(devices.bundle, types.SimpleNamespace(host="localhost", port=broker.port)) as service,
    ):
        code, told, error = deploy(board, folder)
        assert code == 0, error
        copied = steps(told, "copy")
        assert copied[-1] == "main.py" and {"settings.json", "key.der", "boot.py"} < set(copied)
        assert (module in copied) if module else not any(path.startswith("lib/") for path in copied)
        assert ("lib/umqtt/simple.mpy" in copied) == bool(module)
        assert told["outcome"] == "accepted" and told["status"]["report_id"] == service.accepted()
        assert told["clock"] == (host == HOST)
        assert service.accepted() > told["status"]["report_id"]  # main.py goes on

        code, again, error = deploy(board, folder)
        assert code == 0, error
        assert steps(again, "copy") == steps(again, "remove") == [] and again["outcome"] == "accepted"

    with serial_board.session(board.terminal) as talk:
        talk.write("lib/linkpulse/report/tags.py", b"raise ValueError('hidden')\n")
    devices.provision("thing-1", "--tags", "long")
    code, third, error = deploy(board, folder, "--no-wait")
    assert code == 0, error
    assert steps(third, "copy") == ["settings.json"] and steps(third, "remove") == ["lib/linkpulse/report/tags.py"]
    print(f"{'with' if module else 'without'} modules: {len(copied)} files, accepted after {told['seconds']} s")


def test_only_what_changed(unix, files, device, deploy, service):
    assert deploy(unix, device())[0] == 0
    (files / "lib/linkpulse/report/tags.mpy").write_bytes(b"broken")
    (files / "lib/microcbor.mpy").unlink()
    code, told, error = deploy(unix, device(connections=20))
    assert code == 0, error
    assert steps(told, "copy") == ["lib/linkpulse/report/tags.mpy", "lib/microcbor.mpy", "settings.json"]
    why = {step["path"]: step["why"] for step in told["steps"]}
    assert why["lib/linkpulse/report/tags.mpy"] == "changed" and why["lib/microcbor.mpy"] == "new"


def test_what_is_stale_goes_and_what_is_foreign_stays(unix, files, device, deploy):
    assert deploy(unix, device(), "--no-wait")[0] == 0
    foreign = ["lib/app.py", "lib/linkpulse/collect/mine.py", "lib/linkpulse/notes.txt", "data.json"]
    stale = ["lib/linkpulse/collect/cyw43.mpy", "lib/linkpulse/gone.mpy", "lib/linkpulse/report/tags.py"]
    for name in foreign + stale:
        (files / name).write_text("")
    noted = json.loads((files / "linkpulse.deployed").read_text())
    noted["files"].append("lib/linkpulse/gone.mpy")
    (files / "linkpulse.deployed").write_text(json.dumps(noted))
    code, told, error = deploy(unix, device(), "--no-wait")
    assert code == 0, error
    assert steps(told, "remove") == stale and steps(told, "copy") == ["linkpulse.deployed"]
    why = {step["path"]: step["why"] for step in told["steps"]}
    assert why["lib/linkpulse/gone.mpy"] == "of an earlier deploy"
    assert why["lib/linkpulse/report/tags.py"] == "another form of lib/linkpulse/report/tags.mpy"
    assert all((files / name).exists() for name in foreign)
    assert not any((files / name).exists() for name in stale)


def test_a_firmware_that_takes_no_mpy_gets_sources(files, micropython, device, deploy, service, monkeypatch):
    with Relay(files, micropython, "512K") as unix:
        with monkeypatch.context() as patch:
            patch.setattr(mpy, "taken_by", lambda found: (False, False))
            code, told, error = deploy(unix, device())
            assert code == 0, error
            assert "lib/linkpulse/report/rows.py" in steps(told, "copy") and "lib/umqtt/simple.py" in steps(
                told, "copy"
            )
        code, told, error = deploy(unix, device())
        assert code == 0, error
    assert "lib/linkpulse/report/rows.py" in steps(told, "remove") and "lib/linkpulse/report/rows.mpy" in steps(
        told, "copy"
    )
    assert "lib/umqtt/simple.py" in steps(told, "remove")
    assert not list(files.rglob("lib/**/*.py"))


def test_a_rehearsal_changes_nothing(unix, files, device, deploy):
    with serial_board.session(unix.terminal) as board:
        board.write("main.py", b"with open('../ran', 'a') as f:\n    f.write('x')\n")
    before = tree(files)
    code, told, error = deploy(unix, device(), "--dry-run")
    assert (code, told["dry_run"]) == (0, True), error
    assert "lib/linkpulse/agent/agent.mpy" in steps(told, "copy") and "main.py" in steps(told, "keep")
    assert "clock" not in told and "outcome" not in told
    ran = files.parent / "ran"
    assert wait_for(lambda: ran.exists() and ran.read_text() == "x")  # what is there was started again
    code, shown, error = deploy(unix, device(), "--dry-run", as_json=False)
    assert code == 0 and "lib/linkpulse/agent/agent.mpy" in shown and "not linkpulse's" in shown
    assert tree(files) == before
    assert wait_for(lambda: ran.read_text() == "xx")


def test_a_foreign_main_stays_unless_forced(unix, files, device, deploy, service):
    (files / "main.py").write_text("print('mine')\n")
    (files / "boot.py").write_bytes(FACTORY)  # nobody wrote that
    code, told, error = deploy(unix, device())
    assert code == 0, error
    assert "main.py is not linkpulse's and stays" in error and "boot.py is not" not in error
    assert (files / "main.py").read_text() == "print('mine')\n" and told["outcome"] == "accepted"
    assert (files / "boot.py").read_bytes() == (paths.FIRMWARE / "boot.py").read_bytes()
    code, told, error = deploy(unix, device(), "--force")
    assert code == 0, error
    assert steps(told, "copy") == ["linkpulse.deployed", "main.py"]


def test_our_main_stays_where_somebody_changed_it(unix, files, device, deploy, tmp_path, monkeypatch):
    old = tmp_path / "old"
    old.mkdir()
    (old / "main.py").write_text("print('an earlier version')\nimport time\ntime.sleep(60)\n")
    (old / "boot.py").write_text("# of an earlier version\nbooted = 1\n")
    with monkeypatch.context() as patch:
        patch.setattr(paths, "FIRMWARE", old)
        assert deploy(unix, device(), "--no-wait")[0] == 0
    (files / "boot.py").write_text("booted = 2\n")
    code, told, error = deploy(unix, device(), "--no-wait")
    assert code == 0, error
    assert "main.py" in steps(told, "copy") and "boot.py" in steps(told, "keep")
    assert "boot.py is not linkpulse's and stays" in error


def test_the_reason_is_shown_when_it_is_not_accepted(unix, device, deploy, service, tmp_path):
    folder = device()
    other = make_authority("another CA")
    client = save(make_client(other, "thing-1"), tmp_path, "client")
    for name, source in (("cert", client.der), ("key", client.key_der)):
        shutil.copy(source, folder / f"{name}.der")
    code, told, error = deploy(unix, folder)
    assert code == 1 and told["outcome"] == "error"
    assert "does it know this device's certificate" in told["status"]["last_error"] in error
    shutil.copy(save(other, tmp_path, "ca").der, folder / "ca.der")
    code, told, error = deploy(unix, folder)
    assert code == 1 and "not signed by the CA" in error


def test_what_comes_too_soon_is_well(unix, device, deploy, certs, embedded_broker):
    with answering(certs, embedded_broker, 300):
        assert deploy(unix, device())[1]["outcome"] == "accepted"
        code, told, error = deploy(unix, device())
        assert (code, told["outcome"]) == (0, "throttled"), error
        code, shown, error = deploy(unix, device(), as_json=False)
        assert code == 0 and "came less than 300 s ago" in shown.replace("\n", " ")


def test_without_waiting_nothing_is_sent(unix, device, deploy, service):
    code, told, error = deploy(unix, device(), "--no-wait")
    assert code == 0 and "outcome" not in told, error
    assert service.outcomes.empty()


def test_an_interrupted_copy_goes_on(unix, device, deploy, service, monkeypatch):
    written = []
    write = serial_board.Remote.write

    def stop(self, path, *rest):
        if len(written) == 10:
            raise KeyboardInterrupt
        write(self, path, *rest)
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(serial_board.Remote, "write", stop)
        code, told, error = deploy(unix, device())
        assert code == 130
    code, again, error = deploy(unix, device())
    assert code == 0, error
    assert steps(told, "copy") == written + steps(again, "copy") and steps(again, "remove") == []


def test_a_main_that_ends_at_its_start(unix, device, deploy, tmp_path, monkeypatch):
    (tmp_path / "main.py").write_text("raise ValueError('so soon')\n")
    (tmp_path / "boot.py").write_text("")
    monkeypatch.setattr(paths, "FIRMWARE", tmp_path)
    monkeypatch.setattr(first_report, "START", WAIT)
    code, told, error = deploy(unix, device(), "--no-wait")
    assert code == 1 and "main.py ended at its start" in error and "ValueError: so soon" in error


def test_a_watchdog_is_fed_and_the_clock_is_set(unix, files, device, deploy):
    (files / "lib").mkdir()
    (files / "lib/machine.py").write_text(MACHINE)
    (files / "settings.json").write_text('{"watchdog": 0}')
    code, told, error = deploy(unix, device(watchdog=8), "--no-wait")
    assert code == 0 and told["clock"], error
    noted = (files / "noted").read_text().splitlines()
    assert noted[0].startswith("clock 20")  # none ran, so none was started but main.py's own, after it
    (files / "noted").unlink()
    code, told, error = deploy(unix, device(watchdog=8, connections=9), "--no-wait")
    assert code == 0, error
    before, _, _ = (files / "noted").read_text().partition("clock")
    assert before.partition("watchdog 8000\n")[2].count("fed\n") >= 8


def test_the_devices_own_key_stays_on_it(unix, files, device, deploy, service):
    folder = device()
    key = folder / "key.der"
    code, told, error = deploy(unix, folder, "--no-wait")
    assert code == 0, error
    bytes_of_it = key.read_bytes()
    key.unlink()
    code, told, error = deploy(unix, folder)
    assert code == 0 and told["outcome"] == "accepted", error
    assert "key.der" not in [step["path"] for step in told["steps"]]
    assert (files / "key.der").read_bytes() == bytes_of_it
    (files / "key.der").unlink()
    code, told, error = deploy(unix, folder)
    assert code == 1 and "has the key key.der" in error


def test_no_secret_is_shown(unix, device, deploy):
    folder = device(wifi_ssid="here", wifi_password=PASSWORD)
    assert deploy(unix, folder, "--dry-run")[0] == 0
    assert deploy(unix, folder, "--dry-run", as_json=False)[0] == 0
    code, told, error = deploy(unix, folder)  # this platform has no network module
    assert code == 1 and "wifi_ssid" in error


def test_another_umqtt_stays_and_a_broken_one_goes(unix, files, device, deploy, service, vendor):
    (files / "lib/umqtt").mkdir(parents=True)
    simple = files / "lib/umqtt/simple.py"
    simple.write_text((vendor / "umqtt/simple.py").read_text() + "\n# somebody's\n")
    code, told, error = deploy(unix, device())
    assert code == 0 and not any("umqtt" in step["path"] for step in told["steps"]), error
    simple.write_text("import nothing_here\n")
    code, told, error = deploy(unix, device())
    assert code == 0 and steps(told, "copy") == ["linkpulse.deployed", "lib/umqtt/simple.mpy"], error
    assert steps(told, "remove") == ["lib/umqtt/simple.py"]


def test_linkpulse_beside_main_hides_what_is_copied(unix, files, device, deploy):
    (files / "linkpulse").mkdir()
    (files / "linkpulse/errors.py").write_text("")
    code, told, error = deploy(unix, device())
    assert code == 1 and "hides lib/linkpulse" in error


def test_a_full_board(make_board, device, deploy):
    with machine(make_board, "plain") as board:
        with serial_board.session(board.terminal) as talk:
            talk.run("f = open('fat', 'wb')\nfor _ in range(990):\n    f.write(bytes(1024))\nf.close()", WAIT)
        code, told, error = deploy(board, device(HOST))
        assert code == 1 and "too full" in error and "bytes are needed" in error
        with serial_board.session(board.terminal) as talk:
            assert talk.files(".") == {"./fat": 990 * 1024}


def test_a_wrong_clock_is_set(make_board, device, deploy, service):
    with machine(make_board, "agent") as board:
        with serial_board.session(board.terminal) as talk:
            talk.run("import machine\nmachine.RTC().datetime((2001, 1, 1, 0, 0, 0, 0, 0))")
        code, told, error = deploy(board, device(HOST))
        assert code == 0 and told["outcome"] == "accepted", error


def test_which_board(device, deploy, monkeypatch):
    monkeypatch.setattr(serial_board, "ports", lambda: ["/dev/ttyACM0", "/dev/ttyACM1"])
    code, told, error = deploy(None, device())
    assert code == 1 and "several boards: /dev/ttyACM0, /dev/ttyACM1" in error
    monkeypatch.setattr(serial_board, "ports", list)
    code, told, error = deploy(None, device())
    assert code == 1 and "no board on USB" in error


def test_wrong_usage(deploy, tmp_path):
    assert deploy(None, tmp_path / "absent")[0] == 2


class Small:
    """A board whose heap is too small for the agent, as far as the first report can tell."""

    guarded = False

    def soft_reset(self):
        pass

    def run(self, *_):
        raise serial_board.BoardError("Traceback (most recent call last):\nMemoryError: \n")


def test_a_heap_that_is_too_small():
    with pytest.raises(ToolError, match="does not fit into the heap of this board: freeze it into the firmware"):
        first_report.send(Small(), 30)
