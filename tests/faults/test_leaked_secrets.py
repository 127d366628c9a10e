"""Fault 40: no secret is ever told, and no port is opened."""

import base64
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from linkpulse_tools.pki import certs as make
from tests.faults.programs import Programs

MARKER = "canary-7f3d9c51b2"


@pytest.fixture
def device(runtime, mpy_path, vendor):
    return Programs(runtime, mpy_path, vendor)


class Server:
    """Accepts, shakes hands with mutual TLS where `bundle` is given, says `data`, and is silent."""

    def __init__(self, data=b"", bundle=None):
        self._data = data
        self._context = None
        if bundle:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(bundle.server.pem, bundle.server.key_pem)
            self._context.load_verify_locations(bundle.ca.pem)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ended = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(5)
        self._listener.close()

    def _serve(self):
        self._listener.settimeout(0.1)
        with contextlib.ExitStack() as kept:
            while not self._ended.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = self._listener.accept()
                    connection.settimeout(2)
                    if self._context:
                        connection = self._context.wrap_socket(connection, server_side=True)
                    kept.enter_context(connection)
                    connection.sendall(self._data)


def needles(bundle) -> dict[str, bytes]:
    """Every form in which the key could appear."""
    der = bundle.thing.key_der.read_bytes()
    pem = bundle.thing.key_pem.read_text().splitlines()
    key = make.serialization.load_der_private_key(der, None)
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    found = {
        "marker": MARKER.encode(),
        "raw": secret[:12],
        "der": der[:32],
        "decimal": str(int.from_bytes(secret)).encode(),
    }
    for at in range(0, 32, 8):
        piece = secret[at : at + 8]
        found[f"hex {at}"] = piece.hex().encode()
        found[f"escaped {at}"] = repr(piece)[2:-1].encode()
        found[f"listed {at}"] = ", ".join(map(str, piece)).encode()
    for number, line in enumerate(pem[1:-1]):
        for at in range(0, len(line) - 16, 8):
            found[f"base64 {number} {at}"] = line[at : at + 16].encode()
    found["base64 of the number"] = base64.b64encode(secret)[:20]
    return found


@pytest.fixture
def runs(certs, tmp_path, embedded_broker):
    """Settings for every kind of error, and all keys marked."""
    marked = tmp_path / "marked.key.pem"
    marked.write_text(f"{MARKER}\n" + certs.thing.key_pem.read_text() + f"\n{MARKER}\n")
    other = make.make_bundle(tmp_path / "other", "thing-1")
    files = {
        "readable": certs.thing.key_der.read_bytes(),
        "broken": f"-----BEGIN EC PRIVATE KEY-----\n{MARKER}!\n-----END EC PRIVATE KEY-----".encode(),
        "half": certs.thing.key_der.read_bytes()[:60],
        "text": certs.thing.key_pem.read_text().replace("-----", "").encode(),
        "large": certs.thing.key_pem.read_bytes() * 200,
    }
    for name, content in files.items():
        path = tmp_path / f"{name}.key"
        path.touch(0o600)
        path.write_bytes(content)
    (tmp_path / "readable.key").chmod(0o644)
    marked.chmod(0o600)
    base = {
        "thing": "thing-1",
        "host": "127.0.0.1",
        "server_name": "localhost",
        "port": embedded_broker.port,
        "ca": str(certs.ca.pem),
        "cert": str(certs.thing.pem),
        "key": str(marked),
        "timeout": 1,
        "interval": 1,
        "allow_short_interval": True,
        "loopback": True,
        "state": "",
        "proc": "/proc",
    }
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(Server(b"220 mail\r\n"))
        silent = stack.enter_context(Server(b"", certs))
        wrong = stack.enter_context(Server(b"\x30\x03\x00\x01a", certs))
        large = stack.enter_context(Server(b"\x20\xff\xff\x7f" + bytes(100), certs))
        refusing = stack.enter_context(Server(b"\x20\x02\x00\x05", certs))
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        settings = {
            "accepted": {},
            "refused port": {"port": port},
            "no name": {"host": "nothing.invalid"},
            "not TLS": {"port": plain.port},
            "silent": {"port": silent.port},
            "wrong packet": {"port": wrong.port},
            "large packet": {"port": large.port},
            "refused": {"port": refusing.port},
            "wrong CA": {"ca": str(other.ca.pem)},
            "wrong name": {"server_name": "example.com"},
            "unknown device": {"cert": str(other.thing.pem), "key": str(other.thing.key_pem)},
            "cert of another key": {"cert": str(other.thing.pem)},
            "key for cert": {"cert": str(marked)},
            "key for ca": {"ca": str(marked)},
            "no key": {"key": str(tmp_path / "none")},
            "password": {"wifi_ssid": "net", "wifi_password": MARKER},
            "long password": {"wifi_ssid": "net", "wifi_password": MARKER * 9},
            "state in the key": {"state": str(marked) + "/x"},
            **{f"{name} key": {"key": str(tmp_path / f"{name}.key")} for name in files},
        }
        path = tmp_path / "runs.json"
        text = {
            "settings": {name: {**base, **changes} for name, changes in settings.items()},
            "texts": ["", "{", "[]", '{"thing": 5}', '{"kye": "x"}', marked.read_text()],
            "scratch": str(tmp_path / "scratch.json"),
            "key text": marked.read_text(),
            "key path": "x",
        }
        path.write_text(json.dumps(text))
        yield path


KINDS = [
    "AuthError",
    "NetworkError",
    "ProtocolError",
    "SettingsError",
    "TLSError",
    "TimedOut",
    "TooLarge",
    "ClockError",
]


def test_fault_40_no_secret_is_told(device, certs, runs):
    done = device.finish("secrets", runs, heap="4M")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said.decode(errors="replace")[-3000:]
    kinds = set(re.findall(rb"^kind (\w+)", done.stdout, re.MULTILINE))
    assert kinds >= {kind.encode() for kind in KINDS}, kinds
    assert b"bytes to $aws" in said and b"log 1 " in said
    assert b"log 2 connected" in said
    assert b"neither sockets nor counters" in said
    found = [name for name, needle in needles(certs).items() if needle in said]
    assert not found, f"told: {found}"


def test_fault_40_the_scan_would_find_it(certs):
    told = certs.thing.key_pem.read_bytes() + MARKER.encode() + certs.thing.key_der.read_bytes()
    told += certs.thing.key_der.read_bytes().hex().encode() + repr(certs.thing.key_der.read_bytes()).encode()
    hits = [name for name, needle in needles(certs).items() if needle in told]
    for kind in ("marker", "der", "raw", "hex 0", "escaped 0", "base64 1 0"):
        assert kind in hits, kind


def test_fault_40_a_key_that_others_can_read_is_refused(device, runs, tmp_path):
    good = json.loads(runs.read_text())["settings"]["accepted"]
    settings = {}
    for mode in (0o644, 0o640, 0o604, 0o660, 0o601, 0o610, 0o777):
        path = tmp_path / f"{mode:o}.key"
        path.write_bytes(Path(good["key"]).read_bytes())
        path.chmod(mode)
        settings[f"{mode:o}"] = {**good, "key": str(path)}
    runs.write_text(json.dumps({"settings": settings}))
    said = device.finish("secrets", runs, heap="4M").stdout.decode(errors="replace")
    parts = said.split("\nrun ")
    assert len(parts) == len(settings)
    for part in parts:
        assert "can be read by others: chmod 600 it" in part and "kind SettingsError" in part
        assert "log 2 connected" not in part


def test_fault_40_no_port_is_opened(device, certs, runs, tmp_path):
    settings = json.loads(runs.read_text())["settings"]["accepted"]
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings))
    main = Path(__file__).resolve().parents[2] / "firmware" / "main.py"
    command = [device.command("x", heap="4M")[0], "-X", "heapsize=4M", str(main), str(path)]
    process = subprocess.Popen(command, env=device.env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        seen = {"connected": 0, "listening": []}
        end = time.monotonic() + 15
        while time.monotonic() < end and seen["connected"] < 20:
            look(process.pid, seen)
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
    assert seen["connected"] >= 20, "the device was never seen connected"
    assert seen["listening"] == []


def look(pid: int, seen: dict) -> None:
    """Every socket of the process: a connection, or something that others can reach."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
    for table, listening in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[9] in inodes:
                    if fields[3] == listening:
                        seen["listening"].append((table, fields[1]))
                    seen["connected"] += fields[3] == "01"
