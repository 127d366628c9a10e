"""Where the device's code runs: on a board at a serial port, or here, under MicroPython on Linux."""

import json
import os
import subprocess
from pathlib import Path

from serial import SerialException

from linkpulse_tools import paths
from linkpulse_tools.build import umqtt
from linkpulse_tools.deploy import contents
from linkpulse_tools.deploy.folder import SETTINGS
from linkpulse_tools.device import identity, interpreter, process
from linkpulse_tools.device.serial_board import ANSWER, BoardError, Remote, TransportError
from linkpulse_tools.doctor.probes import BEGIN, filled

HEAP = "512K"  # as the Linux packages start the agent


class Gone(Exception):
    """The device does not answer any more, and why."""


class Place:
    """`run` raises a BoardError for the device's own exception and Gone when there is no device any more.

    `path` is where the settings are, for the device's code. `gateway`: it is Linux, and this machine.
    """

    path: str
    gateway: bool

    def firmware(self) -> str:
        """What runs here, in words; a ToolError for what cannot run the agent."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Whatever the device's code needs before it can run; a ToolError where that cannot be had."""

    def run(self, script: str, patience: float = ANSWER, fresh: bool = False) -> str:
        """What it prints. `fresh`: from a heap that nothing else was in."""
        raise NotImplementedError

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none that can be read."""
        raise NotImplementedError

    def ask(self, script: str, patience: float = ANSWER, fresh: bool = False, **values):
        """What a script's last line tells."""
        said = self.run(filled(script, PATH=self.path, **values), patience, fresh)
        return json.loads(said.strip().splitlines()[-1])

    def with_settings(self, script: str, patience: float = ANSWER, fresh: bool = False, **values):
        """The same of a script that begins with the settings, `s`, and the hardware that they name, `board`."""
        return self.ask(BEGIN + script, patience, fresh, **values)


class OnBoard(Place):
    """A board whose session the caller holds."""

    path, gateway = SETTINGS, False

    def __init__(self, board: Remote):
        self._board = board

    def firmware(self) -> str:
        try:
            who = identity.of(self._board)
        except (TransportError, SerialException, OSError) as error:
            raise Gone(str(error)) from error
        contents.require(who)
        return f"{who.name} {contents.dotted(who)} on {who.machine or who.platform}"

    def run(self, script: str, patience: float = ANSWER, fresh: bool = False) -> str:
        try:
            if fresh:
                self._board.soft_reset()
                self._board.guard()
            return self._board.run(script, patience)
        except (TransportError, SerialException, OSError) as error:
            raise Gone(str(error)) from error

    def read(self, path: str) -> bytes | None:
        try:
            return self._board.read(path)
        except (TransportError, SerialException, OSError) as error:
            raise Gone(str(error)) from error


class OnGateway(Place):
    """This machine. The code is what MICROPYPATH names, else that which came with these tools."""

    gateway = True

    def __init__(self, settings: Path, micropython: str | None):
        self.path, self._wanted = os.path.abspath(settings), micropython
        self._runtime: interpreter.Interpreter | None = None
        self._env = dict(os.environ)

    def firmware(self) -> str:
        self._runtime = interpreter.find(self._wanted)
        return f"micropython {'.'.join(map(str, self._runtime.version))} at {self._runtime.path}"

    def prepare(self) -> None:
        if "MICROPYPATH" not in os.environ:
            umqtt.ensure(paths.VENDOR)
            self._env = process.environment(self._runtime)

    def run(self, script: str, patience: float = ANSWER, fresh: bool = False) -> str:
        command = [self._runtime.path, "-X", f"heapsize={HEAP}", "-c", script]
        try:
            done = subprocess.run(
                command, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience
            )
        except subprocess.TimeoutExpired as error:
            raise Gone(f"it came to no end in {patience:g} s") from error
        if done.returncode:
            raise BoardError(done.stderr or done.stdout or f"exit code {done.returncode}")
        return done.stdout

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except OSError:
            return None
