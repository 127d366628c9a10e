"""A connected agent between two reports: what waiting costs, and from it a whole interval of 300 s."""

import queue
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import mpy, umqtt
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import process
from linkpulse_tools.mqtt.broker import EmbeddedBroker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import certs

from .programs import PEER, Programs
from .worker import Failed

INTERVAL = 300
IDLE = 50.0  # seconds; longer than any piece of an agent's waiting
PORT = 443  # where the peer goes, with ALPN
PATIENCE = 75.0
THING = "bench"


class Agent:
    """An agent's process and what it prints; ended on leaving the `with`."""

    def __init__(self, command: list[str], env: dict):
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._clock = ~self._process.pid << 3 | 2  # CPUCLOCK_SCHED, see clock_getcpuclockid(3)
        self._lines: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def wait_for(self, text: str) -> None:
        """Until it prints a line with `text`."""
        end, said = time.monotonic() + PATIENCE, []
        while not said or text not in said[-1]:
            try:
                said.append(self._lines.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                raise Failed(f"an agent did not come to its {text!r}: {said[-3:]}") from None

    def idle(self) -> dict:
        """Milliseconds of the processor and wake-ups in IDLE seconds."""
        time.sleep(1)  # what the connection still brings
        before = time.clock_gettime(self._clock), self._switches()
        time.sleep(IDLE)
        used, woken = time.clock_gettime(self._clock) - before[0], self._switches() - before[1]
        return {"cpu_ms": used * 1e3, "wakeups": woken}

    def _switches(self) -> int:
        # Each time one of its threads waited and went on.
        texts = [path.read_text() for path in Path(f"/proc/{self._process.pid}/task").glob("*/status")]
        return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in texts)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)


def ours(programs: Programs, bundle: certs.Bundle, where: EmbeddedBroker, folder: Path) -> Agent:
    settings = {
        "thing": THING, "host": where.host, "port": where.port, "server_name": "localhost",
        "ca": str(bundle.ca.der), "cert": str(bundle.thing.der), "key": str(bundle.thing.key_der),
        "interval": int(IDLE) + 10, "allow_short_interval": True, "loopback": True, "state": str(folder / "state"),
    }  # fmt: skip
    path = process.write_settings(folder / "settings.json", settings)
    env = programs.env(None) | {"MICROPYPATH": mpy.search_path(programs.lib(programs.variants[0]), paths.VENDOR)}
    return Agent(programs.interpreter.command(paths.FIRMWARE / "main.py", str(path)), env)


def theirs(programs: Programs, bundle: certs.Bundle) -> Agent:
    command = programs.python(
        "-u", "-m", f"{PEER}.agent", "-e", "127.0.0.1", "-r", str(bundle.ca.pem), "-c", str(bundle.thing.pem),
        "-k", str(bundle.thing.key_pem), "-id", THING, "-f", "json", "-i", str(INTERVAL),
    )  # fmt: skip
    return Agent(command, programs.env(None))


def measure(programs: Programs, say) -> dict:
    """Both agents, connected by mutual TLS to a broker on this machine, without a report for IDLE seconds.

    To be called in a network namespace of its own, where the peer's port is free.
    """
    found = {"seconds": IDLE}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bundle = certs.make_bundle(folder, THING)
        where = stack.enter_context(EmbeddedBroker(bundle, port=PORT))
        stack.enter_context(Responder(where.host, where.port, bundle, Service(0, lambda outcome: None)))
        umqtt.ensure(paths.VENDOR)
        say("connected, waiting: linkpulse")
        with ours(programs, bundle, where, folder) as agent:
            agent.wait_for('"accepted": 1')
            found["linkpulse"] = agent.idle()
        say("connected, waiting: AWS's agent")
        with theirs(programs, bundle) as agent:
            agent.wait_for("/rejected")  # the second of its two subscriptions
            found["peer"] = agent.idle()
    return found


def whole(idle: dict, seconds: float, report_us: float) -> dict:
    """An interval: waiting for INTERVAL seconds at that rate, and one report."""
    times = INTERVAL / seconds
    return {"cpu_ms": idle["cpu_ms"] * times + report_us / 1e3, "wakeups": idle["wakeups"] * times}
