"""python -m tests.bench.qemu [--reports N] [--json]: what the agent takes on the Cortex-M3 in QEMU.

Writes build/bench-qemu.json. The board reports over mutual TLS to the embedded broker on this machine.
"""

import argparse
import contextlib
import itertools
import json
import queue
import re
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from linkpulse_tools import files, paths
from linkpulse_tools.build import firmware, mpy, umqtt
from linkpulse_tools.commands import run
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import qemu_board
from linkpulse_tools.errors import ToolError
from linkpulse_tools.mqtt import broker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs

from . import table

HERE = Path(__file__).parent
PROGRAM = HERE / "device" / "on_board.py"
KB = 1024
HEAP = 64 * KB
SOCKETS = 20
LOW, HIGH, STEP = 32 * KB, 128 * KB, 512
TRIES = 3  # that a heap must pass
PATIENCE = 20.0  # seconds a try may take
STEADY = 512
ICOUNT = ("-icount", "shift=0")  # an instruction a nanosecond of the board's clocks
INSTRUCTIONS = 40  # a tick of the 25 MHz clock
CROWD = """
import socket
kept = []
for _ in range({n}):
    s = socket.socket()
    s.connect(("{host}", {port}))
    kept.append(s)
"""


class Host:
    """What the board talks to: a broker whose service accepts everything, and a listener for the other sockets."""

    def __init__(self, folder: Path):
        self._bundle, self._outcomes, self._stack = certs.make_bundle(folder, "bench"), queue.Queue(), None
        self._numbers = itertools.count()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            where = stack.enter_context(broker.EmbeddedBroker(self._bundle))
            stack.enter_context(Responder(where.host, where.port, self._bundle, Service(0, self._outcomes.put)))
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
            listener.setblocking(False)
            self._listener, self.port, self.broker_port = listener, listener.getsockname()[1], where.port
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def reports(self) -> list:
        """What arrived since the last call."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._outcomes.get_nowait())
        return found

    def clear(self) -> None:
        """Forget the reports and the connections of a board that is gone."""
        self.reports()
        with contextlib.suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()

    def settings(self, **more) -> dict:
        """Of a new thing each time: a board starts without a state, and ids of one thing must increase."""
        return {
            "thing": f"bench-{next(self._numbers):03}", "host": qemu_board.HOST, "port": self.broker_port,
            "server_name": run.SERVER_NAME, "ca": "ca.der", "cert": "cert.der", "key": "key.der", "interval": 1,
            "allow_short_interval": True, "timeout": 10, **more,
        }  # fmt: skip

    def keys(self, target: qemu_board.Board) -> None:
        b = self._bundle
        for name, path in (("ca", b.ca.der), ("cert", b.thing.der), ("key", b.thing.key_der)):
            target.put(f"{name}.der", path)

    def others(self) -> str:
        """boot.py of a board whose application has the other sockets open."""
        return CROWD.format(n=SOCKETS - 1, host=qemu_board.HOST, port=self.port)


def connections(outcome) -> int:
    return outcome.verdict.report["metrics"]["tcp_connections"]["established_connections"]["total"]


def free(target: qemu_board.Board) -> dict:
    """The heap after a collection: bytes used, free, and in the largest free piece."""
    said = target.run("import gc, micropython\ngc.collect()\nmicropython.mem_info()")
    used, left = (int(re.search(rf"{name}: (\d+)", said)[1]) for name in ("used", "free"))
    return {"used": used, "free": left, "largest": 16 * int(re.search(r"max free sz: (\d+)", said)[1])}


def phases(host: Host, elf: Path, reports: int, say) -> dict:
    """The heap after each phase, in 64 KB, with 20 sockets; then over many reports."""
    found, rounds = {}, []
    with qemu_board.Board(elf, HEAP) as target:
        host.keys(target)
        target.soft_reset()
        found["boot"] = free(target)
        target.run(f"values = {host.settings()!r}\n" + PROGRAM.read_text())
        found["this program"] = free(target)
        for name, expression in (
            ("import", "load()"), ("agent made", "make()"), ("19 other sockets", f"crowd({host.port}, {SOCKETS - 1})"),
            ("connected", "connect()"), ("first report", "reports(1)"),
        ):  # fmt: skip
            target.value(expression)
            found[name] = free(target)
        started = time.monotonic()
        for done in range(0, reports, 100):
            say(f"report {done} of {reports}")
            target.value(f"reports({min(100, reports - done)})", 120)
            rounds.append(free(target))
        found[f"{reports:,} reports"] = rounds[-1]
        steady = target.value("steady()")
    counted = [connections(outcome) for outcome in host.reports()]
    if set(counted) != {SOCKETS} or len(counted) != reports + 1:
        raise ToolError(f"{len(counted)} reports of {sorted(set(counted))} connections reached the service")
    return {
        "heap": HEAP, "phases": found, "rounds": rounds, "reports": reports, "steady": steady,
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def passes(host: Host, elf: Path, heap: int, **more) -> bool:
    """Whether main.py gets three reports of 20 sockets accepted in this heap, without an error in between."""
    events: queue.Queue = queue.Queue()
    try:
        with qemu_board.Board(elf, heap) as target:
            host.keys(target)
            target.put("settings.json", json.dumps(host.settings(**more)).encode())
            target.put("main.py", paths.FIRMWARE / "main.py")
            target.put("boot.py", host.others().encode())
            with qemu_board.Script(target, paths.RUN / "bench-device.log", events):
                end = time.monotonic() + PATIENCE
                while time.monotonic() < end:
                    kind, what = events.get(timeout=PATIENCE)
                    if kind == "exit" or what["errors"]:
                        return False
                    if what["accepted"] == 3:
                        return all(connections(outcome) == SOCKETS for outcome in host.reports()[-3:])
    except (qemu_board.BoardError, qemu_board.TransportError, ToolError, queue.Empty):
        pass  # too little even to be told what to do
    finally:
        host.clear()
    return False


def smallest(host: Host, elf: Path, say, **more) -> int:
    """The least heap, in steps of 512 bytes, in which that works three times in a row."""
    low, high = LOW, HIGH
    if not passes(host, elf, high, **more):
        raise ToolError(f"a heap of {high} bytes is not enough")
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        say(f"a heap of {middle}")
        low, high = (low, middle) if passes(host, elf, middle, **more) else (middle, high)
    for heap in range(high, HIGH + 1, STEP):
        if all(passes(host, elf, heap, **more) for _ in range(TRIES)):
            return heap
    raise ToolError(f"no heap up to {HIGH} bytes is enough {TRIES} times in a row")


def imports(elf: Path, plain: Path, folder: Path) -> dict:
    """Heap in use by the agent's code and all that it imports: sources, .mpy, frozen."""
    umqtt.ensure(paths.VENDOR)
    mpy.compile_tree(paths.LIB, folder / "mpy", firmware.ARCH)
    mpy.compile_tree(paths.VENDOR, folder / "vendor", firmware.ARCH)
    files.write(folder / "mpy" / "umqtt" / "simple.mpy", (folder / "vendor" / "umqtt" / "simple.mpy").read_bytes())
    for source, name in [(p, p.relative_to(paths.LIB)) for p in paths.LIB.rglob("*.py")] + [
        (paths.VENDOR / "umqtt" / "simple.py", Path("umqtt/simple.py"))
    ]:
        files.write(folder / "py" / name, source.read_bytes())
    found = {}
    for kind, image in (("py", plain), ("mpy", plain), ("frozen", elf)):
        with qemu_board.Board(image, 512 * KB) as target:
            if kind != "frozen":
                target.mount(folder / kind)
            target.run("import gc\ngc.threshold(4096)\ngc.collect()\na = gc.mem_alloc()")
            target.run("import linkpulse.agent.agent, linkpulse.collect.lwip, linkpulse.settings", 120)
            found[kind] = target.value("(gc.collect(), gc.mem_alloc() - a)[1]")
    return found


def instructions(host: Host, elf: Path) -> dict:
    """Instructions of one report with 1 and with 20 connections: the whole of it and its parts."""
    found = {}
    with qemu_board.Board(elf, 256 * KB, extra=ICOUNT) as target:
        target.run(f"values = {host.settings()!r}\n" + PROGRAM.read_text())
        target.run("load(); make()")
        for n in (1, SOCKETS):
            target.run(f"crowd({host.port}, {n})")
            *counts, size = target.value("parts()")
            names = ("report", "counters", "sockets", "writing")
            found[n] = {**{name: INSTRUCTIONS * c for name, c in zip(names, counts, strict=True)}, "bytes": size}
            target.run("for s in kept: s.close()")
    return found


def measure(reports: int, say) -> dict:
    elf, plain = firmware.ensure("agent", progress=say), firmware.ensure("plain", progress=say)
    results = {}
    with tempfile.TemporaryDirectory() as name, Host(Path(name) / "certs") as host:
        results["imports"] = imports(elf, plain, Path(name))
        results["instructions"] = instructions(host, elf)
        results |= phases(host, elf, reports, say)
        results["smallest"] = {
            "50 rows": smallest(host, elf, say), "20 rows": smallest(host, elf, say, connections=20),
            "json long": smallest(host, elf, say, format="json", tags="long"),
        }  # fmt: skip
    return results


def lines(r: dict):
    """(what, figure, budget, met)"""
    for settings, heap in r["smallest"].items():
        met = heap <= HEAP if settings == "50 rows" else None
        yield f"smallest heap, {settings}", f"{heap:,} B", f"≤ {HEAP:,} B" if met is not None else "", met
    for name, heap in r["phases"].items():
        yield f"heap after: {name}", f"{heap['used']:,} B; {heap['largest']:,} B", "", None
    grown = r["rounds"][-1]["used"] - r["rounds"][0]["used"]
    yield f"growth, report 100 to {r['reports']:,}", f"{grown:,} B", "≤ 0 B", grown <= 0
    shrunk = r["rounds"][0]["largest"] - r["rounds"][-1]["largest"]
    yield "largest piece lost meanwhile", f"{shrunk:,} B", "", None
    yield "allocated by a report", f"{r['steady']} B", f"≤ {STEADY} B", r["steady"] <= STEADY
    for kind, heap in r["imports"].items():
        yield f"heap of the code, {kind}", f"{heap:,} B", "", None
    for n, counts in r["instructions"].items():
        parts = " + ".join(f"{counts[name] / 1000:,.0f}" for name in ("counters", "sockets", "writing"))
        yield f"instructions, {n} open", f"{counts['report'] / 1000:,.0f} k ({parts})", "", None


def show(console: Console, results: dict) -> None:
    table = Table(title="The agent on a Cortex-M3 in QEMU", title_justify="left", box=None, pad_edge=False)
    for name in ("", "measured", "budget", ""):
        table.add_column(name, overflow="fold")
    for what, figure, budget, met in lines(results):
        table.add_row(what, figure, budget, {True: "[green]met", False: "[red]missed", None: ""}[met])
    console.print(table)
    console.print(
        f"Phases: in a heap of {results['heap']:,} B, used and largest free piece after a collection; {SOCKETS} "
        "connections open, one of them the agent's own; QoS 1 over mutual TLS (P-256); "
        f"{results['reports']:,} reports in {results['seconds']} s. Smallest heap: firmware/main.py with the same "
        "connections, three reports accepted, three times in a row. Allocated by a report: garbage included. "
        "Instructions (counters + sockets + writing): -icount, polling the network included.",
        style="dim",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.qemu", description=__doc__)
    parser.add_argument("--reports", type=int, default=1000, help="how many in a row (1000)")
    parser.add_argument("--json", action="store_true", help="the figures on standard output instead of the table")
    options = parser.parse_args()
    console = Console(stderr=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no machine is left running
    try:
        with console.status("measuring") as status:
            results = measure(options.reports, lambda text: status.update(text))
    except (ToolError, qemu_board.BoardError, qemu_board.TransportError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    table.publish(results, "bench-qemu.json", None if options.json else show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
