"""`linkpulse doctor` and a broker that is not what it should be, or does not do what it should."""

import dataclasses
import datetime
import socket
import struct
import threading
import zlib

import pytest

from linkpulse_tools.defender.service import Service
from linkpulse_tools.mqtt.broker import EmbeddedBroker, MosquittoBroker, find_mosquitto
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs as make
from tests.doubles.packets import CONNECT, PUBLISH
from tests.doubles.relay import Relay
from tests.host.doctor.doctoring import Patient, lay_out, scripted

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def relay(tmp_path_factory, micropython, mpy_path, vendor):
    folder = tmp_path_factory.mktemp("board")
    lay_out(folder, mpy_path, vendor)
    with Relay(folder, micropython, "160K") as running:
        yield running, folder


@pytest.fixture
def examine(relay, capsys, certs):
    """examine(broker, *options, files={}, **settings) -> what doctor says of a board that is well but for these."""
    running, folder = relay

    def run(broker, *options, files=None, **settings):
        patient = Patient(folder, [running.terminal], capsys, certs, broker)
        for name, path in (files or {}).items():
            patient.put(name, path)
        return patient.settings(**settings).doctor(*options)

    return run


# ---- before TLS ----


def test_a_port_that_is_closed(examine, embedded_broker):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = examine(embedded_broker, port=closed.getsockname()[1])
    found.only("port", "refuses the connection: nothing listens there", "is the broker running")
    assert found.named("skipped") == ["tls", "connect", "subscribe", "publish", "response"]


RESET = b"reset"


class Plain:
    """A port that is no TLS listener: it answers what it hears with `answer`, None not at all, RESET with a reset."""

    host = "127.0.0.1"

    def __init__(self, answer):
        self._answer, self._open = answer, []
        self._listener = socket.create_server((self.host, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        for sock in (self._listener, *self._open):
            sock.close()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            if self._answer is not None and sock.recv(4096):
                if self._answer == RESET:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.sendall(self._answer)
                sock.close()


@pytest.mark.parametrize(
    "answer,text,hint",
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "TLS failed", "is that port a TLS listener"),
        (b"", "closed the connection in the TLS handshake", "TLS port"),
        (None, "did not end the TLS handshake in time", "8883"),
        (RESET, "the connection is lost .*104", "8883"),
    ],
)
def test_a_port_that_is_no_tls(examine, answer, text, hint):
    with Plain(answer) as plain:
        found = examine(plain, timeout=1)
    found.only("tls", text, hint)
    found.says("key", "ok", "")


# ---- TLS ----


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder, authority = tmp_path_factory.mktemp("own"), make.make_authority()
    thing = make.save(make.make_client(authority, "thing-1"), folder, "thing")
    return authority, make.Bundle(make.save(authority, folder, "ca"), thing, thing, thing, "thing-1"), folder


SERVERS = {
    "expired": ({"not_before": -3, "not_after": -1}, "has expired", "set this device's clock"),
    "future": ({"not_before": 1, "not_after": 3}, "is not valid yet", "clock"),
    "for another name": ({"names": ("broker.example",)}, "is for another name", "server_name"),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_servers_that_cannot_be_trusted(examine, own, kind):
    authority, bundle, folder = own
    options, text, hint = SERVERS[kind]
    now = datetime.datetime.now(datetime.timezone.utc)
    options = {name: now + value * DAY if isinstance(value, int) else value for name, value in options.items()}
    server = make.save(make.make_server(authority, **options), folder, kind.replace(" ", "-"))
    files = {"ca": bundle.ca.der, "cert": bundle.thing.der, "key": bundle.thing.key_der}
    with EmbeddedBroker(dataclasses.replace(bundle, server=server)) as broker:
        found = examine(broker, files=files)
    found.only("tls", text, hint)


def test_what_a_gateway_sees_of_the_server(own, tmp_path, capsys):
    authority, bundle, folder = own
    now = datetime.datetime.now(datetime.timezone.utc)
    server = make.save(make.make_server(authority, not_after=now + DAY), folder, "soon")
    with EmbeddedBroker(dataclasses.replace(bundle, server=server)) as broker:
        patient = Patient(tmp_path, ["--settings", str(tmp_path / "settings.json")], capsys, bundle, broker)
        found = patient.doctor("--no-report")
    found.says("dates", "warning", "server until 20", "renew.*copy server.pem to the broker")


def test_a_ca_of_another_broker(examine, own, embedded_broker):
    found = examine(embedded_broker, files={"ca": own[1].ca.der})
    found.only("tls", "not signed by the CA in `ca`", "is it the right broker")


def test_a_broker_that_does_not_know_the_device(examine, own, embedded_broker):
    found = examine(embedded_broker, files={"cert": own[1].thing.der, "key": own[1].thing.key_der})
    found.only("tls", "the TLS handshake", "cafile")
    assert {"key", "dates"} <= set(found.named("ok"))


# ---- MQTT ----


def welcomed(peer):
    peer.welcome()
    peer.closed()


def refused(code):
    def act(peer):
        peer.expect(CONNECT)
        peer.connack(code)
        peer.closed()

    return act


@pytest.mark.parametrize(
    "code,text,hint",
    [(2, "client id", "client id"), (4, "a user name", "use_identity_as_username"), (5, "CONNACK 5", "connect")],
)
def test_connect_refused(examine, certs, code, text, hint):
    with scripted(certs, refused(code)) as broker:
        examine(broker).only("connect", text, hint)


def test_connection_closed_after_connect(examine, certs):
    def act(peer):
        peer.expect(CONNECT)
        peer.close()

    with scripted(certs, act) as broker:
        examine(broker).only("connect", "closed the connection after CONNECT", "iot:Connect")


def test_subscription_refused(examine, certs):
    def act(peer):
        peer.expect(CONNECT)
        peer.connack()
        peer.suback(peer.expect(), 1, 0x80)
        peer.closed()

    with scripted(certs, act) as broker:
        found = examine(broker)
    found.only("subscribe", "refuses a subscription to .*/rejected", "iot:Subscribe")
    assert found.named("skipped") == ["publish", "response"]


def test_connection_closed_after_subscribe(examine, certs):
    def act(peer):
        peer.expect(CONNECT)
        peer.connack()
        peer.expect()
        peer.close()

    with scripted(certs, act) as broker:
        examine(broker).only("subscribe", "closed the connection after SUBSCRIBE", "iot:Subscribe")


def test_connection_closed_after_publish(examine, certs):
    def act(peer):
        peer.welcome()
        peer.expect(PUBLISH)
        peer.close()

    with scripted(certs, welcomed, act) as broker:
        found = examine(broker)
    found.only("publish", "closed the connection after PUBLISH", "iot:Publish")
    assert found.named("skipped") == ["response"]


def test_connection_lost_before_the_answer(examine, certs):
    def act(peer):
        peer.welcome()
        peer.puback(peer.expect(PUBLISH))
        peer.close()

    with scripted(certs, welcomed, act) as broker:
        examine(broker).only("response", "lost before the answer", "another client")


def test_no_puback(examine, certs):
    def act(peer):
        peer.welcome()
        for _ in range(3):
            peer.expect(PUBLISH)
        peer.closed()

    with scripted(certs, welcomed, act) as broker:
        examine(broker, timeout=1).only("publish", "no PUBACK", "iot:Publish")


def test_nobody_answers(examine, embedded_broker):
    found = examine(embedded_broker, topic="nobody/hears", timeout=2, interval=1, allow_short_interval=True)
    found.only("response", "no answer within 2 s", "nobody answers on nobody/hears.*linkpulse listen")


def test_a_report_is_rejected(examine, relay, certs, embedded_broker):
    _, folder = relay
    state = folder / "linkpulse.state"
    with Responder(embedded_broker.host, embedded_broker.port, certs, Service(0)):
        ahead = b"2000000000"
        state.write_bytes(ahead + b" %08x\n" % zlib.crc32(ahead))
        examine(embedded_broker, thing="back").well()
        state.unlink()
        found = examine(embedded_broker, thing="back")
    found.only("response", "rejected: InvalidPayload, report_id: .* is not higher", "clock has gone back")


def test_a_report_that_comes_too_soon(examine, certs, embedded_broker):
    with Responder(embedded_broker.host, embedded_broker.port, certs, Service(300)):
        examine(embedded_broker, thing="soon").well()
        found = examine(embedded_broker, thing="soon")
    found.well()
    found.says("response", "ok", "less than 300 s ago")


class Strict(MosquittoBroker):
    """mosquitto with an ACL file."""

    acl = ""

    def _configuration(self):
        path = self._folder / "acl"
        path.write_text(self.acl)
        path.chmod(0o700)
        return super()._configuration() + f"acl_file {path}\n"


REPORTS = "$aws/things/strict/defender/metrics/cbor"
SERVICE = f"user service\ntopic read {REPORTS}\ntopic write {REPORTS}/accepted\ntopic write {REPORTS}/rejected\n"


@pytest.mark.parametrize(
    "rules,well",
    [
        (f"topic write {REPORTS}\ntopic read {REPORTS}/+\n", True),
        (f"topic read {REPORTS}/+\n", False),  # must not publish
        (f"topic write {REPORTS}\n", False),  # must not read: mosquitto's ACL lets it subscribe all the same
    ],
)
def test_mosquitto_and_its_access_rules(examine, certs, tmp_path, rules, well):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    broker = Strict(certs, tmp_path)
    broker.acl = f"{SERVICE}\nuser thing-1\n{rules}"
    with broker, Responder(broker.host, broker.port, certs, Service(0)):
        found = examine(broker, thing="strict", timeout=1)
    if well:
        found.well()
    else:
        found.only("response", "no answer", "mosquitto silently drops what its access rules forbid")
