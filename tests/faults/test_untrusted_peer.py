"""Faults 24 and 25: who the server is, who the device is, and never a way around it."""

import dataclasses
import datetime
import ssl
from contextlib import ExitStack

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from linkpulse_tools.pki import certs as make
from tests.doubles.packets import CONNECT
from tests.doubles.scripted_broker import server_context
from tests.faults.harness import TIMEOUT
from tests.faults.test_unreachable_broker import closed_port, names

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module", name="bundle")
def own_bundle(tmp_path_factory):
    """Like `certs`, with the authority at hand, and a server's certificate of every kind: (bundle, {kind: files})."""
    folder = tmp_path_factory.mktemp("trust")
    now = datetime.datetime.now(datetime.timezone.utc)
    authority, stranger = make.make_authority(), make.make_authority()
    pairs = {
        "good": make.make_server(authority),
        "unknown CA": make.make_server(make.make_authority("another CA")),
        "unknown CA of the same name": make.make_server(stranger),
        "wrong name": make.make_server(authority, ("broker.example", "127.0.0.1")),
        "expired": make.make_server(authority, not_before=now - 3 * DAY, not_after=now - DAY),
        "future": make.make_server(authority, not_before=now + DAY, not_after=now + 3 * DAY),
        "self-signed": self_signed(now),
        "a client's": make.make_client(authority, "localhost"),
    }
    files = {kind: make.save(pair, folder, kind.replace(" ", "-")) for kind, pair in pairs.items()}
    ca = make.save(authority, folder, "ca")
    thing = make.save(make.make_client(authority, "thing-1"), folder, "thing")
    foreign = make.save(make.make_client(stranger, "thing-1"), folder, "foreign")
    expired = make.make_client(authority, "thing-1", not_before=now - 3 * DAY, not_after=now - DAY)
    files |= {"foreign": foreign, "expired client": make.save(expired, folder, "expired-client")}
    return make.Bundle(ca, files["good"], files["good"], thing, "thing-1"), files


def self_signed(now):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return make.Pair(builder.sign(key, hashes.SHA256()), key)


REASONS = {
    "unknown CA": "is not signed by the CA in `ca`",
    "unknown CA of the same name": "is not signed by the CA in `ca`",
    "wrong name": "is for another name",
    "expired": "has expired",
    "future": "is not valid yet",
    "self-signed": "is not signed by the CA in `ca`",
    "a client's": "is not for a server",
}


@pytest.mark.parametrize("kind", REASONS)
def test_fault_24_servers_that_cannot_be_trusted(make_world, bundle, kind):
    bundle, files = bundle
    # A server that would take any client, so that nothing but the device's own check is in the way.
    world = make_world(bundle=bundle, context=server_context(files[kind]))
    for _ in range(3):  # and it does not give in
        world.refused("TLSError", REASONS[kind])
    assert REASONS[kind] in world.do("agent.status()")["last_error"]
    world.broker.context = server_context(bundle.server, bundle.ca)
    world.good()


def test_fault_24_certificate_of_the_right_name_only(make_world, bundle):
    bundle, files = bundle
    world = make_world(bundle=bundle, context=server_context(files["wrong name"]), server_name="broker.example")
    world.good()


PLAIN = {
    "silent": lambda sock: None,
    "closes": lambda sock: sock.recv(4096) and sock.close(),
    "MQTT": lambda sock: sock.sendall(b"\x20\2\0\0"),
    "HTTP": lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_fault_24_plaintext_port(world, kind):
    for _ in range(2):
        world.root.traffic(1, 1)
        world.start("cycle()")
        peer = world.broker.accept(tls=False)
        hello = peer.read_wire(5)
        assert hello[:2] == b"\x16\3", "no TLS record"
        sock = peer.sock
        PLAIN[kind](sock)
        result = world.answer()
        if kind == "closes":
            world.check(result, "NetworkError", "the broker ")
        elif result["failure"][0] == "TimedOut":
            world.check(result, "TimedOut", "did not end the TLS handshake in time")
            assert kind in ("silent", "MQTT")  # four bytes are not yet a TLS record
        else:
            world.check(result, "TLSError", "is that port a TLS listener?")
        if kind != "closes":
            rest = b""
            try:
                while part := sock.recv(4096):
                    rest += part
            except ConnectionError:
                pass
            assert b"MQTT" not in rest and b"thing-1" not in rest
            sock.close()
    world.good()


def handshake_refused(world):
    world.refused("AuthError", "does it know this device's certificate", lasting=True)


@pytest.mark.parametrize("kind", ["foreign", "expired client", "a server's"])
def test_fault_25_client_certificate_refused(make_world, bundle, kind):
    bundle, files = bundle
    thing = files["good" if kind == "a server's" else kind]
    world = make_world(bundle=dataclasses.replace(bundle, thing=thing))
    for _ in range(2):
        handshake_refused(world)
    assert len(set(world.waits)) == 2, "no jitter"


def test_fault_25_client_certificate_missing(world):
    world.do("import sockets")
    world.do("linkpulse.session.session.context = sockets.nameless")
    for _ in range(3):
        handshake_refused(world)


def test_fault_25_client_certificate_not_known_to_the_service(world):
    # As AWS IoT does it: TLS is fine, and then the connection ends without a word.
    peer = world.begin()
    peer.expect(CONNECT)
    peer.close()
    world.failed("NetworkError", "the broker closed the connection")


@pytest.mark.parametrize("name", ["cert", "key", "ca"])
def test_fault_25_files_missing(make_world, name):
    world = make_world(**{name: "/nonexistent/file.der"})
    world.check(world.do("cycle()"), "SettingsError", f"{name}: /nonexistent/file.der cannot be read")
    assert world.broker.idle(TIMEOUT / 5)


def test_fault_25_key_of_another_certificate(make_world, bundle):
    bundle, files = bundle
    world = make_world(bundle=bundle, key=str(files["foreign"].key_der))
    world.refused("AuthError", "certificate", lasting=True)


def ended(world, how, **wait):
    """The broker ends the connection when it has read this device's ClientHello and answered it."""
    world.root.traffic(1, 1)
    world.start("cycle()")
    peer = world.broker.accept(tls=False)
    peer._take()
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    peer._flush()
    how(peer)
    return world.check(world.answer(), wait.pop("kind", "NetworkError"), **wait)


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_fault_25_a_broker_that_restarts_in_the_handshake_is_no_refusal(world, how):
    for _ in range(6):
        ended(world, lambda peer: getattr(peer, how)())
    world.good()  # and the next ones are the first ones
    world.drop(world.broker.connections[-1])
    for _ in range(6):
        ended(world, lambda peer: getattr(peer, how)())
    with ExitStack() as stack:
        names(world, f"[{closed_port(stack)}]")
        world.check(world.do("cycle()"), "NetworkError", "does not answer")  # nor are these in a row with them
    names(world, f"[{world.broker.port}]")
    for _ in range(9):
        ended(world, lambda peer: getattr(peer, how)())
    if how == "cut":  # a reset may take away that it had answered
        # Again and again it is one, though no alert has come.
        ended(world, lambda peer: getattr(peer, how)(), kind="AuthError", text="certificate", lasting=True)


@pytest.mark.parametrize("name", ["ca", "cert", "key"])
@pytest.mark.parametrize("part", [0, 0.5])
def test_a_certificate_that_is_half_written_costs_a_normal_back_off(make_world, certs, tmp_path, name, part):
    source = {"ca": certs.ca.der, "cert": certs.thing.der, "key": certs.thing.key_der}[name].read_bytes()
    file = tmp_path / "half.der"
    file.write_bytes(source[: int(len(source) * part)])
    file.chmod(0o600)
    world = make_world(**{name: str(file)})
    world.check(world.do("cycle()"), "SettingsError", "does not hold what it should")
    file.write_bytes(source)
    world.good()


def test_certificates_are_read_again_at_each_connect(make_world, bundle, tmp_path):
    bundle, files = bundle
    own = {"cert": tmp_path / "cert.der", "key": tmp_path / "key.der"}
    own["cert"].write_bytes(files["foreign"].der.read_bytes())
    own["key"].write_bytes(files["foreign"].key_der.read_bytes())
    for path in own.values():
        path.chmod(0o600)
    world = make_world(bundle=bundle, cert=str(own["cert"]), key=str(own["key"]))
    handshake_refused(world)
    own["cert"].write_bytes(bundle.thing.der.read_bytes())
    own["key"].write_bytes(bundle.thing.key_der.read_bytes())
    world.do("advance(3600000)")
    world.good()
