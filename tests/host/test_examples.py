"""The examples and the code in the docs, run as a reader would."""

import os
import re
import subprocess
import sys

import pytest

from linkpulse_tools import mpy, paths
from linkpulse_tools.responder import Responder
from linkpulse_tools.service import Service

OWN = """
import sys
sys.path.append({examples!r})
import time, tls, umqtt.simple
from own_connection import Reports

context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
context.load_verify_locations(open({ca!r}, "rb").read())
context.load_cert_chain(open({cert!r}, "rb").read(), open({key!r}, "rb").read())


class Secured:
    # umqtt 1.3.4 knows no SSLContext: its socket is wrapped here, as an application would.
    def socket(self):
        return self

    def getaddrinfo(self, host, port):
        import socket

        return socket.getaddrinfo(host, port)

    def connect(self, address):
        import socket

        raw = socket.socket()
        raw.connect(address)
        self.tls = context.wrap_socket(raw, server_hostname="localhost")

    def __getattr__(self, name):
        return getattr(self.tls, name)


umqtt.simple.socket = Secured()
client = umqtt.simple.MQTTClient("thing-1", {host!r}, {port})
client.connect()
reports = Reports(client, "thing-1", {state!r})
for _ in range(2):
    print(reports.report().status)
client.disconnect()
"""


def on_micropython(micropython, mpy_path, vendor, *arguments):
    env = dict(os.environ, MICROPYPATH=mpy.search_path(mpy_path, vendor))
    done = subprocess.run([micropython, *arguments], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_reports_over_the_applications_own_connection(embedded_broker, certs, micropython, mpy_path, vendor, tmp_path):
    outcomes = []
    with Responder(embedded_broker.host, embedded_broker.port, certs, Service(limit=0, on_outcome=outcomes.append)):
        code = OWN.format(
            examples=str(paths.ROOT / "examples"),
            host=embedded_broker.host,
            port=embedded_broker.port,
            ca=str(certs.ca.der),
            cert=str(certs.thing.der),
            key=str(certs.thing.key_der),
            state=str(tmp_path / "state"),
        )
        assert on_micropython(micropython, mpy_path, vendor, "-c", code) == "accepted\naccepted\n"
    first, second = (outcome.verdict for outcome in outcomes)
    assert second.report_id > first.report_id
    assert "network_stats" not in first.report["metrics"] and "network_stats" in second.report["metrics"]


CBOR = "29 bytes\nports [22, 443]\nrefused: a CBOR length goes past the end\n"


def test_cbor_on_micropython(micropython, mpy_path, vendor):
    assert on_micropython(micropython, mpy_path, vendor, str(paths.ROOT / "examples" / "cbor.py")) == CBOR


def test_cbor_on_cpython():
    env = dict(os.environ, PYTHONPATH=str(paths.LIB))
    command = [sys.executable, str(paths.ROOT / "examples" / "cbor.py")]
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout == CBOR


@pytest.mark.parametrize("n", [0, 1])
def test_code_of_the_page_on_microcbor(n):
    code = re.findall(r"```python\n(.*?)```", (paths.ROOT / "docs" / "microcbor.md").read_text(), re.DOTALL)[n]
    env = dict(os.environ, PYTHONPATH=str(paths.LIB))
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("b'id' 999", r"b'\xa2ktemperature\xfaA\xac\x00\x00eports\x82\x16\x19\x01\xbb'")


def test_every_row_of_faults_is_a_named_test():
    names = set()
    for file in (paths.ROOT / "tests" / "faults").glob("test_*.py"):
        names |= set(re.findall(r"^def test_fault_(\d\d)_", file.read_text(), re.MULTILINE))
    page = (paths.ROOT / "docs" / "reliability.md").read_text()
    rows = {f"{int(n):02}" for n in re.findall(r"^\| (\d+) ", page, re.MULTILINE)}
    assert names == rows == {f"{n:02}" for n in range(1, 42)}
