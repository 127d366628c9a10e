"""The examples and the code in the docs, run as a reader would."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device.qemu_board import HOST
from linkpulse_tools.mqtt.responder import Responder

WAIT = 30.0
# umqtt 1.3.4 knows no SSLContext: its socket is wrapped here, as an application would.
OWN = """
import sys
sys.path.append({examples!r})
import own_connection, socket, tls, umqtt.simple

context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
context.load_verify_locations(open({ca!r}, "rb").read())
context.load_cert_chain(open({cert!r}, "rb").read(), open({key!r}, "rb").read())


class Secured:
    getaddrinfo = socket.getaddrinfo

    def socket(self):
        return self

    def connect(self, address):
        raw = socket.socket()
        raw.connect(address)
        self.tls = context.wrap_socket(raw, server_hostname="localhost")

    def __getattr__(self, name):
        return getattr(self.tls, name)


umqtt.simple.socket = Secured()
own_connection.INTERVAL = 300
own_connection.run(umqtt.simple.MQTTClient("thing-1", {host!r}, {port}), "thing-1")
"""
# A board that wakes up `asleep` s after the clock was right, and counts its sockets as boot.py has it.
WAKE_UP = """
import sys, time


class Machine:
    def deepsleep(self, ms):
        print("asleep for", ms)
        sys.exit()


class Platform:
    platform = "a board"


sys.modules["machine"] = Machine()
from linkpulse import collect
import linkpulse.port.clock as clock
clock.wall_clock = lambda: int(time.time()) + {asleep}
collect.sys = Platform()
from linkpulse.collect.counted import install
install()
exec(open({script!r}).read())
"""
DEV = "Inter-| Receive | Transmit\n face |bytes ...\n"
ROUTES = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
wan0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
lan0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def example(name):
    return str(paths.ROOT / "examples" / f"{name}.py")


def test_every_example_is_run_here():
    here = set(re.findall(r'example\("(\w+)"\)', Path(__file__).read_text()))
    assert here == {path.stem for path in (paths.ROOT / "examples").glob("*.py")}


class Program:
    """An example that runs until it is stopped."""

    def __init__(self, command, env, folder):
        self._process = subprocess.Popen(
            command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def until(self, wanted):
        """The lines up to the first one that `wanted` matches."""
        said = []
        end = time.monotonic() + WAIT
        while not said or not re.search(wanted, said[-1]):
            try:
                said.append(self._lines.get(timeout=max(0, end - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"no line {wanted} in {said}") from None
            assert said[-1] is not None, said
        return said

    def stop(self, number):
        """Its exit code after that signal, and what it still said."""
        self._process.send_signal(number)
        code = self._process.wait(WAIT)
        self._reader.join()
        return code, list(self._lines.queue)[:-1]

    def ended(self):
        """Its exit code."""
        return self._process.wait(WAIT)

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@pytest.fixture
def start(micropython, mpy_path, vendor, tmp_path):
    """start(*arguments of MicroPython) -> a Program, in `tmp_path`."""

    def run(*arguments):
        env = dict(os.environ, MICROPYPATH=mpy.search_path(mpy_path, vendor))
        return Program([micropython, "-X", "heapsize=256K", *arguments], env, tmp_path)

    return run


@pytest.fixture
def seen(embedded_broker, certs):
    """A service that accepts everything; its outcomes."""
    outcomes = queue.Queue()
    with Responder(embedded_broker.host, embedded_broker.port, certs, Service(limit=0, on_outcome=outcomes.put)):
        yield outcomes


def metrics(outcomes):
    outcome = outcomes.get(timeout=WAIT)
    assert outcome.status == "accepted" and not outcome.verdict.problems
    return outcome.verdict.report["metrics"]


@pytest.fixture
def settings(embedded_broker, certs, tmp_path):
    """settings(**more) -> the path of settings.json in `tmp_path`, for a report every second."""

    def write(**more):
        values = {
            "thing": "thing-1",
            "host": embedded_broker.host,
            "port": embedded_broker.port,
            "ca": str(certs.ca.der),
            "cert": str(certs.thing.der),
            "key": str(certs.thing.key_der),
            "interval": 1,
            "allow_short_interval": True,
            "timeout": 10,
            "server_name": "localhost",
            **more,
        }
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(values))
        return str(path)

    return write


def test_minimal(start, settings, seen):
    with start(example("minimal"), settings()) as program:
        report = program.until("^report ")[-1]
        assert re.fullmatch(r"report \d{10} accepted", report)
        said = program.until("^  unknown = 0")
        assert {"  accepted = 1", "  outcome = accepted", "  source = complete, from /proc/net"} <= set(said)


def test_beside_asyncio(start, settings, seen):
    with start(example("beside_asyncio"), settings()) as program:
        assert "working" in program.until("^report accepted")
        program.until("^no reports for three seconds")
        assert program.until("^report accepted").count("working") > 1
        assert set(program.until("^report accepted")[:-1]) <= {"working"}
        code, _ = program.stop(signal.SIGINT)
        assert code != 0


def test_deep_sleep(start, settings, seen, tmp_path):
    settings()
    reports, asleep = [], 0
    for _ in range(2):
        with start("-c", WAKE_UP.format(script=example("deep_sleep"), asleep=asleep)) as board:
            assert board.until("^accepted|^error") == ["accepted"]
            (said,) = board.until("^asleep")
            assert board.ended() == 0
        asleep += int(said.split()[-1]) // 1000
        reports.append(seen.get(timeout=WAIT).verdict)
    first, second = reports
    assert 300 <= asleep // 2 <= 333 and second.report_id - first.report_id >= 300
    assert {path.name for path in tmp_path.iterdir()} == {"settings.json"}
    # What the handshake took, of this wake-up alone.
    stats = [verdict.report["metrics"]["network_stats"] for verdict in reports]
    assert 500 < stats[1]["bytes_out"] < 1.5 * stats[0]["bytes_out"]


def test_gateway(start, settings, seen, tmp_path):
    net = tmp_path / "proc" / "net"
    net.mkdir(parents=True)
    for name in ("tcp", "tcp6", "udp", "udp6", "fib_trie", "if_inet6"):
        (net / name).symlink_to(f"/proc/net/{name}")
    (net / "route").write_text(ROUTES)

    def counters(wan, lan):
        row = "{}: {} 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n"
        (net / "dev").write_text(DEV + row.format("wan0", wan) + row.format("lan0", lan))

    run = tmp_path / "run"
    run.mkdir()
    path = settings(proc=str(tmp_path / "proc"))
    counters(1000, 1000)
    with start(example("gateway"), path, str(run)) as gateway:
        assert "<6>connected" in gateway.until("^<6>accepted")
        assert "network_stats" not in metrics(seen)
        assert set(metrics(seen)["network_stats"].values()) == {0}
        gateway.until("^<6>accepted")
        gateway.stop(signal.SIGTERM)
    # While it is down the interfaces go on counting.
    counters(5000, 9000)
    with start(example("gateway"), path, str(run)) as gateway:
        assert metrics(seen)["network_stats"]["bytes_in"] == 4000
        gateway.until("^<6>accepted")
        code, said = gateway.stop(signal.SIGINT)
        assert (code, said[-1]) == (0, "<6>interrupted")
    status = json.loads((run / "status.json").read_text())
    assert (status["outcome"], status["last_error"]) == ("accepted", None)


def test_own_connection(start, embedded_broker, certs, connect, seen):
    code = OWN.format(
        examples=str(Path(example("own_connection")).parent),
        host=embedded_broker.host,
        port=embedded_broker.port,
        ca=str(certs.ca.der),
        cert=str(certs.thing.der),
        key=str(certs.thing.key_der),
    )
    with start("-c", code) as program:
        reports = [seen.get(timeout=WAIT).verdict for _ in range(2)]
        said = program.until(f"^<Response accepted to {reports[1].report_id}>")
        assert said[0] == f"<Response accepted to {reports[0].report_id}>"
        with connect(embedded_broker, name="operator") as operator:
            operator.publish("greenhouse/commands", b"water")
        program.until("^command: b'water'")
    assert "network_stats" not in reports[0].report["metrics"] and "network_stats" in reports[1].report["metrics"]


@pytest.mark.parametrize("name,heap", [("minimal", 65536), ("beside_asyncio", 81920)])
def test_on_a_board(make_board, settings, certs, seen, name, heap):
    """As main.py; asyncio and the tasks need more than the 64 KB that the agent does with."""
    values = json.loads(Path(settings(host=HOST)).read_text())
    end = time.monotonic() + 2 * WAIT
    with make_board("agent", heap=heap) as board:
        for file in ("ca", "cert", "key"):
            board.put(f"{file}.der", Path(values[file]))
            values[file] = f"{file}.der"
        board.put("settings.json", json.dumps(values).encode())
        board.put("main.py", paths.ROOT / "examples" / f"{name}.py")
        board.leave()
        accepted = 0
        for line in board.lines(lambda: time.monotonic() > end):
            accepted += line.strip().endswith(b"accepted") and line.startswith(b"report")
            if accepted == 2:
                break
        assert accepted == 2
    assert metrics(seen)["network_stats"]["bytes_out"] > 500 and metrics(seen)["network_stats"]["bytes_out"] > 50


CBOR = "29 bytes\nports [22, 443]\nrefused: a CBOR length goes past the end\n"


def test_cbor_on_micropython(start):
    with start(example("cbor")) as program:
        assert program.until("^refused") == CBOR.splitlines() and program.ended() == 0


def test_cbor_on_cpython():
    env = dict(os.environ, PYTHONPATH=str(paths.LIB))
    command = [sys.executable, example("cbor")]
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
