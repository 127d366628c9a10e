"""`linkpulse listen`: reports shown and answered on any broker, those of a device with a provisioned folder too."""

import contextlib
import datetime
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time

import cbor2
import pytest

from linkpulse_tools import paths
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import process
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki.store import Store
from linkpulse_tools.provision import local
from tests.host.defender.reports import full
from tests.host.provision.provisioning import Devices, ProvisionedMosquitto
from tests.host.provision.test_provision import handshake

WAIT = 20.0


@pytest.fixture
def devices(tmp_path, capsys):
    return Devices(tmp_path / "devices", capsys)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Listening:
    """The command in a process of its own; entering returns when it listens."""

    def __init__(self, devices, *arguments):
        self._command = [sys.executable, "-m", "linkpulse_tools", "listen", "--out", str(devices.folder), *arguments]
        self._env = dict(os.environ, PYTHONPATH=str(paths.ROOT / "tools"))

    def __enter__(self):
        self.process = subprocess.Popen(
            self._command, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.first = self.process.stderr.readline()
        assert self.first.startswith("listening on "), self.first + self.process.stderr.read()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def report(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def end(self, number=None) -> tuple[int, str, str]:
        if number:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, err


@pytest.fixture
def agent(runtime, vendor, tmp_path):
    """agent(folder) -> a queue of the events of the device that runs on a provisioned folder."""
    running = []

    def start(folder):
        events = queue.Queue()
        command = runtime.command(paths.FIRMWARE / "main.py", str(folder / "settings.json"), heap="256K")
        running.append(process.Device(command, process.environment(runtime), tmp_path / "device.log", events))
        return events

    yield start
    for one in running:
        one.stop()


@pytest.mark.parametrize("options", [(), ("--topic", "site/reports", "--format", "json", "--tags", "long")])
def test_provisioned_device_is_accepted_by_the_broker_that_listen_is(devices, agent, options):
    port = str(free_port())
    devices.provision("gw-1", "--host", "127.0.0.1", "--port", port, "--interval", "1", *options)
    with Listening(devices, "--broker", "--json") as listening:
        events = agent(devices.folder / "gw-1")
        for n in (1, 2):
            kind, told = events.get(timeout=WAIT)
            assert kind == "status" and (told["outcome"], told["accepted"]) == ("accepted", n), told
            seen = listening.report()
            assert (seen["thing"], seen["status"], seen["report_id"]) == ("gw-1", "accepted", told["report_id"])
            assert (seen["format"], seen["tags"]) == (("json", "long") if options else ("cbor", "short"))
        code, out, err = listening.end(signal.SIGINT)
    assert code == 130
    assert err.splitlines()[-1] == "stopped" and "Traceback" not in err


def test_provisioned_device_is_accepted_on_mosquitto(devices, agent, tmp_path):
    if not broker.find_mosquitto():
        pytest.skip("mosquitto is not installed")
    devices.provision("gw-1", "--host", "localhost", "--interval", "1", "--topic", "site/reports")
    with (
        ProvisionedMosquitto(devices, "gw-1", tmp_path / "mosquitto") as where,
        Listening(devices, "--port", str(where.port), "--json") as listening,
    ):
        kind, told = agent(devices.folder / "gw-1").get(timeout=WAIT)
        assert kind == "status" and told["outcome"] == "accepted", told
        assert listening.report()["status"] == "accepted"


def report(report_id):
    value = full()
    value["header"]["report_id"] = report_id
    return cbor2.dumps(value)


@pytest.mark.parametrize("as_json", [False, True])
def test_count_ends_it_once_the_last_report_is_answered(devices, connect, tmp_path, as_json):
    port = free_port()
    devices.provision("gw-1", "--host", "localhost", "--port", port)
    topic = "$aws/things/gw-1/defender/metrics/cbor"
    with broker.EmbeddedBroker(devices.bundle, port=port) as where:
        arguments = ("--count", "2", "--limit", "100", *(["--json"] if as_json else []))
        with (
            Listening(devices, *arguments) as listening,
            connect(where, devices.pem("gw-1", tmp_path), devices.bundle.ca, "gw-1") as thing,
        ):
            thing.subscribe(f"{topic}/+")
            for n in (1, 2):
                thing.publish(topic, report(n))
            answers = [thing.next()[0] for _ in range(2)]
            code, out, err = listening.end()
    assert answers == [f"{topic}/accepted", f"{topic}/rejected"]
    assert (code, err) == (0, "")
    if as_json:
        assert [json.loads(line)["code"] for line in out.splitlines()] == [None, "Throttled"]
    else:
        assert "ACCEPTED" in out and "REJECTED Throttled" in out
        assert "device heap" not in out  # that of a device elsewhere is not known


def test_embedded_broker_refuses_a_removed_thing(devices, tmp_path):
    devices.provision("a", "--host", "localhost")
    devices.provision("b")
    pairs = [devices.pem(name, tmp_path) for name in ("a", "b")]
    devices.provision("b", "--remove")
    with broker.EmbeddedBroker(devices.bundle) as where:
        assert handshake(where, devices, pairs[0]) == b"\x20\x02\x00\x00"
        with pytest.raises(OSError):
            assert handshake(where, devices, pairs[1]) == b"", "let in"
            raise ConnectionError("closed")


@pytest.mark.parametrize("address,host", [("0.0.0.0", "127.0.0.1"), ("127.0.0.2", "127.0.0.2")])
def test_embedded_broker_listens_where_it_is_told(devices, address, host):
    devices.provision("gw-1", "--host", "localhost")
    port = free_port()
    with broker.EmbeddedBroker(devices.bundle, address, port) as where:
        assert (where.host, where.port) == (host, port)
        socket.create_connection((host, port), timeout=WAIT).close()


def refused(devices, *arguments) -> tuple[int, str]:
    command = Listening(devices, *arguments)
    done = subprocess.run(command._command, env=command._env, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr and not done.stdout
    return done.returncode, done.stderr


def test_what_is_missing_or_asked_wrongly_is_said(devices):
    assert refused(devices)[0] == 1
    assert "linkpulse provision" in refused(devices)[1]
    for text in ("--bind 127.0.0.1", "--broker --host a", "--broker --bind a", "--count 0"):
        assert refused(devices, *text.split())[0] == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        devices.provision("gw-1", "--host", "localhost", "--port", taken.getsockname()[1])
        code, said = refused(devices, "--broker")
        assert code == 1 and f"another program uses port {taken.getsockname()[1]} of 127.0.0.1; choose" in said
    code, said = refused(devices, "--broker", "--bind", "192.0.2.1")
    assert code == 1 and "192.0.2.1 is no address of this machine" in said
    code, said = refused(devices)
    assert code == 1 and "cannot connect to the broker at localhost port" in said and "(Connection refused)" in said


def test_broker_with_a_certificate_for_another_name_is_not_trusted(devices):
    devices.provision("gw-1", "--host", "localhost")
    with broker.EmbeddedBroker(devices.bundle, "127.0.0.2") as where:
        code, said = refused(devices, "--host", where.host, "--port", str(where.port))
    assert code == 1 and "certificate is refused" in said and f"--host {where.host}" in said


def test_one_things_broken_file_does_not_stop_the_others(devices):
    devices.provision("gw-1", "--host", "localhost", "--topic", "fleet/gw-1")
    devices.provision("gw-2", "--topic", "fleet/gw-2")
    (devices.folder / "gw-1" / "settings.json").write_text("{bad")
    told = []
    assert local.reports(Store(devices.folder), told.append) == {"fleet/gw-2": ("gw-2", "cbor")}
    assert "gw-1" in str(told[0]) and "not JSON" in str(told[0])
    assert devices.run("gw-1", "--remove") == 0, devices.err


def test_a_broker_that_goes_and_comes_back_is_said(devices, connect, tmp_path):
    port = free_port()
    devices.provision("gw-1", "--host", "localhost", "--port", port)
    with contextlib.ExitStack() as first:
        first.enter_context(broker.EmbeddedBroker(devices.bundle, port=port))
        with Listening(devices, "--json") as listening:
            first.close()
            assert "is lost" in listening.process.stderr.readline()
            with (
                broker.EmbeddedBroker(devices.bundle, port=port) as again,
                connect(again, devices.pem("gw-1", tmp_path), devices.bundle.ca, "gw-1") as thing,
            ):
                assert "connected to the broker again" in listening.process.stderr.readline()
                thing.publish("$aws/things/gw-1/defender/metrics/cbor", report(1))
                seen = listening.report()
    assert seen["report_id"] == 1
    age = time.time() - datetime.datetime.fromisoformat(seen["time"].replace("Z", "+00:00")).timestamp()
    assert 0 <= age < WAIT


def test_two_that_end_each_others_connection_say_so(mosquitto_broker, certs):
    heard = queue.Queue()
    where = mosquitto_broker.host, mosquitto_broker.port, certs, Service(0, lambda outcome: None)
    with Responder(*where, heard.put), Responder(*where, heard.put):
        while "does another linkpulse listen run" not in heard.get(timeout=WAIT):
            pass


def test_json_has_an_object_after_a_failure_too(devices):
    command = Listening(devices, "--json")
    done = subprocess.run(command._command, env=command._env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "linkpulse provision" in json.loads(done.stdout)["error"]
