"""Both brokers: reserved topics delivered over mutual TLS, and nobody else let in."""

import datetime
import socket
import ssl
import threading

import cbor2
import pytest

from linkpulse_tools.defender.service import Service
from linkpulse_tools.errors import ToolError
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import Responder, client_context
from linkpulse_tools.pki import certs as certificates
from tests.host.defender.reports import full

TOPIC = "$aws/things/thing-1/defender/metrics/cbor"


def test_reserved_topic_reaches_a_subscriber(any_broker, connect, certs):
    with connect(any_broker, name="watcher", pair=certs.service) as watcher, connect(any_broker) as thing:
        watcher.subscribe("$aws/things/+/defender/metrics/+")
        thing.publish(TOPIC, b"\x00\xff")
        assert watcher.next() == (TOPIC, b"\x00\xff")


def test_ordinary_topic_reaches_a_subscriber(any_broker, connect, certs):
    with connect(any_broker, name="watcher", pair=certs.service) as watcher, connect(any_broker) as thing:
        watcher.subscribe("site/+")
        thing.publish("site/a", b"1")
        assert watcher.next() == ("site/a", b"1")


def test_responder_answers_on_the_broker(any_broker, connect, certs):
    outcomes = []
    service = Service(limit=0, on_outcome=outcomes.append)
    with Responder(any_broker.host, any_broker.port, certs, service), connect(any_broker) as thing:
        thing.subscribe(f"{TOPIC}/accepted")
        thing.subscribe(f"{TOPIC}/rejected")
        thing.publish(TOPIC, cbor2.dumps(full()))
        topic, payload = thing.next()
        assert (topic, cbor2.loads(payload)["reportId"]) == (f"{TOPIC}/accepted", 1530304554)
        thing.publish(TOPIC, b"\xff")
        assert thing.next()[0] == f"{TOPIC}/rejected"
    assert [outcome.status for outcome in outcomes] == ["accepted", "rejected"]


def refused(where, context: ssl.SSLContext) -> None:
    """Connect and read: TLS 1.3 tells a client of its refused certificate only then."""
    with (
        socket.create_connection((where.host, where.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=where.host) as tls,
    ):
        tls.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04none")
        answer = tls.recv(4)
        assert answer == b"", f"let in: {answer!r}"


def try_client(where, context) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        refused(where, context)
        raise ConnectionError("closed")  # an orderly close is a refusal too


def test_client_without_a_certificate_is_refused(any_broker, certs):
    try_client(any_broker, client_context(certs.ca, None))


def test_client_of_another_authority_is_refused(any_broker, certs, tmp_path):
    pair = certificates.save(certificates.make_client(certificates.make_authority(), "thing-1"), tmp_path, "thing")
    try_client(any_broker, client_context(certs.ca, pair))


def test_expired_client_is_refused(tmp_path):
    now = datetime.datetime.now(datetime.timezone.utc)
    authority, day = certificates.make_authority(), datetime.timedelta(days=1)
    late = certificates.make_client(authority, "x", not_before=now - 2 * day, not_after=now - day)
    pairs = {"ca": authority, "server": certificates.make_server(authority), "service": late, "thing": late}
    bundle = certificates.Bundle(*(certificates.save(p, tmp_path, stem) for stem, p in pairs.items()), "x")
    with broker.EmbeddedBroker(bundle) as where:
        try_client(where, client_context(bundle.ca, bundle.thing))


def test_right_certificate_is_let_in_by_the_same_check(any_broker, certs):
    with pytest.raises(AssertionError, match="let in"):
        refused(any_broker, client_context(certs.ca, certs.thing))


def test_client_with_another_authority_refuses_the_broker(any_broker, certs, tmp_path):
    other = certificates.save(certificates.make_authority(), tmp_path, "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        refused(any_broker, client_context(other, certs.thing))


def test_embedded_broker_stops_and_frees_its_thread_and_port(certs):
    before = threading.active_count()
    with broker.EmbeddedBroker(certs) as first:
        port = first.port
    with socket.socket() as probe:
        assert probe.connect_ex((first.host, port)) != 0
    assert threading.active_count() == before


def test_embedded_broker_that_cannot_start_says_why(certs, tmp_path):
    with pytest.raises(ToolError, match="did not start"):
        broker.EmbeddedBroker(certificates.Bundle(certs.ca, certs.ca, certs.service, certs.thing, "x")).__enter__()


def test_mosquitto_that_cannot_start_says_why(mosquitto_broker, certs, tmp_path):
    bad = certificates.Bundle(certs.ca, certs.ca, certs.service, certs.thing, "x")
    with pytest.raises(ToolError, match="mosquitto did not start"):
        broker.MosquittoBroker(bad, tmp_path).__enter__()
