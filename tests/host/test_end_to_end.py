"""firmware/main.py under the unix port against both brokers: reports accepted, and every broken trust refused."""

import queue
from datetime import datetime, timedelta, timezone

import pytest

from linkpulse_tools import paths
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import process
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs as make
from linkpulse_tools.pki.certs import Bundle

THING = "thing-1"
WAIT = 20.0
IDLE = paths.ROOT / "tests" / "host" / "device" / "idle.py"


@pytest.fixture
def agent(runtime, mpy_path, vendor, tmp_path):
    """agent(where, trusted, pair, **settings) -> a queue of the device's events."""
    running = []

    def start(where, trusted, pair, program=paths.FIRMWARE / "main.py", **settings):
        values = {
            "thing": THING,
            "host": where.host,
            "port": where.port,
            "ca": str(trusted.der),
            "interval": 1,
            "allow_short_interval": True,
            "timeout": 3,
            "loopback": True,
            "state": "",
            "cert": str(pair.der),
            "key": str(pair.key_der),
        }
        path = process.write_settings(tmp_path / "settings.json", {**values, **settings})
        events = queue.Queue()
        command = runtime.command(program, str(path), heap="256K")
        running.append(process.Device(command, process.environment(runtime), tmp_path / "device.log", events))
        return events

    yield start
    for one in running:
        one.stop()


def status(events):
    kind, value = events.get(timeout=WAIT)
    assert kind == "status", value
    return value


@pytest.mark.parametrize("fmt,tags", [("cbor", "short"), ("cbor", "long"), ("json", "short"), ("json", "long")])
def test_reports_are_accepted(any_broker, certs, agent, fmt, tags):
    seen = queue.Queue()
    with Responder(any_broker.host, any_broker.port, certs, Service(limit=0, on_outcome=seen.put)):
        events = agent(any_broker, certs.ca, certs.thing, format=fmt, tags=tags)
        for n in range(1, 4):
            told = status(events)
            assert (told["outcome"], told["accepted"], told["errors"]) == ("accepted", n, 0), told
            verdict = seen.get(timeout=WAIT).verdict
            assert (verdict.problems, verdict.tags, verdict.report_id) == ([], tags, told["report_id"])
            metrics = verdict.report["metrics"]
            # The agent's own connection to the broker is a connection of this machine.
            assert metrics["tcp_connections"]["established_connections"]["total"] > 0
            assert ("network_stats" in metrics) == (n > 1)


def test_names_that_are_not_ascii(any_broker, certs, agent):
    """Their lengths in MQTT are those of their bytes."""
    with Responder(any_broker.host, any_broker.port, certs, Service(limit=0)):
        found = status(agent(any_broker, certs.ca, certs.thing, thing="größe-7", client_id="größe-水"))
        assert found["outcome"] == "accepted", found


def test_an_agent_with_nothing_to_do_sleeps(embedded_broker, certs, agent):
    """Twice a second it may wake up; it was a thousand times."""
    with Responder(embedded_broker.host, embedded_broker.port, certs, Service(limit=0)):
        options = {"program": IDLE, "interval": 300}
        found = status(agent(embedded_broker, certs.ca, certs.thing, **options))
    assert all(count <= 2 * found["seconds"] for count in found["found"]), found


def test_pem_files_do_as_well(embedded_broker, certs, agent):
    pem = {"ca": str(certs.ca.pem), "cert": str(certs.thing.pem), "key": str(certs.thing.key_pem)}
    with Responder(embedded_broker.host, embedded_broker.port, certs, Service(limit=0)):
        assert status(agent(embedded_broker, certs.ca, certs.thing, **pem))["outcome"] == "accepted"


BROKERS = {"embedded": broker.EmbeddedBroker, "mosquitto": broker.MosquittoBroker}


@pytest.mark.parametrize("kind", BROKERS)
@pytest.mark.parametrize(
    "case,reason",
    [
        ("another CA", "is not signed by the CA"),
        ("another name", "is for another name"),
        ("expired", "has expired"),
        ("no certificate the broker knows", "does it know this device's certificate"),
    ],
)
def test_broken_trust_is_refused_with_the_reason(kind, case, reason, agent, tmp_path):
    if kind == "mosquitto" and not broker.find_mosquitto():
        pytest.skip("mosquitto is not installed")
    now = datetime.now(timezone.utc)
    authority = make.make_authority()
    stranger = make.make_authority("another CA")
    server = make.make_server(
        authority,
        names=("broker.example",) if case == "another name" else make.LOCAL_NAMES,
        not_before=now - timedelta(days=9),
        not_after=now - timedelta(days=1) if case == "expired" else now + timedelta(days=9),
    )
    thing = make.make_client(stranger if case.startswith("no certificate") else authority, THING)
    files = {
        "ca": make.save(authority, tmp_path, "ca"),
        "server": make.save(server, tmp_path, "server"),
        "service": make.save(make.make_client(authority, "service"), tmp_path, "service"),
        "thing": make.save(thing, tmp_path, "thing"),
    }
    trusted = make.save(stranger, tmp_path, "stranger") if case == "another CA" else files["ca"]
    bundle = Bundle(**files, thing_name=THING)
    arguments = (bundle,) if kind == "embedded" else (bundle, tmp_path)
    with BROKERS[kind](*arguments) as where:
        told = status(agent(where, trusted, files["thing"]))
    assert told["outcome"] == "error" and told["accepted"] == 0
    assert reason in told["last_error"], told["last_error"]
