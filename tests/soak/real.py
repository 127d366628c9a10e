"""The device, mosquitto and the service's part for real minutes, over a link that is cut and stalled at random."""

import contextlib
import queue
import random
import selectors
import socket
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from linkpulse_tools import paths
from linkpulse_tools.build import umqtt
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import interpreter, process
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs

INTERVAL, TIMEOUT = 5, 4
HEAP = "192K"
QUIET = 90.0  # seconds without an accepted report while the link may be down, after which something is wrong


class Proxy:
    """A TCP proxy to `port` with one connection at a time, which it passes, stalls or cuts as `random` says."""

    def __init__(self, port: int, seed: int):
        self._target = ("127.0.0.1", port)
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ended = threading.Event()
        self.connections = self.cuts = self.stalls = 0

    def __enter__(self):
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(10)
        self._listener.close()

    def _serve(self):
        self._listener.settimeout(0.2)
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with near, contextlib.suppress(OSError), socket.create_connection(self._target, 5) as far:
                self._pass(near, far)

    def _pass(self, near, far):
        end = time.monotonic() + self._random.uniform(0.05, 60)
        with selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while not self._ended.is_set():
                if time.monotonic() >= end:
                    if self._random.random() < 0.5:
                        self.cuts += 1
                        return
                    self.stalls += 1
                    self._ended.wait(self._random.uniform(1, 3 * TIMEOUT))
                    end = time.monotonic() + self._random.uniform(0.05, 60)
                for key, _ in selector.select(0.1):
                    data = key.fileobj.recv(4096)
                    if not data:
                        return
                    key.data.sendall(data)


@dataclass
class Soak:
    """What was seen. `heaps` and `files` are of every status after the first minute."""

    seed: int
    minutes: float
    heaps: list = field(default_factory=list)
    files: list = field(default_factory=list)
    status: dict = field(default_factory=dict)
    proxy: Proxy | None = None
    longest: float = 0.0
    problems: list = field(default_factory=list)


def soak(minutes: float, seed: int, tell=print) -> Soak:
    """Run for so long; `problems` of the result says what was not as it must be."""
    found = Soak(seed, minutes)
    runtime = interpreter.find()
    umqtt.ensure(paths.VENDOR)
    env = process.environment(runtime)
    events: queue.Queue = queue.Queue()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bundle = certs.make_bundle(folder / "certs", "thing-1")
        where = stack.enter_context(broker.MosquittoBroker(bundle, folder))
        service = Service(0.0, lambda outcome: None)
        stack.enter_context(Responder(where.host, where.port, bundle, service))
        found.proxy = stack.enter_context(Proxy(where.port, seed))
        path = process.write_settings(folder / "settings.json", settings(bundle, found.proxy.port, folder))
        command = runtime.command(paths.FIRMWARE / "main.py", str(path), heap=HEAP)
        running = stack.enter_context(process.Device(command, env, folder / "device.log", events))
        watch(found, running, events, tell)
    return found


def settings(bundle, port: int, folder: Path) -> dict:
    return {
        "thing": "thing-1",
        "host": "127.0.0.1",
        "port": port,
        "server_name": "localhost",
        "ca": str(bundle.ca.der),
        "cert": str(bundle.thing.der),
        "key": str(bundle.thing.key_der),
        "interval": INTERVAL,
        "timeout": TIMEOUT,
        "allow_short_interval": True,
        "loopback": True,
        "state": str(folder / "state"),
        "baseline": str(folder / "baseline"),
    }


def watch(found: Soak, running, events: queue.Queue, tell) -> None:
    began = last = said = time.monotonic()
    accepted = 0
    descriptors = Path(f"/proc/{running._process.pid}/fd")
    while time.monotonic() < began + 60 * found.minutes:
        with contextlib.suppress(queue.Empty):
            kind, value = events.get(timeout=1)
            if kind == "exit":
                found.problems.append(f"the device ended with {value}: {running.tail()}")
                return
            found.status = value
            if value["accepted"] > accepted:
                accepted, last = value["accepted"], time.monotonic()
            if time.monotonic() > began + min(60, 20 * found.minutes):
                found.heaps.append(value["heap"])
                found.files.append(len(list(descriptors.iterdir())))
        found.longest = max(found.longest, time.monotonic() - last)
        if found.longest > QUIET:
            found.problems.append(f"no report was accepted for {QUIET:.0f} s: {found.status}")
            return
        if time.monotonic() > said + 60:
            said = time.monotonic()
            heap = found.heaps[-1] if found.heaps else 0
            tell(f"{(said - began) / 60:.0f} min: {accepted} accepted, heap {heap:,} bytes")
    judge(found)


def judge(found: Soak) -> None:
    if not found.heaps:
        found.problems.append("the device said nothing after the first minute")
        return
    # With and without a connection the heap differs; the most of each half is what must not grow.
    half = len(found.heaps) // 2
    if half and max(found.heaps[half:]) > max(found.heaps[:half]) + 1024:
        found.problems.append(f"the heap grew from {max(found.heaps[:half])} to {max(found.heaps[half:])} bytes")
    if half and max(found.files[half:]) > max(found.files[:half]):
        found.problems.append(f"{max(found.files[half:])} files are open, there were {max(found.files[:half])}")


def table(found: Soak) -> Table:
    shown = Table("what", "figure", title=f"{found.minutes:g} minutes against mosquitto, seed {found.seed}")
    status = found.status
    counts = ", ".join(f"{status.get(name, 0):,}" for name in ("accepted", "rejected", "unknown", "errors"))
    shown.add_row("accepted, rejected, unknown, errors", counts)
    shown.add_row("connections, cuts, stalls", f"{found.proxy.connections}, {found.proxy.cuts}, {found.proxy.stalls}")
    if found.heaps:
        shown.add_row("heap after a collection", f"{min(found.heaps):,} to {max(found.heaps):,} bytes")
        shown.add_row("open files", f"{min(found.files)} to {max(found.files)}")
    shown.add_row("longest time without an accepted report", f"{found.longest:.1f} s")
    shown.add_row("last error", str(status.get("last_error")))
    return shown
