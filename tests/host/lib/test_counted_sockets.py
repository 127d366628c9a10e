"""The counted socket under MicroPython against real peers on loopback. A case of device/counted_cases.py a test."""

import ast
import json
import os
import select
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy

SCRIPT = Path(__file__).parent / "device" / "counted_cases.py"
SHARED = [paths.ROOT / "tests" / folder for folder in ("core", "doubles/device")]
CASES = [
    node.name.removeprefix("case_")
    for node in ast.parse(SCRIPT.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")
]
RESET = struct.pack("ii", 1, 0)


def echo(s):
    while data := s.recv(65536):
        s.sendall(data)


def lines(s):
    s.sendall(b"one\ntwo\n")


def silent(s):
    while s.recv(100):
        pass


def reset(s):
    s.recv(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def http(s):
    asked = b""
    while not asked.endswith(b"\r\n\r\n"):
        asked += s.recv(1000)
    s.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def mqtt(s):
    """Enough of a broker for one client: acknowledges everything and sends back what is published."""
    stream = s.makefile("rb")
    while head := stream.read(2):
        body = stream.read(head[1])
        kind = head[0] >> 4
        if kind == 1:
            s.sendall(b"\x20\x02\0\0")
        elif kind == 8:
            s.sendall(b"\x90\x03" + body[:2] + b"\0")
        elif kind == 3:
            topic = 2 + body[1]
            s.sendall(b"\x40\x02" + body[topic : topic + 2])
            s.sendall(bytes([0x30, len(body) - 2]) + body[:topic] + body[topic + 2 :])
        elif kind == 12:
            s.sendall(b"\xd0\0")


class Server(socketserver.ThreadingTCPServer):
    """Calls serve(socket) in a thread for each connection."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 64

    def __init__(self, serve, host="127.0.0.1"):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._serve = serve
        super().__init__((host, 0), None)
        self.port = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def finish_request(self, request, client_address):
        try:
            self._serve(request)
        except OSError:
            pass  # the peer was rude, as its case wants it

    def shutdown_request(self, request):
        request.close()  # without a shutdown before it, which would say goodbye where a reset is wanted

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self._thread.join()


class Wire:
    """Relays each connection to `port` and counts what passes: bytes from the device's point of view."""

    def __init__(self, port):
        self._port = port
        self.counted = [0, 0]
        self.closed = threading.Event()

    def __call__(self, s):
        try:
            with socket.create_connection(("127.0.0.1", self._port)) as far:
                self._relay({s: (far, 1), far: (s, 0)})
        finally:
            self.closed.set()

    def _relay(self, ways):
        while ways:
            for source in select.select(list(ways), [], [])[0]:
                target, way = ways[source]
                data = source.recv(65536)
                self.counted[way] += len(data)
                if data:
                    target.sendall(data)
                else:
                    del ways[source]
                    target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def secure(certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server.pem, certs.server.key_pem)

    def serve(s, then=echo):
        with context.wrap_socket(s, server_side=True) as t:
            then(t)

    return serve


@pytest.fixture(scope="module")
def peers(secure):
    """{name: port} of all that serve."""

    def reset_later(s):
        def then(t):
            t.recv(1)
            t.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            socket.close(t.detach())

        secure(s, then)

    class Datagrams(socketserver.DatagramRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.read())

    servers = {
        "echo": Server(echo),
        "echo6": Server(echo, "::1"),
        "lines": Server(lines),
        "silent": Server(silent),
        "reset": Server(reset),
        "http": Server(http),
        "mqtt": Server(mqtt),
        "tls": Server(secure),
        "tlsreset": Server(reset_later),
    }
    with socketserver.UDPServer(("127.0.0.1", 0), Datagrams) as udp:
        thread = threading.Thread(target=udp.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield {name: server.port for name, server in servers.items()} | {"udp": udp.server_address[1]}
        udp.shutdown()
        thread.join()
    for server in servers.values():
        server.__exit__()


def unused(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def run(micropython, vendor, peers, certs, tmp_path):
    """run(case, **other ports) -> what the case printed before its "ok"."""

    def case(name, **others):
        given = {**peers, "free": unused(), "refused": unused(), **others}
        env = {**os.environ, "MICROPYPATH": mpy.search_path(paths.LIB, *SHARED, vendor)}
        (tmp_path / "peers.json").write_text(json.dumps(given))  # an argument may not be longer than 255 bytes
        command = [micropython, str(SCRIPT), name]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()[:-1]]

    return case


TOLD = {"tls", "tls_without_blocking", "tls_server", "errors_under_tls", "umqtt", "requests"}


@pytest.mark.parametrize("name", [name for name in CASES if name not in TOLD])
def test_case(run, name):
    run(name)


@pytest.mark.parametrize("name", ["tls", "tls_without_blocking"])
def test_bytes_below_tls_are_what_was_on_the_wire(run, peers, name):
    wire = Wire(peers["tls"])
    with Server(wire) as server:
        (counted,) = run(name, tls=server.port)
        assert wire.closed.wait(10)
    received, _, sent, _ = counted
    assert sent == wire.counted[1]
    # What the server sent after the device closed (its own farewell) was on the wire, and nobody read it.
    assert 0 <= wire.counted[0] - received < 100


def test_tls_with_the_counted_socket_as_server(run, certs):
    run("tls_server", cert=str(certs.server.der), key=str(certs.server.key_der))


def test_errors_under_tls_leave_nothing_behind(run):
    (found,) = run("errors_under_tls")
    assert set(found) == {"handshake", "later", "timeout", "dropped"}
    for what, (heap, process) in found.items():
        # 200 lost TLS sessions would be megabytes; a heap that settles takes some pages.
        assert heap < 8192 and process < 1024, (what, found)


def test_umqtt(run):
    (counted,) = run("umqtt")
    assert counted[0] > 20 and counted[2] > 40


def test_requests(run):
    (counted,) = run("requests")
    if isinstance(counted, str):
        pytest.skip(counted)
    assert counted[0] == len("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
