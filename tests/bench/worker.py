"""Processes that make reports on command, and what their work costs the processor."""

import os
import select
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT = 60.0


class Failed(Exception):
    """A process did not do what it was asked for."""


class Worker:
    """A process that reads commands and answers each with a line; ended on leaving the `with`."""

    def __init__(self, command: list[str], env: dict):
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self.pid = self._process.pid
        self._clock = ~self.pid << 3 | 2  # CPUCLOCK_SCHED of that process, see clock_getcpuclockid(3)

    def __enter__(self):
        if self._line() != "ready":
            raise Failed("a worker did not start")
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()

    def ask(self, command: str) -> str:
        self._process.stdin.write(command.encode() + b"\n")
        return self._line()

    def cost(self, work: str, times: int) -> float:
        """Seconds of the processor, user and system, that one of `times` takes, in the mean."""
        before = time.clock_gettime(self._clock)
        self.ask(f"{work} {times}")
        return (time.clock_gettime(self._clock) - before) / times

    def resident(self) -> int:
        """The most bytes of memory it had resident so far."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def _line(self) -> str:
        data = b""
        end = time.monotonic() + TIMEOUT
        while not data.endswith(b"\n"):
            ready = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))[0]
            got = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            if not got:
                self._process.kill()
                said = self._process.stderr.read().decode(errors="replace").strip()
                raise Failed(f"a worker {'ended' if ready else 'was too slow'}: {said or 'it said nothing'}")
            data += got
        return data.decode().strip()


@dataclass
class Samples:
    """What one thing cost in each round, in seconds."""

    rounds: list[float] = field(default_factory=list)

    def summary(self) -> dict:
        """Microseconds, lowest and median."""
        return {
            "min": min(self.rounds) * 1e6,
            "median": statistics.median(self.rounds) * 1e6,
            "rounds": len(self.rounds),
        }


def interleaved(
    workers: dict[str, Worker], times: dict[str, int], rounds: int, work: str = "report"
) -> dict[str, dict]:
    """Let the workers take turns for that many rounds, so that what disturbs the machine disturbs all alike."""
    samples = {name: Samples() for name in workers}
    for worker in workers.values():
        worker.ask(f"{work} 1")
    for _ in range(rounds):
        for name, worker in workers.items():
            samples[name].rounds.append(worker.cost(work, times[name]))
    return {name: each.summary() for name, each in samples.items()}
