"""Fixtures that all suites share. With CI set, a skipped test is a failed one: CI must have what the tests need."""

import os
import queue
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import firmware, mpy, umqtt
from linkpulse_tools.device import interpreter, qemu_board
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import client_context
from linkpulse_tools.pki import certs

WAIT = 10.0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    _no_skip_in_ci((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    _no_skip_in_ci((yield).get_result())


def _no_skip_in_ci(report) -> None:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"


@pytest.fixture(scope="session")
def certs_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certs")


@pytest.fixture(scope="session", name="certs")
def certificates(certs_folder) -> certs.Bundle:
    """A bundle for the thing "thing-1"."""
    return certs.make_bundle(certs_folder, "thing-1")


@pytest.fixture(scope="session")
def embedded_broker(certs):
    """amqtt with mutual TLS: .host, .port."""
    with broker.EmbeddedBroker(certs) as running:
        yield running


@pytest.fixture(scope="session")
def mosquitto_broker(certs, tmp_path_factory):
    """mosquitto with mutual TLS: .host, .port."""
    if not broker.find_mosquitto():
        pytest.skip("mosquitto is not installed")
    with broker.MosquittoBroker(certs, tmp_path_factory.mktemp("mosquitto")) as running:
        yield running


@pytest.fixture(params=["embedded", "mosquitto"])
def any_broker(request):
    """Each broker in turn."""
    return request.getfixturevalue(f"{request.param}_broker")


@pytest.fixture(scope="session")
def runtime() -> interpreter.Interpreter:
    """The checked MicroPython: .path, .arch, .command(script, ...)."""
    return interpreter.find()


@pytest.fixture(scope="session")
def micropython(runtime) -> str:
    """The path of the MicroPython interpreter."""
    return runtime.path


@pytest.fixture(scope="session")
def mpy_path(runtime):
    """The folder with lib/ compiled for this interpreter."""
    return mpy.for_interpreter(paths.LIB, paths.MPY, runtime.arch)


@pytest.fixture(scope="session")
def vendor():
    """The folder that holds umqtt/simple.py."""
    umqtt.ensure(paths.VENDOR)
    return paths.VENDOR


@pytest.fixture(scope="session")
def make_board():
    """make_board(kind="agent", heap=None, forward=None) -> a Board in QEMU, not yet entered; or "plain"."""

    def make(kind="agent", **options):
        try:
            return qemu_board.Board(firmware.ensure(kind), **options)
        except firmware.Unavailable as reason:
            pytest.skip(str(reason))

    return make


class Client:
    """A paho client whose events can be waited for: connected(), subscribe(), publish(), next()."""

    def __init__(self, where, ca, pair, name):
        self._acks, self.messages, self._joined = queue.Queue(), queue.Queue(), queue.Queue()
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
        self.mqtt.tls_set_context(client_context(ca, pair))
        self.mqtt.on_connect = lambda c, u, f, code, p: self._joined.put(code)
        self.mqtt.on_subscribe = lambda *_: self._acks.put(True)
        self.mqtt.on_message = lambda c, u, message: self.messages.put((message.topic, message.payload))
        self.mqtt.connect(where.host, where.port)
        self.mqtt.loop_start()

    def connected(self):
        code = self._joined.get(timeout=WAIT)
        assert code == 0, code
        return self

    def subscribe(self, topic):
        self.mqtt.subscribe(topic, qos=1)
        self._acks.get(timeout=WAIT)

    def publish(self, topic, payload):
        message = self.mqtt.publish(topic, payload, qos=1)
        message.wait_for_publish(WAIT)
        assert message.is_published()

    def next(self):
        return self.messages.get(timeout=WAIT)


@pytest.fixture
def connect(certs):
    """connect(broker, pair=thing's, ca=the right one, name=...) -> a connected Client; as a context manager."""

    @contextmanager
    def make(where, pair=certs.thing, ca=certs.ca, name="thing-1"):
        client = Client(where, ca, pair, name)
        try:
            yield client.connected()
        finally:
            client.mqtt.disconnect()
            client.mqtt.loop_stop()

    return make
