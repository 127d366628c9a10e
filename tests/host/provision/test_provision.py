"""`linkpulse provision` with a local CA: what it writes, keeps and takes back, and that mosquitto runs on it."""

import json
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from linkpulse_tools import files, paths
from linkpulse_tools.defender.service import Service
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs as make
from linkpulse_tools.pki import keys
from linkpulse_tools.provision import local
from tests.host.defender.reports import full
from tests.host.provision.provisioning import Devices, ProvisionedMosquitto

THING = "gw-1"
TOPIC = "$aws/things/{}/defender/metrics/cbor"
DAY = timedelta(days=1)
FOLDER = {"ca.der", "cert.der", "key.der", "provision.json", "settings.json"}


@pytest.fixture
def devices(tmp_path, capsys):
    return Devices(tmp_path / "devices", capsys)


def certificate(devices, name):
    data = devices.read(name)
    return (x509.load_pem_x509_certificate if name.endswith(".pem") else x509.load_der_x509_certificate)(data)


def test_folder_has_what_a_device_needs(devices):
    devices.provision(THING, "--host", "broker.example")
    assert {p.name for p in (devices.folder / THING).iterdir()} == FOLDER
    assert devices.json(f"{THING}/settings.json") == {
        "thing": THING,
        "host": "broker.example",
        "port": 8883,
        "ca": "ca.der",
        "cert": "cert.der",
        "key": "key.der",
    }
    key = serialization.load_der_private_key(devices.read(f"{THING}/key.der"), None)
    assert isinstance(key.curve, ec.SECP256R1)
    own = certificate(devices, f"{THING}/cert.der")
    assert own.public_key() == key.public_key()
    assert own.subject.rfc4514_string() == f"CN={THING}"
    assert devices.read(f"{THING}/ca.der") == devices.read("ca/ca.der")
    assert timedelta(729) < own.not_valid_after_utc - datetime.now(timezone.utc) < timedelta(731)


def test_page_says_what_each_file_is(devices):
    page = (paths.ROOT / "docs" / "provision.md").read_text()
    devices.provision(THING, "--host", "localhost")
    listed = {
        name for row in re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    }
    assert listed == {path.name for path in devices.folder.glob("*/*")}


def test_keys_are_their_owners_only(devices):
    devices.provision(THING, "--host", "localhost")
    modes = {p.relative_to(devices.folder).as_posix(): p.stat().st_mode & 0o777 for p in devices.folder.glob("*/*")}
    private = {name for name, mode in modes.items() if mode == 0o600}
    assert private == {"ca/ca.key.pem", "ca/server.key.pem", "ca/service.key.pem", f"{THING}/key.der"}


def test_openssl_verifies_the_chain(devices, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    devices.provision(THING, "--host", "broker.example")
    pem = tmp_path / "thing.pem"
    pem.write_bytes(certificate(devices, f"{THING}/cert.der").public_bytes(serialization.Encoding.PEM))

    def verify(path, *options):
        ca = ["-x509_strict", "-crl_check", "-CAfile", "ca/ca.pem", "-CRLfile", "ca/crl.pem"]
        command = ["openssl", "verify", *ca, *options, str(path)]
        return subprocess.run(command, cwd=devices.folder, capture_output=True, text=True)

    for path, *options in (
        ("ca/server.pem", "-purpose", "sslserver", "-verify_hostname", "broker.example"),
        ("ca/server.pem", "-purpose", "sslserver", "-verify_ip", "127.0.0.1"),
        ("ca/service.pem", "-purpose", "sslclient"),
        (pem, "-purpose", "sslclient"),
    ):
        done = verify(path, *options)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "unsuitable certificate purpose" in verify(pem, "-purpose", "sslserver").stderr
    devices.provision(THING, "--remove")
    assert "certificate revoked" in verify(pem).stderr


def test_second_run_changes_nothing_and_says_so(devices):
    devices.run(THING, "--host", "localhost", "--interval", "600", "--tags", "long")
    before = devices.snapshot()
    assert devices.run(THING) == 0
    assert devices.snapshot() == before
    assert "nothing to do: everything exists already" in devices.out
    assert set(devices.provision(THING, "--host", "localhost", "--interval", "600").values()) == {"there"}
    assert devices.snapshot() == before


def test_dry_run_writes_nothing_and_tells_what_the_run_does(devices):
    told = devices.provision(THING, "--host", "localhost", "--dry-run")
    assert not devices.folder.exists()
    assert told == devices.provision(THING, "--host", "localhost")
    before = devices.snapshot()
    told = devices.provision(THING, "--remove", "--dry-run")
    assert devices.snapshot() == before
    assert told == devices.provision(THING, "--remove")


def test_second_thing_shares_the_ca_and_knows_the_broker(devices):
    devices.provision("a", "--host", "broker.example", "--port", "18883")
    states = devices.provision("b")
    assert states["ca/ca.pem"] == states["ca/server.pem"] == "there"
    values = devices.json("b/settings.json")
    assert (values["host"], values["port"]) == ("broker.example", 18883)


def test_another_host_is_added_to_the_servers_names(devices):
    devices.provision(THING, "--host", "old.example")
    states = devices.provision(THING, "--host", "192.0.2.7")
    assert (states["ca/server.pem"], states[f"{THING}/cert.der"]) == ("changed", "there")
    names = certificate(devices, "ca/server.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"old.example", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert "192.0.2.7" in map(str, names.get_values_for_type(x509.IPAddress))
    assert devices.json(f"{THING}/settings.json")["host"] == "192.0.2.7"


def test_users_own_settings_stay(devices):
    devices.provision(THING, "--host", "localhost", "--interval", "600")
    path = devices.folder / THING / "settings.json"
    values = {**json.loads(path.read_text()), "connections": 10, "interval": 900, "host": "else"}
    path.write_text(json.dumps(values))
    devices.provision(THING, "--host", "localhost")
    assert devices.json(f"{THING}/settings.json") == {**values, "host": "localhost"}


def test_short_interval_is_allowed_to_be_one(devices):
    devices.provision(THING, "--host", "localhost", "--interval", "10")
    assert devices.json(f"{THING}/settings.json")["allow_short_interval"] is True


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_settings_that_are_none_are_not_overwritten(devices, text):
    path = devices.folder / THING / "settings.json"
    files.write(path, text.encode())
    assert devices.run(THING, "--host", "localhost") == 1
    assert str(path) in devices.err
    assert path.read_text() == text


# --- a device's own key


def request(key, name="whatever", encoding=serialization.Encoding.PEM):
    return keys.make_request(key, name).public_bytes(encoding)


@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_request_of_a_devices_own_key_is_signed(devices, tmp_path, encoding, kind):
    key = make.new_key() if kind == "ec" else rsa.generate_private_key(65537, 2048)
    path = tmp_path / "device.csr"
    path.write_bytes(request(key, encoding=encoding))
    devices.provision(THING, "--host", "localhost", "--csr", path, "--key", "/etc/device.key")
    own = certificate(devices, f"{THING}/cert.der")
    assert own.public_key() == key.public_key()
    assert own.subject.rfc4514_string() == f"CN={THING}"
    assert not (devices.folder / THING / "key.der").exists()
    assert devices.json(f"{THING}/settings.json")["key"] == "/etc/device.key"
    before = devices.snapshot()
    assert set(devices.provision(THING, "--csr", path).values()) == {"there"}
    assert set(devices.provision(THING).values()) == {"there"}, "the request is not needed again"
    assert devices.snapshot() == before


def test_request_of_another_key_gets_another_certificate(devices, tmp_path):
    path = tmp_path / "device.csr"
    path.write_bytes(request(make.new_key()))
    devices.provision(THING, "--host", "localhost", "--csr", path)
    key = make.new_key()
    path.write_bytes(request(key))
    assert devices.provision(THING, "--csr", path)[f"{THING}/cert.der"] == "changed"
    assert certificate(devices, f"{THING}/cert.der").public_key() == key.public_key()


def spoiled():
    """A request whose signature is not by its key."""
    der = bytearray(request(make.new_key(), encoding=serialization.Encoding.DER))
    at = der.index(b"whatever")
    der[at] ^= 1
    return bytes(der)


@pytest.mark.parametrize(
    "data,reason",
    [
        (lambda: b"hello", "not a certificate request"),
        (lambda: b"-----BEGIN CERTIFICATE REQUEST-----\n", "not a certificate request"),
        (spoiled, "not signed by its own key"),
        (lambda: request(ec.generate_private_key(ec.SECP384R1())), "must be EC P-256"),
        (lambda: request(rsa.generate_private_key(65537, 1024)), "2048 bits"),
    ],
)
def test_request_that_will_not_do_is_refused_before_anything_is_written(devices, tmp_path, data, reason):
    path = tmp_path / "device.csr"
    path.write_bytes(data())
    assert devices.run(THING, "--host", "localhost", "--csr", path) == 1
    assert reason in devices.err
    assert not (devices.folder / "ca").exists() and not (devices.folder / THING).exists()


def test_key_made_here_and_request_do_not_mix(devices, tmp_path):
    devices.provision(THING, "--host", "localhost")
    path = tmp_path / "device.csr"
    path.write_bytes(request(make.new_key()))
    before = devices.snapshot()
    assert devices.run(THING, "--csr", path) == 1
    assert "--remove first" in devices.err
    assert devices.snapshot() == before


# --- time


def aged(devices, name, days):
    """Put a certificate in a file that has so many days left, as the CA would have signed it."""
    key = serialization.load_pem_private_key(devices.read("ca/ca.key.pem"), None)
    signer = make.Pair(certificate(devices, "ca/ca.pem"), key)
    old = certificate(devices, name)
    now = datetime.now(timezone.utc)
    dates = (now - 700 * DAY, now + days * DAY)
    if name.endswith("server.pem"):
        new = make.sign_server(signer, old.public_key(), ["localhost", "127.0.0.1", "::1"], *dates)
    else:
        common = old.subject.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)[0].value
        new = make.sign_client(signer, old.public_key(), common, *dates)
    encoding = serialization.Encoding.PEM if name.endswith("pem") else serialization.Encoding.DER
    files.write(devices.folder / name, new.public_bytes(encoding))


@pytest.mark.parametrize("name", ["ca/server.pem", "ca/service.pem", f"{THING}/cert.der"])
@pytest.mark.parametrize("days", [-1, 20])
def test_certificate_about_to_expire_is_renewed_when_asked(devices, name, days):
    devices.provision(THING, "--host", "localhost")
    aged(devices, name, days)
    before = devices.snapshot()
    assert devices.run(THING) == 0
    assert "--renew" in devices.out
    assert devices.snapshot() == before
    states = devices.provision(THING, "--renew")
    assert {what for what, state in states.items() if state != "there"} == {name}
    assert states[name] == "renewed"
    assert certificate(devices, name).not_valid_after_utc > datetime.now(timezone.utc) + 700 * DAY
    assert devices.snapshot().keys() == before.keys()
    assert set(devices.provision(THING, "--renew").values()) == {"there"}


def test_no_certificate_outlives_the_ca(devices):
    devices.provision(THING, "--host", "localhost")
    key = serialization.load_pem_private_key(devices.read("ca/ca.key.pem"), None)
    old = make.make_authority("linkpulse CA", not_after=datetime.now(timezone.utc) + 90 * DAY, key=key)
    files.write(devices.folder / "ca/ca.pem", old.certificate.public_bytes(serialization.Encoding.PEM))
    devices.provision("gw-2")
    assert certificate(devices, "gw-2/cert.der").not_valid_after_utc == old.certificate.not_valid_after_utc


def test_expired_ca_is_named(devices):
    devices.provision(THING, "--host", "localhost")
    key, now = serialization.load_pem_private_key(devices.read("ca/ca.key.pem"), None), datetime.now(timezone.utc)
    old = make.make_authority("linkpulse CA", now - 9 * DAY, now - DAY, key)
    files.write(devices.folder / "ca/ca.pem", old.certificate.public_bytes(serialization.Encoding.PEM))
    assert devices.run(THING) == 1
    assert "has expired" in devices.err


# --- runs that were cut off, and folders that are not ours


class Cut(BaseException):
    """The run ends here."""


def write_until(monkeypatch, n):
    """The n-th file is not written any more."""
    left, write = iter(range(n)), files.write

    def limited(*arguments):
        if next(left, None) is None:
            raise Cut
        write(*arguments)

    monkeypatch.setattr(files, "write", limited)


def test_run_that_was_cut_off_is_completed_by_the_next(devices, monkeypatch):
    whole = devices.provision(THING, "--host", "localhost")
    number = len(devices.snapshot())
    for n in range(number + 1):  # provision.json is written twice
        shutil.rmtree(devices.folder)
        with monkeypatch.context() as patch:
            write_until(patch, n)
            with pytest.raises(Cut):
                devices.run(THING, "--host", "localhost")
        states = devices.provision(THING, "--host", "localhost")
        assert states.keys() == whole.keys()
        assert len(devices.snapshot()) == number
        assert set(devices.provision(THING).values()) == {"there"}
        own = certificate(devices, f"{THING}/cert.der")
        own.verify_directly_issued_by(certificate(devices, "ca/ca.pem"))
        key = serialization.load_der_private_key(devices.read(f"{THING}/key.der"), None)
        assert own.public_key() == key.public_key()


def test_removal_that_was_cut_off_is_completed_by_the_next(devices, monkeypatch):
    devices.provision(THING, "--host", "localhost")
    kept = shutil.copytree(devices.folder, devices.folder.parent / "kept")
    for n in range(len(FOLDER)):
        shutil.rmtree(devices.folder)
        shutil.copytree(kept, devices.folder)
        left, unlink = iter(range(n)), type(devices.folder).unlink

        def limited(path, *arguments, left=left, unlink=unlink, **named):
            if next(left, None) is None:
                raise Cut
            unlink(path, *arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(type(devices.folder), "unlink", limited)
            with pytest.raises(Cut):
                devices.run(THING, "--remove")
        devices.provision(THING, "--remove")
        assert not (devices.folder / THING).exists()


def test_thing_that_was_removed_by_half_gets_another_certificate(devices, monkeypatch):
    devices.provision(THING, "--host", "localhost")
    serial = certificate(devices, f"{THING}/cert.der").serial_number
    with monkeypatch.context() as patch:
        patch.setattr(local, "remove_files", lambda *_: None)
        devices.provision(THING, "--remove")
    assert devices.provision(THING)[f"{THING}/cert.der"] == "changed"
    assert certificate(devices, f"{THING}/cert.der").serial_number != serial


def test_what_was_not_made_by_provision_is_not_touched(devices):
    own = devices.folder / THING / "cert.der"
    files.write(own, b"mine")
    for arguments, reason in (
        ((THING, "--host", "localhost"), "provision did not make"),
        ((THING, "--remove"), "was not made by provision"),
    ):
        assert devices.run(*arguments) == 1
        assert reason in devices.err
        assert own.read_bytes() == b"mine"


def test_remove_leaves_what_the_user_put_there(devices):
    settings = devices.folder / THING / "settings.json"
    files.write(settings, b'{"connections": 5}')
    devices.provision(THING, "--host", "localhost")
    files.write(devices.folder / THING / "notes.txt", b"mine")
    devices.provision(THING, "--remove")
    assert sorted(p.name for p in (devices.folder / THING).iterdir()) == ["notes.txt", "settings.json"]


def test_remove_takes_back_all_of_a_thing_and_nothing_of_another(devices):
    devices.provision("a", "--host", "localhost")
    before = devices.snapshot()
    devices.provision("b", "--topic", "site/b")
    devices.provision("b", "--remove")
    after = devices.snapshot()
    assert not (devices.folder / "b").exists()
    assert {name for name in before if before[name][2] != after[name][2]} == {"ca/crl.pem"}
    assert after.keys() == before.keys()
    for option in ("--remove", "--renew"):
        assert devices.run("b", option, "--json") == 1
        assert json.loads(devices.out)["error"] == f"{devices.folder} has no thing b: it has a"
    (devices.folder / "b").mkdir()  # as if it had been cut off before its last step
    assert devices.run("b", "--remove") == 0 and "nothing to do" in devices.out and not (devices.folder / "b").exists()
    assert devices.run("a", "--remove", "--renew") == 2
    assert "--remove cannot be used with" in devices.err
    assert devices.snapshot() == after


def test_all_certificates_of_a_thing_are_revoked(devices):
    devices.provision(THING, "--host", "localhost")
    first = certificate(devices, f"{THING}/cert.der").serial_number
    aged(devices, f"{THING}/cert.der", 5)
    devices.provision(THING, "--renew")
    second = certificate(devices, f"{THING}/cert.der").serial_number
    devices.provision(THING, "--remove")
    revoked = x509.load_pem_x509_crl(devices.read("ca/crl.pem"))
    assert {first, second} <= {entry.serial_number for entry in revoked}
    assert revoked.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2


def test_remove_without_the_ca_says_what_stays_valid(devices):
    devices.provision(THING, "--host", "localhost")
    shutil.rmtree(devices.folder / "ca")
    assert devices.run(THING, "--remove") == 0
    assert "stay valid" in devices.out
    assert not (devices.folder / THING).exists()


@pytest.mark.parametrize(
    "name,reason",
    [("ca/ca.key.pem", "put it back"), ("ca/crl.pem", "revocation list")],
)
def test_spoiled_ca_is_never_replaced(devices, name, reason):
    devices.provision(THING, "--host", "localhost")
    path = devices.folder / name
    path.unlink() if "key" in name else path.write_text("-")
    before = devices.snapshot()
    for arguments in ((THING,), ("gw-2",)):
        assert devices.run(*arguments) == 1
        assert reason in devices.err
    assert {k: v for k, v in devices.snapshot().items() if not k.startswith("gw-2/")} == before


# --- secrets, and what is asked wrongly


def test_wifi_password_comes_from_the_environment_or_a_file(devices, monkeypatch, tmp_path):
    monkeypatch.setenv("LINKPULSE_WIFI_PASSWORD", "open sesame")
    devices.provision(THING, "--host", "localhost", "--wifi", "net")
    values = devices.json(f"{THING}/settings.json")
    assert (values["wifi_ssid"], values["wifi_password"]) == ("net", "open sesame")
    monkeypatch.delenv("LINKPULSE_WIFI_PASSWORD")
    assert set(devices.provision(THING, "--wifi", "net").values()) == {"there"}, "what is there is kept"
    file = tmp_path / "password"
    file.write_text("another one\n")
    devices.provision(THING, "--wifi", "net", "--wifi-password-file", file)
    assert devices.json(f"{THING}/settings.json")["wifi_password"] == "another one"
    assert stat.S_IMODE((devices.folder / THING / "settings.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("password", ["short", "x" * 64, "ünicode-pass"])
def test_wifi_password_that_no_network_has_is_refused(devices, monkeypatch, password):
    monkeypatch.setenv("LINKPULSE_WIFI_PASSWORD", password)
    assert devices.run(THING, "--host", "localhost", "--wifi", "net") == 1
    assert "8 to 63" in devices.err and password not in devices.err


def test_wifi_password_that_nobody_gives_is_asked_for_by_name(devices, monkeypatch):
    monkeypatch.delenv("LINKPULSE_WIFI_PASSWORD", raising=False)
    assert devices.run(THING, "--host", "localhost", "--wifi", "net") == 1
    assert "LINKPULSE_WIFI_PASSWORD" in devices.err


def test_open_network_has_an_empty_password(devices, monkeypatch):
    monkeypatch.setenv("LINKPULSE_WIFI_PASSWORD", "")
    devices.provision(THING, "--host", "localhost", "--wifi", "net")
    assert devices.json(f"{THING}/settings.json")["wifi_password"] == ""


def test_no_key_and_no_password_is_ever_shown_or_remembered(devices, monkeypatch):
    monkeypatch.setenv("LINKPULSE_WIFI_PASSWORD", "open sesame")
    said = ""
    for arguments in (("--host", "localhost", "--wifi", "net"), ("--json",), ("--dry-run",), ("--remove",)):
        devices.run(THING, *arguments)
        said += devices.out + devices.err
        if arguments == ("--host", "localhost", "--wifi", "net"):
            record = devices.read(f"{THING}/provision.json").decode()
            secrets = ["open sesame"]
            for path in devices.folder.rglob("*key*"):
                data = path.read_bytes()
                load = serialization.load_pem_private_key if b"BEGIN" in data else serialization.load_der_private_key
                number = load(data, None).private_numbers().private_value
                secrets += [f"{number:x}", str(number), data.decode("latin-1").strip()[:60]]
    assert len(secrets) == 13
    assert not [secret for secret in secrets if secret in said + record]
    assert "PRIVATE" not in said + record


@pytest.mark.parametrize(
    "arguments,reason",
    [
        (("gw-1",), "--host is needed"),
        (("gw 1", "--host", "a"), "common name"),
        (("x" * 65, "--host", "a"), "common name"),
        (("ca", "--host", "a"), "CA's folder"),
        (("gw-1", "--host", "a:8883"), "without a port"),
        (("gw-1", "--host", "a", "--key", "k"), "--csr"),
        (("gw-1", "--host", "a", "--topic", "a/#"), "without control characters"),
        (("gw-1", "--host", "a", "--wifi-password-file", __file__), "--wifi"),
        (("gw-1", "--host", "a", "--wifi", "x" * 33), "32 bytes"),
        (("gw-1", "--host", "a", "--ntp", "a b"), "name:port"),
        (("gw-1", "--host", "a", "--board", "RPI_PICO_W", "--watchdog", "9"), "allows 8 s at most"),
    ],
)
def test_wrong_usage_is_exit_code_2(devices, arguments, reason):
    assert devices.run(*arguments) == 2
    assert reason in " ".join(devices.err.split())
    assert not (devices.folder / "gw-1").exists() and not (devices.folder / "ca").exists()


def test_folder_that_cannot_be_written_is_named(devices, tmp_path):
    files.write(tmp_path / "devices", b"a file")
    assert devices.run(THING, "--host", "localhost") == 2
    devices.folder = tmp_path / "devices" / "below"
    assert devices.run(THING, "--host", "localhost") == 1
    assert str(tmp_path / "devices") in devices.err


def test_many_at_once_share_one_ca(devices):
    driver = "import sys; from linkpulse_tools import cli; cli.main(sys.argv[1:])"
    command = [sys.executable, "-c", driver, "provision", "--out", str(devices.folder), "--host", "localhost"]
    env = {"PYTHONPATH": str(paths.ROOT / "tools")}
    running = [subprocess.Popen([*command, f"gw-{n}"], env=env, stdout=subprocess.DEVNULL) for n in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    ca = certificate(devices, "ca/ca.pem")
    for n in range(4):
        certificate(devices, f"gw-{n}/cert.der").verify_directly_issued_by(ca)


# --- mosquitto on what was written


@pytest.fixture
def mosquitto(devices, tmp_path):
    if not broker.find_mosquitto():
        pytest.skip("mosquitto is not installed")
    devices.provision("a", "--host", "localhost")
    devices.provision("b", "--topic", "site/b reports")
    with ProvisionedMosquitto(devices, "a", tmp_path / "mosquitto") as running:
        yield running


def test_thing_reports_and_is_answered_and_gets_at_nothing_else(devices, mosquitto, connect, tmp_path):
    ca, pairs = devices.bundle.ca, {name: devices.pem(name, tmp_path) for name in ("a", "b")}
    outcomes = []
    service = Service(limit=0, on_outcome=outcomes.append)
    with (
        Responder("localhost", mosquitto.port, devices.bundle, service),
        connect(mosquitto, pairs["a"], ca, "a") as a,
        connect(mosquitto, pairs["b"], ca, "b") as b,
    ):
        mine, other = TOPIC.format("a"), TOPIC.format("b")
        for topic in (f"{mine}/accepted", f"{other}/accepted", mine, other, "#", "site/#"):
            a.subscribe(topic)
        b.subscribe("site/b reports/accepted")
        a.publish(other, cbor2.dumps(full()))
        a.publish(f"{mine}/accepted", b"a forged answer")
        a.publish("site/b reports", b"not mine")
        b.publish("site/b reports", b"mine")
        a.publish(mine, cbor2.dumps(full()))
        # The only one that comes, and nothing before it.
        topic, payload = a.next()
        assert (topic, cbor2.loads(payload)["status"]) == (f"{mine}/accepted", "ACCEPTED")
        assert a.messages.empty() and b.messages.empty()
    assert [outcome.thing for outcome in outcomes] == ["a"]


def test_client_id_of_another_thing_is_not_taken(devices, mosquitto, connect, tmp_path):
    ca, pairs = devices.bundle.ca, {name: devices.pem(name, tmp_path) for name in ("a", "b")}
    topic = TOPIC.format("a")
    service = Service(limit=0)
    with Responder("localhost", mosquitto.port, devices.bundle, service), connect(mosquitto, pairs["a"], ca, "a") as a:
        a.subscribe(f"{topic}/accepted")
        with connect(mosquitto, pairs["b"], ca, "a"):  # would end the connection of a
            a.publish(topic, cbor2.dumps(full()))
            assert a.next()[0] == f"{topic}/accepted"


def handshake(where, devices, pair):
    """Refused means an error here or at the first byte."""
    context = ssl.create_default_context(cafile=str(devices.bundle.ca.pem))
    context.load_cert_chain(pair.pem, pair.key_pem)
    with (
        socket.create_connection(("localhost", where.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a")
        return tls.recv(4)


def test_removed_thing_is_refused(devices, mosquitto, tmp_path):
    pair = devices.pem("b", tmp_path)
    assert handshake(mosquitto, devices, pair) == b"\x20\x02\x00\x00"
    devices.provision("b", "--remove")
    mosquitto.__exit__()
    mosquitto._start()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(mosquitto, devices, pair)
    assert handshake(mosquitto, devices, devices.pem("a", tmp_path)) == b"\x20\x02\x00\x00"


def test_the_next_steps_name_the_folder(devices):
    assert devices.run("gw-1", "--host", "localhost") == 0
    lines = [line for line in devices.out.splitlines() if "linkpulse listen" in line]
    assert f"chown mosquitto {devices.folder}/ca/server.key.pem\n" in devices.out
    assert len(lines) == 2 and all(f"linkpulse listen --out {devices.folder} " in line for line in lines), devices.out


def test_nothing_is_left_of_a_run_that_lacked_the_host(devices):
    assert devices.run("gw-1", "--json") == 2
    assert "--host is needed" in json.loads(devices.out)["error"]
    assert not devices.folder.exists()


def test_a_boards_hardware_and_its_own_defaults(devices):
    more = ("--board", "W5500_EVB_PICO", "--led", "25", "--watchdog", "8", "--ethernet", '{"cs": 17}')
    devices.provision("gw-1", "--host", "localhost", *more)
    found = devices.json("gw-1/settings.json")
    assert (found["led"], found["watchdog"], found["ethernet"]) == (25, 8, {"cs": 17})
    own = json.loads((paths.ROOT / "boards/W5500_EVB_PICO/settings.json").read_text())
    assert found["connections"] == own["connections"] and found["thing"] == "gw-1" and "interval" not in found
    devices.provision("gw-1", "--led", "LED")
    assert devices.json("gw-1/settings.json")["led"] == "LED"
    assert devices.run("gw-1", "--ethernet", "{x}") == 2 and "line 1 column 2" in devices.err
