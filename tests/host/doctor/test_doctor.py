"""`linkpulse doctor` on a board at a terminal (the unix port, and QEMU in 64 KB) and on a gateway, each thing wrong."""

import binascii
import contextlib
import dataclasses
import datetime
import io
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from mpremote.transport_serial import SerialTransport
from rich.console import Console

from linkpulse_tools import __version__, cli, paths
from linkpulse_tools.build import firmware
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import identity, serial_board
from linkpulse_tools.device.qemu_board import HOST, wait_for
from linkpulse_tools.doctor import certificates, examination, inside, places, probes, show, way
from linkpulse_tools.doctor import cli as doctor
from linkpulse_tools.doctor.model import Check
from linkpulse_tools.doctor.places import OnBoard, OnGateway
from linkpulse_tools.mqtt.broker import EmbeddedBroker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs as make
from tests.doubles.relay import Relay
from tests.doubles.time_server import TimeServer, packet
from tests.host.doctor.doctoring import MAIN, ORDER, Patient, lay_out

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc)
PASSWORD = "open sesame"


@pytest.fixture(scope="module")
def service(certs, embedded_broker):
    """A service that accepts, on the embedded broker: its outcomes by thing."""
    outcomes = {}
    take = Service(0, lambda outcome: outcomes.setdefault(outcome.thing, []).append(outcome.status))
    with Responder(embedded_broker.host, embedded_broker.port, certs, take):
        yield outcomes


@pytest.fixture(scope="module")
def relay(tmp_path_factory, micropython):
    """One running unix port; (it, the folder that is its file system)."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "main.py").write_bytes(MAIN)
    with Relay(folder, micropython, "160K") as running:
        assert wait_for((folder / "ran").exists)
        yield running, folder


@pytest.fixture
def unix(relay, mpy_path, vendor, capsys, certs, embedded_broker, service):
    """A board that is well."""
    running, folder = relay
    for path in folder.iterdir():
        if path.name != "main.py":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    lay_out(folder, mpy_path, vendor)
    return Patient(folder, [running.terminal], capsys, certs, embedded_broker)


@pytest.fixture
def gateway(tmp_path, capsys, certs, embedded_broker, service):
    """A Linux machine that is well."""
    folder = tmp_path / "gateway"
    return Patient(folder, ["--settings", str(folder / "settings.json")], capsys, certs, embedded_broker)


@pytest.fixture(scope="module")
def machine(make_board):
    """The board in QEMU, with the agent frozen in and 64 KB of heap."""
    with qemu(make_board) as board:
        yield board


def qemu(make_board, heap=None):
    with make_board("agent"):  # skips where it cannot be made
        pass
    return firmware.qemu().Machine(firmware.FOLDERS["agent"] / "firmware.elf", heap)


@pytest.fixture
def on_qemu(tmp_path, capsys, certs, embedded_broker, service):
    """on_qemu(machine, before="", **settings) -> what doctor says of it; `before` is run on it first."""

    def examine(machine, *options, before="", **settings):
        patient = Patient(tmp_path / "qemu", [machine.terminal], capsys, certs, embedded_broker, HOST)
        patient.settings(**settings)
        with serial_board.session(machine.terminal) as board:
            for path in patient.folder.iterdir():
                board.put(path.name, path)
            board.run(before)
        return patient.doctor(*options)

    return examine


@pytest.mark.parametrize("kind", ["unix", "gateway"])
def test_all_is_well(kind, request, service):
    patient = request.getfixturevalue(kind)
    found = patient.doctor()
    found.well()
    assert list(found.checks) == ORDER
    assert service[patient.values["thing"]] == ["accepted"]
    if kind == "unix":
        assert wait_for(
            lambda: (patient.folder / "ran").exists() and (patient.folder / "ran").read_text() == "x"
        )  # main.py goes on, once
    else:
        # The ids of the agent, whose clock may be behind its last one: a second report continues them.
        state = patient.folder / "linkpulse.state"
        number = b"%d" % (int(time.time()) + 5000)
        state.write_bytes(b"%s %08x\n" % (number, binascii.crc32(number)))
        service[patient.values["thing"]].clear()
        patient.doctor().well()
        assert int(state.read_bytes().split()[0]) > int(number)


def test_all_is_well_in_64_kb(machine, on_qemu):
    found = on_qemu(machine)
    found.well()
    assert list(found.checks) == ORDER
    found.says("linkpulse", "ok", "frozen in")
    found.says("memory", "ok", "TLS and a report take 34,560")


def test_a_table_for_people(unix):
    code, shown, error = unix.shown()
    assert (code, error) == (0, "")
    assert [line.split()[0] for line in shown.splitlines()] == ORDER  # in a pipe, no line is folded
    unix.settings(hots="x")
    code, shown, error = unix.shown()
    assert code == 1 and "did you mean host?" in shown and "→ `linkpulse settings`" in shown
    assert "1 of 16 checks failed: settings" in error and "Traceback" not in error


def test_the_page_has_every_check():
    rows = re.findall(
        r"^\| (\w[\w ]*?) \| .+? \| .+? \|$", (paths.CHECKOUT / "docs/doctor.md").read_text(), re.MULTILINE
    )
    assert rows[1:] == [step.name for step in doctor.STEPS]


def test_the_table_is_live_on_a_terminal():
    screen = io.StringIO()
    with show.Sheet(Console(file=screen, force_terminal=True, width=80)) as sheet:
        sheet.begin("firmware")
        assert "firmware" in screen.getvalue() and "…" in screen.getvalue()
        sheet.add(Check("firmware", "failed", "it is too old", "put a newer one on it"))
        assert "too old" in screen.getvalue() and "→ put a newer one" in screen.getvalue()


def test_no_report(gateway, service):
    found = gateway.doctor("--no-report")
    assert found.code == 0 and found.named("skipped") == ["publish", "response"]
    found.says("publish", "skipped", "--no-report")
    assert gateway.values["thing"] not in service


def test_no_secret_leaves_the_device(unix, certs, monkeypatch):
    heard, follow = [], SerialTransport.follow

    def listening(self, *args, **more):
        said = follow(self, *args, **more)
        heard.append(b"".join(said))
        return said

    monkeypatch.setattr(SerialTransport, "follow", listening)
    unix.doctor().well()
    key = serialization.load_der_private_key(certs.thing.key_der.read_bytes(), None)
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    said = b"".join(heard)
    assert repr(certs.thing.der.read_bytes()[100:108])[2:-1].encode() in said  # all that comes from the device is here
    for piece in (secret[at : at + 8] for at in range(24)):
        for form in (piece, piece.hex().encode(), repr(piece)[2:-1].encode()):
            assert form not in said


def test_the_watchdog_is_fed(unix):
    (unix.folder / "lib/machine.py").write_text(
        "def note(text):\n    with open('noted', 'a') as f:\n        f.write(text + '\\n')\n"
        "class WDT:\n    def __init__(self, timeout):\n        note(str(timeout))\n"
        "    def feed(self):\n        note('fed')\n"
    )
    unix.settings(watchdog=8).doctor().well()
    noted = (unix.folder / "noted").read_text().split()
    assert noted[0] == "8000" and noted.count("fed") > 20


@pytest.fixture
def interrupted(monkeypatch):
    """interrupted(script): Ctrl-C in the check of the files. The board runs `script` then, which has said a line, or
    nothing."""
    run = OnBoard.run

    def instead(self, script, *rest, **more):
        if probes.FILES in script:
            if scripts[0]:
                self._board.start(scripts[0])
                next(self._board.lines())
            raise KeyboardInterrupt
        return run(self, script, *rest, **more)

    scripts = []
    monkeypatch.setattr(OnBoard, "run", instead)
    return scripts.append


def test_ctrl_c_leaves_the_board_as_it_was(unix, interrupted):
    interrupted(None)  # while it runs code from the raw REPL the unix port does not hear Ctrl-C at its terminal
    code, shown, error = unix.shown()
    assert (code, error) == (130, "\nstopped\n") and "settings" in shown and "files" not in shown
    assert wait_for((unix.folder / "ran").exists)


def test_ctrl_c_leaves_the_board_in_qemu_as_it_was(make_board, on_qemu, interrupted):
    interrupted("import time\nprint('it runs')\ntime.sleep(600)")
    with qemu(make_board) as machine:
        running = "with open('main.py', 'w') as f:\n    f.write('while True:\\n    print(\\'main runs\\')')\n"
        assert on_qemu(machine, before=running).code == 130
        terminal = serial_board.transport(machine.terminal)
        assert terminal.read_until(1, b"main runs\r\n").endswith(b"main runs\r\n")
        terminal.close()


# ---- what is on the device ----


def test_old_firmware(unix, monkeypatch):
    of = identity.of
    monkeypatch.setattr(identity, "of", lambda board: dataclasses.replace(of(board), version=(1, 22, 2)))
    found = unix.doctor()
    found.only("firmware", r"1.22.2 is too old, 1.24 is needed", "put a newer firmware")
    assert len(found.named("skipped")) == 15
    monkeypatch.setattr(identity, "of", lambda board: dataclasses.replace(of(board), missing=("tls",)))
    unix.doctor().only("firmware", "no tls")


def test_no_micropython_for_a_gateway(gateway):
    gateway.arguments += ["--micropython", "/bin/false"]
    gateway.doctor().only(
        "firmware",
        "/bin/false is not a MicroPython",
        "name another .* --micropython PATH",
    )


@pytest.mark.parametrize(
    "removed,text",
    [
        ("umqtt", "^umqtt.simple cannot be found"),
        ("linkpulse", "^linkpulse cannot be found"),
        ("linkpulse/session/subscribe.mpy", "subscribe"),
    ],
)
def test_code_that_is_missing(unix, removed, text):
    path = unix.folder / "lib" / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    unix.doctor().only("linkpulse", text, "linkpulse deploy")


def test_code_that_is_missing_on_a_gateway(gateway, mpy_path, monkeypatch):
    monkeypatch.setenv("MICROPYPATH", f"{mpy_path}:.frozen")
    gateway.doctor().only("linkpulse", "umqtt.simple cannot be found", "MICROPYPATH")


def test_code_of_another_firmware(unix):
    path = unix.folder / "lib/linkpulse/agent/agent.mpy"
    code = path.read_bytes()
    path.write_bytes(code[:1] + bytes([code[1] - 1]) + code[2:])
    unix.doctor().only("linkpulse", "made for another firmware", "linkpulse deploy")


def test_code_of_another_version(unix):
    (unix.folder / "lib/linkpulse/__init__.mpy").unlink()
    source = (paths.LIB / "linkpulse/__init__.py").read_text().replace(__version__, "0.0.9")
    (unix.folder / "lib/linkpulse/__init__.py").write_text(source)
    found = unix.doctor()
    found.says("linkpulse", "warning", f"0.0.9 .*these tools are {__version__}", "up to date")
    assert found.code == 0 and not found.named("skipped")


def test_code_that_hides_the_code(unix, mpy_path):
    shutil.copytree(mpy_path / "linkpulse", unix.folder / "linkpulse")
    unix.doctor().says("linkpulse", "warning", "hides lib/linkpulse", "remove")


def test_too_little_heap(make_board, on_qemu, tmp_path, micropython, mpy_path, vendor, capsys, certs, embedded_broker):
    with qemu(make_board, 57344) as machine:
        found = on_qemu(machine)
    # Here the session alone fits: without the agent's own 12 KB the broker is found to be well.
    found.only("memory", r"3\d,\d+ bytes free .*, \d\d,\d+ in one piece; TLS", "freeze", also=["publish"])
    found.says("publish", "failed", "no report could be made", "memory, above")
    with qemu(make_board, 40960) as machine:
        found = on_qemu(machine)
    found.only("memory", "TLS does not fit in", also=["tls"])
    found.says("tls", "failed", "", "free heap first|see memory, above")  # TLS may give a reason of its own
    lay_out(tmp_path / "small", mpy_path, vendor)
    with Relay(tmp_path / "small", micropython, "112K") as relay:
        found = Patient(tmp_path / "small", [relay.terminal], capsys, certs, embedded_broker).doctor()
    found.only("memory", "does not fit into the heap", "freeze", also=["publish"])


def test_a_memory_error_without_a_text(gateway):
    def out_of_memory(this):
        raise serial_board.BoardError("Traceback (most recent call last):\nMemoryError: \n")

    this = examination.Examination(OnGateway(gateway.folder / "settings.json", None))
    (check,) = examination.examine((examination.Step("memory", out_of_memory),), this)
    assert (check.text, check.hint) == ("this check does not fit into the heap of this device", examination.MORE_HEAP)


def test_no_settings(unix, gateway):
    for patient in (unix, gateway):
        (patient.folder / "settings.json").unlink()
        found = patient.doctor()
        found.only("settings", r"settings.json cannot be read \(error 2\)", "linkpulse provision")
        assert {"memory", "clock"} <= set(found.named("ok"))


@pytest.mark.parametrize(
    "settings,text",
    [
        ({"hots": "x"}, "hots: there is no such setting, did you mean host?"),
        ({"port": 0, "format": "xml"}, "port: must be .*format: must be"),
        ({"wifi_ssid": "net", "wifi_password": PASSWORD}, "this platform brings up its network itself"),
        ({"watchdog": 8}, "watchdog: this platform has no watchdog"),
    ],
)
def test_settings_that_are_wrong(unix, gateway, settings, text):
    for patient in (unix, gateway):
        found = patient.settings(**settings).doctor()
        found.only("settings", text, "linkpulse settings")
        assert PASSWORD not in repr(found) + found.error


def test_settings_that_are_changed(unix):
    unix.settings(interval=60).doctor().says("settings", "warning", "60 s is raised to 300 s")


def test_files_that_are_missing(unix, gateway):
    for patient in (unix, gateway):
        (patient.folder / "key.der").unlink()
        found = patient.doctor()
        found.only("files", "key: .*key.der does not exist$", "linkpulse provision")
        found.says("dates", "ok", "cert.der until")
    (unix.folder / "cert.der").unlink()
    unix.doctor().only("files", "cert: cert.der does not exist; key: key.der does not exist")


def test_files_that_cannot_be_written(unix, gateway):
    for patient in (unix, gateway):
        found = patient.settings(state="none/state").doctor("--no-report")
        found.says("files", "warning", r"^state: \S*none/state cannot be written \(error 2\)$", "make its folder")
        assert found.code == 0
    found = gateway.settings(state="", baseline="none/baseline").doctor("--no-report")
    found.says("files", "warning", r"^baseline: \S*none/baseline cannot be written")


def test_files_that_are_something_else(unix):
    for name in ("cert", "key"):
        whole = (unix.folder / f"{name}.der").read_bytes()
        unix.put(name, whole[:50])
        unix.doctor().only("files", f"^{name}: {name}.der does not hold what it should")
        unix.put(name, whole)


def test_a_key_that_others_can_read(gateway):
    (gateway.folder / "key.der").chmod(0o644)
    gateway.doctor().only("files", "key.der can be read by others", "chmod 600")


def test_files_that_another_user_owns(gateway, monkeypatch):
    monkeypatch.setattr(OnGateway, "with_settings", lambda *_, **__: [["key", "/etc/linkpulse/key.der", 13]])
    found = inside.files(examination.Examination(OnGateway(gateway.folder / "settings.json", None)))
    assert found.text == "key: /etc/linkpulse/key.der cannot be read by you" and "as root" in found.hint


# ---- certificates ----


def client(patient, authority, public_key=None, **dates):
    """The patient's certificate, and its key, from that authority; None for one that no broker knows."""
    pair = make.make_client(authority or make.make_authority(), "thing-1", **dates)
    patient.put("cert", pair.certificate.public_bytes(serialization.Encoding.DER))
    patient.put("key", make.encode_key(pair.key, serialization.Encoding.DER))
    return pair


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """(authority, bundle) with the authority at hand, to sign more with."""
    folder, authority = tmp_path_factory.mktemp("own"), make.make_authority()
    server, thing = make.make_server(authority), make.make_client(authority, "thing-1")
    files = [make.save(pair, folder, name) for pair, name in ((authority, "ca"), (server, "server"), (thing, "thing"))]
    return authority, make.Bundle(files[0], files[1], files[2], files[2], "thing-1")


@pytest.fixture(scope="module")
def own_broker(own):
    with EmbeddedBroker(own[1]) as broker, Responder(broker.host, broker.port, own[1], Service(0)):
        yield broker


@pytest.fixture
def owned(unix, own, own_broker):
    """The board at the broker of the authority at hand."""
    for name, path in (("ca", own[1].ca.der), ("cert", own[1].thing.der), ("key", own[1].thing.key_der)):
        unix.put(name, path)
    return unix.settings(port=own_broker.port)


def test_a_key_of_another_certificate(unix):
    other = make.new_key()
    unix.put("key", make.encode_key(other, serialization.Encoding.DER))
    found = unix.doctor()
    found.only("key", "key.der is not the key of cert.der", "linkpulse provision", also=["tls"])
    found.says("tls", "failed", "the TLS handshake", "key and dates below")


@pytest.mark.parametrize(
    "dates,text,hint",
    [
        ({"not_before": NOW - 3 * DAY, "not_after": NOW - DAY}, "cert cert.der expired on 20", "renew"),
        (
            {"not_before": NOW + DAY, "not_after": NOW + 3 * DAY},
            "cert cert.der is not valid before 20",
            "^is the clock",
        ),
    ],
)
def test_a_certificate_out_of_its_time(owned, own, dates, text, hint):
    client(owned, own[0], **dates)
    owned.doctor().only("dates", text, hint, also=["tls"])


def test_a_certificate_that_soon_expires(owned, own):
    client(owned, own[0], not_after=NOW + 3 * DAY)
    found = owned.doctor()
    assert (found.code, found.named("warning")) == (0, ["dates"])
    found.says("dates", "warning", "cert cert.der until", "renew")


@pytest.mark.parametrize("kind", ["PEM", "PKCS #8", "P-384", "RSA"])
def test_keys_and_certificates_of_every_kind(owned, own, kind):
    """Those that belong together are seen to, and others not to."""
    forms = serialization.PrivateFormat
    encoding, form = serialization.Encoding.DER, forms.PKCS8 if kind == "PKCS #8" else forms.TraditionalOpenSSL
    if kind == "PEM":
        encoding = serialization.Encoding.PEM
    kinds = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    }
    key, other = (kinds.get(kind, make.new_key)() for _ in range(2))
    owned.put("cert", make.sign_client(own[0], key.public_key(), "thing-1").public_bytes(encoding))
    owned.put("key", key.private_bytes(encoding, form, serialization.NoEncryption()))
    owned.doctor("--no-report").says("key", "ok", "belong together$")
    owned.put("key", other.private_bytes(encoding, form, serialization.NoEncryption()))
    owned.doctor("--no-report").says("key", "failed", "is not the key of")


def test_a_key_without_its_public_part(owned, own):
    """RFC 5915 lets it be left out; then it is the broker that tells."""
    private = serialization.load_der_private_key(own[1].thing.key_der.read_bytes(), None)
    bare = bytes.fromhex("30310201010420") + private.private_numbers().private_value.to_bytes(32, "big")
    owned.put("key", bare + bytes.fromhex("a00a06082a8648ce3d030107"))
    owned.doctor().says("key", "ok", "the broker has accepted them")
    client(owned, own[0])
    owned.put("key", bare + bytes.fromhex("a00a06082a8648ce3d030107"))
    found = owned.doctor()
    found.says("tls", "failed", "the TLS handshake")
    found.says("key", "warning", "is unknown")


def test_the_server_where_a_board_shows_it(gateway):
    soon = make.make_server(make.make_authority(), not_after=NOW + 3 * DAY).certificate
    this = examination.Examination(OnGateway(gateway.folder / "settings.json", None))
    this.settings = {name: str(gateway.folder / f"{name}.der") for name in ("cert", "ca")}
    this.conversation = {"server": soon.public_bytes(serialization.Encoding.DER)}
    found = certificates.dates(this)
    assert found.status == "warning" and f"server until {soon.not_valid_after_utc:%Y-%m-%d}" in found.text


# ---- clock and network ----


def test_a_clock_that_is_not_set(machine, on_qemu):
    unset = "import machine\nmachine.RTC().datetime((2000, 1, 1, 5, 0, 0, 0, 0))"
    found = on_qemu(machine, before=unset)
    found.only("clock", "not set: 2000-01-01", "linkpulse deploy.*ntp")
    assert found.named("skipped") == ["tls", "connect", "subscribe", "publish", "response"]
    with TimeServer(lambda question: packet(question, int(time.time()), stratum=0)) as server:
        found = on_qemu(machine, ntp=server.address.replace("127.0.0.1", HOST))
        found.says("clock", "warning", "not set", "is asked below")
        found.says("time server", "failed", "does not answer with the time")
        found.says("tls", "skipped", "time server")
    with TimeServer(lambda question: packet(question, int(time.time()))) as server:
        found = on_qemu(machine, ntp=server.address.replace("127.0.0.1", HOST))
    assert found.code == 0 and found.named("warning") == ["clock"], found
    found.says("time server", "ok", "has set the clock")
    on_qemu(machine).well()


def test_a_clock_that_is_not_set_on_a_gateway(gateway, monkeypatch):
    monkeypatch.setattr(OnGateway, "ask", lambda *_: [None, [1970, 1, 1, 0, 0, 9]])
    found = inside.clock(examination.Examination(OnGateway(gateway.folder / "settings.json", None)))
    assert found.status == "failed" and "timedatectl" in found.hint and "deploy" not in found.hint


def test_a_check_that_does_not_end_on_a_gateway(gateway, monkeypatch):
    def ask(*_, **__):
        raise places.Gone("it did not end in 5 s")

    monkeypatch.setattr(OnGateway, "ask", ask)
    this = examination.Examination(OnGateway(gateway.folder / "settings.json", None))
    (check,) = examination.examine((examination.Step("clock", inside.clock),), this)
    assert check.status == "failed" and "busy" in check.hint and "watchdog" not in check.hint


def test_a_clock_that_is_wrong(machine, on_qemu):
    with serial_board.session(machine.terminal) as board:
        ahead = time.gmtime(time.time() + 7200)
        board.run(serial_board.CLOCK % (*ahead[:3], ahead[6], *ahead[3:6]))
    found = on_qemu(machine)
    with serial_board.session(machine.terminal) as board:
        board.set_clock()
    assert found.code == 0, found
    found.says("clock", "warning", "1:59:5.|2:00:0. ahead of this machine's", "UTC")


def test_a_time_server_that_is_silent_while_the_clock_is_set(unix):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    found = unix.settings(ntp=f"127.0.0.1:{port}").doctor()
    found.says("time server", "warning", f"127.0.0.1:{port} does not answer", "UDP port 123")
    assert found.code == 0
    with TimeServer(lambda question: packet(question, int(time.time()) - 60)) as server:
        found = unix.settings(ntp=server.address).doctor("--no-report")
    found.says("time server", "ok", "the clock is (60|61) s ahead")


def test_ethernet_as_the_settings_say(machine, on_qemu):
    found = on_qemu(machine, "--no-report", ethernet={})
    found.says("network", "ok", r"^Ethernet, 10\.0\.2\.15$")
    assert found.code == 0


def test_no_network(machine, on_qemu):
    with serial_board.session(machine.terminal) as board:
        board.write("boot.py", b"import network\nnetwork.LAN().active(False)\n")
    found = on_qemu(machine)
    with serial_board.session(machine.terminal) as board:
        board.remove("boot.py")
        board.run("import network\nnetwork.LAN().active(True)")
    found.only("network", r"no network is up \(LAN\), and the settings name none", "wifi_ssid")
    found.says("key", "ok", "")
    assert found.named("skipped") == ["name", "port", "tls", "connect", "subscribe", "publish", "response"]


def test_wifi_that_does_not_come_up(unix):
    """There is no radio here: a stand-in for the module that boards have."""
    (unix.folder / "lib/network.py").write_text(
        "STA_IF, STAT_NO_AP_FOUND = 0, 201\n"
        "class WLAN:\n    def __init__(self, kind):\n        pass\n"
        "    def active(self, up=None):\n        return True\n"
        "    def isconnected(self):\n        return False\n    def connect(self, *_):\n        pass\n"
        "    def status(self):\n        return 201\n"
    )
    found = unix.settings(wifi_ssid="net", wifi_password=PASSWORD, timeout=1).doctor()
    found.only("network", "the WiFi network net is not up: no access point", "wifi_password")
    assert PASSWORD not in repr(found) + found.error


@pytest.mark.parametrize(
    "found,status,text",
    [
        ([["eth0", "up"], ["lo", "unknown"], ["wlan0", "down"]], "ok", "^eth0 up$"),
        ([["lo", "unknown"], ["tun0", "unknown"]], "warning", "whether tun0 is up"),
        ([["eth0", "down"], ["lo", "unknown"]], "warning", "except loopback"),
        ([["WLAN", "down"], ["LAN", "unknown"]], "warning", "whether LAN is up"),
    ],
)
def test_interfaces(gateway, monkeypatch, found, status, text):
    monkeypatch.setattr(OnGateway, "with_settings", lambda *_, **__: [None, found])
    this = examination.Examination(OnGateway(gateway.folder / "settings.json", None), settings={"timeout": 1})
    finding = way.network(this)
    assert finding.status == status and re.search(text, finding.text), finding


def test_a_name_that_is_not_resolved(unix, gateway):
    for patient in (unix, gateway):
        found = patient.settings(host="a" * 64 + ".invalid").doctor()  # a label that long is asked of nobody
        found.only("name", "a.invalid is not resolved", "spelled correctly")
        assert found.named("skipped") == ["port", "tls", "connect", "subscribe", "publish", "response"]


def test_a_name_that_is_resolved(unix):
    unix.settings(host="localhost").doctor("--no-report").says("name", "ok", r"localhost is (::1, )?127\.0\.0\.1")


def test_a_board_that_goes_away(make_board, on_qemu):
    """A reset ends this machine, as a cable that is pulled would."""
    with qemu(make_board) as machine:
        with serial_board.session(machine.terminal) as board:
            board.write("umqtt/simple.py", b"import machine\nmachine.reset()\n")
        found = on_qemu(machine)
    found.says("linkpulse", "failed", "does not answer any more", "unplugged")
    assert found.code == 1 and len(found.named("skipped")) == 14, found


def test_wrong_usage(gateway, capsys):
    for arguments in (["/dev/null", "--settings", "x"], ["--micropython", "/bin/true"]):
        with pytest.raises(SystemExit) as end:
            cli.main(["doctor", *arguments])
        assert end.value.code == 2


def test_no_board(capsys, monkeypatch):
    monkeypatch.setattr(serial_board, "ports", list)
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor", "--json"])
    said = capsys.readouterr()
    assert end.value.code == 1 and "no board on USB" in said.err
    assert "no board on USB" in json.loads(said.out)["error"]


# ---- an agent that runs ----


@contextlib.contextmanager
def agent(runtime, folder, vendor, mpy_path):
    """The agent of that folder's settings, as a process; it has told of an outcome."""
    command = runtime.command(paths.FIRMWARE / "main.py", "settings.json")
    env = {**os.environ, "MICROPYPATH": f"{mpy_path}:{vendor}:.frozen"}
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            assert json.loads(process.stdout.readline())["outcome"] == "accepted"
            yield process
        finally:
            process.kill()


def test_an_agent_that_runs_keeps_its_ids(gateway, runtime, vendor, mpy_path, service):
    gateway.settings(interval=1, allow_short_interval=True)
    with agent(runtime, gateway.folder, vendor, mpy_path) as process:
        found = gateway.doctor()
        while json.loads(process.stdout.readline())["outcome"] != "accepted":
            pass  # it connects again
    assert found.code == 0 and found.named("skipped") == ["publish", "response"], found
    found.says("publish", "skipped", rf"agent is running \(process {process.pid}\)", "stop the agent")


def test_whose_agent_it_is(gateway, tmp_path):
    gateway.settings(thing="t", host="h", port=8883)
    here = OnGateway(gateway.folder / "settings.json", None)
    here.firmware(), here.prepare()
    proc = tmp_path / "proc"

    def agent():
        return here.with_settings(probes.RUNNING, PROC=str(proc))

    def process(number, *words, settings=None):
        folder = proc / str(number)
        (folder / "root/etc").mkdir(parents=True)
        (folder / "cmdline").write_bytes("\0".join([*words, ""]).encode())
        if settings is not None:
            (folder / "root/etc/s.json").write_text(json.dumps(settings))

    process(1, "init")
    process(2)
    process(3, "/usr/bin/micropython", "/lib/main.py", "/etc/s.json", settings={"thing": "other", "host": "h"})
    process(4, "vi", "main.py", "/etc/s.json", settings={"thing": "t", "host": "h"})
    assert agent() is None
    words = ("/usr/bin/micropython", "-X", "heapsize=1", "/lib/main.py", "/etc/s.json")
    process(5, *words, settings={"thing": "t", "host": "h"})
    assert agent() == 5
    shutil.rmtree(proc / "5")
    process(6, "micropython", "main.py")  # of another user: its settings cannot be read
    assert agent() == 6


def test_the_packages_keep_the_ids_elsewhere(tmp_path, monkeypatch):
    path = tmp_path / "settings.json"
    monkeypatch.setitem(places.PACKAGED, str(path), "/elsewhere/ids")
    path.write_text("{}")
    assert OnGateway(path, None).state() == "/elsewhere/ids"
    path.write_text('{"state": "ids"}')
    assert OnGateway(path, None).state() is None


def test_json_that_is_broken_has_a_position(gateway):
    (gateway.folder / "settings.json").write_text('{\n "thing": x}')
    gateway.doctor().only("settings", "is not JSON.*line 2 column 11")
    # MicroPython does without commas, but deploy and provision do not.
    gateway.settings()
    path = gateway.folder / "settings.json"
    path.write_text(path.read_text().replace(",", " ", 1))
    found = gateway.doctor()
    found.says("settings", "warning", r"\(Expecting ',' delimiter: line 1", "correct it")
    assert found.code == 0 and "publish" in found.named("ok")
