"""The device as a process of this machine. It takes settings and prints one JSON object in each line."""

import json
import os
import queue
import signal
import subprocess
import threading
from pathlib import Path

from linkpulse_tools import files, paths
from linkpulse_tools.build import mpy
from linkpulse_tools.device.interpreter import Interpreter

STOP_TIMEOUT = 3.0
TAIL = 12


def write_settings(path: Path, settings: dict) -> Path:
    """Write the flat JSON file that firmware/main.py and firmware/report.py read."""
    files.write(path, json.dumps(settings, indent=2).encode() + b"\n", 0o600)
    return path


def environment(interpreter: Interpreter) -> dict:
    """Compile the library for the interpreter. Returns the environment in which the interpreter finds it."""
    compiled = mpy.for_interpreter(paths.LIB, paths.MPY, interpreter.arch)
    return dict(os.environ, MICROPYPATH=mpy.search_path(compiled, paths.VENDOR))


class Device:
    """A running device. Its status lines and its end are put on `events` as ("status", dict) and ("exit", code)."""

    def __init__(self, command: list[str], env: dict, log: Path, events: queue.Queue):
        self._events, self.log = events, log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._errors = log.open("wb")
        self._process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C must reach it through stop() only
        )
        self._reader = threading.Thread(target=self._read, name="device", daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self) -> None:
        """End the process, first as Ctrl-C does and then by force. It is gone when this returns."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
            try:
                self._process.wait(STOP_TIMEOUT)
                break
            except subprocess.TimeoutExpired:
                continue
        self._reader.join(STOP_TIMEOUT)
        self._process.stdout.close()
        self._errors.close()

    def tail(self) -> list[str]:
        """The last lines it wrote to standard error."""
        return self.log.read_text(errors="replace").splitlines()[-TAIL:]

    def _read(self) -> None:
        for line in self._process.stdout:
            status = parse_status(line)
            if status is not None:
                self._events.put(("status", status))
            else:
                self._errors.write(line)  # MicroPython's traceback comes on standard output
                self._errors.flush()
        self._events.put(("exit", self._process.wait()))


def parse_status(line: bytes) -> dict | None:
    """The JSON object in a line of the device's output, or None for any other line."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
