"""`linkpulse run`: broker, service and device together, until enough reports are accepted."""

import contextlib
import queue
import time
from dataclasses import dataclass

from rich.console import Console

from linkpulse_tools import broker, certs, device, display, interpreter, paths, umqtt
from linkpulse_tools.errors import ToolError
from linkpulse_tools.responder import Responder
from linkpulse_tools.service import Service

TIMEOUT = 10  # seconds an operation of the device may take
SERVER_NAME = "localhost"


@dataclass(frozen=True)
class Options:
    """What the command line says. `count` None: until Ctrl-C. `limit` None: a little under the interval."""

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

    @property
    def patience(self) -> float:
        """Seconds in which something must be accepted."""
        return 2 * self.interval + 3 * TIMEOUT

    @property
    def service_limit(self) -> float:
        return min(300.0, self.interval) * 0.8 if self.limit is None else self.limit


def run(options: Options, console: Console, progress: Console) -> None:
    """Run until `count` reports are accepted; a ToolError says why that did not happen."""
    script = paths.FIRMWARE / "main.py"
    if not script.exists():
        raise ToolError(f"{script} is missing: run this in a checkout of linkpulse")
    runtime = interpreter.find(options.micropython)
    umqtt.ensure(paths.VENDOR)
    bundle = certs.ensure(paths.CERTS, options.thing)
    env = device.environment(runtime)
    events: queue.Queue = queue.Queue()
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(make_broker(options.broker, bundle))
        service = Service(options.service_limit, lambda outcome: events.put(("outcome", outcome)))
        stack.enter_context(Responder(where.host, where.port, bundle, service))
        path = device.write_settings(paths.RUN / "settings.json", settings(options, where, bundle))
        progress.print(
            f"{options.broker} broker on port {where.port}, MicroPython {'.'.join(map(str, runtime.version))}, "
            f"thing {options.thing}, a report every {options.interval} s",
            style="dim",
            soft_wrap=True,
        )
        process = device.Device(runtime.command(script, str(path)), env, paths.RUN / "device.log", events)
        stack.enter_context(process)
        watch(options, events, process, console)


def make_broker(kind: str, bundle: certs.Bundle):
    """The broker that was asked for, not yet started."""
    return broker.EmbeddedBroker(bundle) if kind == "embedded" else broker.MosquittoBroker(bundle, paths.RUN)


def settings(options: Options, where, bundle: certs.Bundle) -> dict:
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
        "state": str(paths.RUN / f"{options.thing.replace(':', '_')}.state"),
        "timeout": TIMEOUT,
    }


def watch(options: Options, events: queue.Queue, process: device.Device, console: Console) -> None:
    """Show what happens; return when `count` reports are accepted."""
    pending, accepted, last_error = {}, 0, None
    deadline = time.monotonic() + options.patience
    while True:
        try:
            kind, what = events.get(timeout=max(0.0, deadline - time.monotonic()) if options.count else None)
        except queue.Empty:
            raise ToolError(
                f"nothing accepted in {options.patience:g} s ({accepted} of {options.count} before); "
                f"the device's last error: {last_error or 'none'}{_tail(process)}"
            ) from None
        if kind == "exit":
            _show_all(console, pending, options)
            raise ToolError(
                f"the device ended with code {what}; its last error: {last_error or 'none'}{_tail(process)}"
            )
        if kind == "outcome":
            pending[what.report_id] = what
            continue
        last_error = what.get("last_error") or last_error
        outcome = pending.pop(what.get("report_id"), None)
        if outcome:
            display.show_report(console, outcome, what, options.as_json)
        elif what.get("outcome") != "accepted":
            display.show_failure(console, what, options.as_json)
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


def _show_all(console: Console, pending: dict, options: Options) -> None:
    for outcome in pending.values():
        display.show_report(console, outcome, None, options.as_json)


def _tail(process: device.Device) -> str:
    lines = process.tail()
    return "\n  ".join(["\nits standard error (build/run/device.log) ends with", *lines]) if lines else ""
