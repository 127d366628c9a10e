"""`linkpulse run`: runs a broker, the service and a device together, until enough reports are accepted."""

import contextlib
import fcntl
import itertools
import json
import queue
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from linkpulse_tools import paths
from linkpulse_tools.build import firmware, umqtt
from linkpulse_tools.defender import display
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import interpreter, process, qemu_board
from linkpulse_tools.errors import ToolError
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs

TIMEOUT = 10  # seconds for one operation of the device
SERVER_NAME = "localhost"


@dataclass(frozen=True)
class Options:
    """The options of the command line.

    With `count` None it runs until Ctrl-C. With `limit` None the limit is a little under the interval. `heap` is the
    heap of the board in QEMU, in bytes.
    """

    count: int | None = None
    interval: int = 5
    format: str = "cbor"
    tags: str = "short"
    thing: str = "linkpulse-demo"
    broker: str = "embedded"
    micropython: str | None = None
    loopback: bool = False
    limit: float | None = None
    as_json: bool = False
    target: str = "unix"
    heap: int | None = None

    @property
    def patience(self) -> float:
        """Seconds in which a report must be accepted."""
        return 2 * self.interval + 3 * TIMEOUT

    @property
    def service_limit(self) -> float:
        return min(300.0, self.interval) * 0.8 if self.limit is None else self.limit


def run(options: Options, console: Console, progress: Console) -> None:
    """Run until `count` reports are accepted. If that does not happen, a ToolError says why."""
    script = paths.FIRMWARE / "main.py"
    if not script.exists():
        raise ToolError(f"{script} is missing: run this command in a checkout of linkpulse")
    target = TARGETS[options.target](options, script, progress)
    events: queue.Queue = queue.Queue()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(own_folder())
        bundle = certs.ensure(paths.CERTS if folder == paths.RUN else folder / "certs", options.thing)
        where = stack.enter_context(make_broker(options.broker, bundle, folder))
        service = Service(options.service_limit, lambda outcome: events.put(("outcome", outcome)))
        stack.enter_context(Responder(where.host, where.port, bundle, service))
        progress.print(
            f"{options.broker} broker on port {where.port}, MicroPython {target.version}, "
            f"thing {options.thing}, a report every {options.interval} s",
            style="dim",
            soft_wrap=True,
        )
        process = stack.enter_context(target.start(settings(options, where, bundle, folder), folder, events))
        watch(options, events, process, console)


@contextlib.contextmanager
def own_folder():
    """A folder for the files of this run alone: build/run, or build/run/2 and so on while other runs are going on."""
    for number in itertools.count(1):
        folder = paths.RUN if number == 1 else paths.RUN / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return


class Unix:
    """The device code as a process of this machine."""

    def __init__(self, options: Options, script, progress):
        self._runtime, self._script = interpreter.find(options.micropython), script
        self.version = ".".join(map(str, self._runtime.version))
        umqtt.ensure(paths.VENDOR)
        self._env = process.environment(self._runtime)

    def start(self, values: dict, folder: Path, events: queue.Queue):
        path = process.write_settings(folder / "settings.json", values)
        command = self._runtime.command(self._script, str(path))
        return process.Device(command, self._env, folder / "device.log", events)


class Qemu:
    """The firmware with the agent frozen in, on the board in QEMU. Settings and keys are copied to its RAM disk."""

    def __init__(self, options: Options, script, progress):
        self._elf = firmware.ensure("agent", progress=lambda text: progress.print(text, style="dim"))
        self._script, self._heap = script, options.heap
        self.version = f"on a Cortex-M3 with lwIP in QEMU, {options.heap or firmware.HEAP} bytes of heap"

    @contextlib.contextmanager
    def start(self, values: dict, folder: Path, events: queue.Queue):
        named = {name: values[name] for name in ("ca", "cert", "key")}
        values = {
            **values,
            "host": qemu_board.HOST,
            "state": "linkpulse.state",
            **{name: f"{name}.der" for name in named},
        }
        with qemu_board.Board(self._elf, self._heap) as running:
            for name, path in named.items():
                running.put(f"{name}.der", Path(path))
            running.put("settings.json", json.dumps(values).encode())
            running.put("main.py", self._script)
            with qemu_board.Script(running, folder / "device.log", events) as script:
                yield script


TARGETS = {"unix": Unix, "qemu": Qemu}


def make_broker(kind: str, bundle: certs.Bundle, folder: Path):
    """The broker that the options name. It is not started yet."""
    return broker.EmbeddedBroker(bundle) if kind == "embedded" else broker.MosquittoBroker(bundle, folder)


def settings(options: Options, where, bundle: certs.Bundle, folder: Path) -> dict:
    """The device's settings for this run."""
    return {
        "thing": options.thing,
        "host": where.host,
        "port": where.port,
        "server_name": SERVER_NAME,
        "ca": str(bundle.ca.der),
        "cert": str(bundle.thing.der),
        "key": str(bundle.thing.key_der),
        "interval": options.interval,
        "allow_short_interval": options.interval < 300,
        "format": options.format,
        "tags": options.tags,
        "loopback": options.loopback,
        "state": str(folder / f"{options.thing.replace(':', '_')}.state"),
        "timeout": TIMEOUT,
    }


def watch(options: Options, events: queue.Queue, process: process.Device, console: Console) -> None:
    """Show every event. Return when `count` reports are accepted."""
    pending, accepted, last_error = {}, 0, None
    deadline = time.monotonic() + options.patience
    while True:
        kind, what = _event(events, deadline, options, accepted)
        if kind in ("exit", "nothing"):
            _show_all(console, pending if kind == "exit" else {}, options)
            raise ToolError(f"{what}; the device's last error: {last_error or 'none'}{_tail(process)}")
        if kind == "outcome":
            pending[what.report_id] = what
            continue
        last_error = what.get("last_error") or last_error
        outcome = pending.pop(what.get("report_id"), None)
        _show(console, outcome, what, options)
        if what.get("outcome") == "accepted":
            accepted += 1
            deadline = time.monotonic() + options.patience
            pending.clear()
            if accepted == options.count:
                return
        elif what.get("outcome") == "rejected" and options.count:
            _show_all(console, pending, options)
            why = f"{outcome.code}: {outcome.message}" if outcome else last_error
            raise ToolError(f"report {what.get('report_id')} was rejected: {why}")


def _event(events: queue.Queue, deadline: float, options: Options, accepted: int) -> tuple:
    """The next event. With a count, "nothing" if none comes before the deadline; this and "exit" say what happened."""
    try:
        kind, what = events.get(timeout=max(0.0, deadline - time.monotonic()) if options.count else None)
    except queue.Empty:
        what = f"no report was accepted in {options.patience:g} s ({accepted} of {options.count} before)"
        return "nothing", what
    return kind, f"the device ended with code {what}" if kind == "exit" else what


def _show(console: Console, outcome, status: dict, options: Options) -> None:
    if outcome:
        display.show_report(console, outcome, status, options.as_json)
    elif status.get("outcome") != "accepted":
        display.show_failure(console, status, options.as_json)


def _show_all(console: Console, pending: dict, options: Options) -> None:
    for outcome in pending.values():
        display.show_report(console, outcome, None, options.as_json)


def _tail(process: process.Device) -> str:
    lines = process.tail()
    return "\n  ".join([f"\nits standard error ({process.log}) ends with", *lines]) if lines else ""
