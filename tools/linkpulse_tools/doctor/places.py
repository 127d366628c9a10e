"""The places where the device's code runs: a board at a serial port, or this Linux machine."""

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

# Where the packages for Linux keep the report ids, if the settings do not name a file.
PACKAGED = {"/etc/linkpulse/settings.json": "/var/lib/linkpulse/linkpulse.state"}
HEAP = "512K"  # as in the Linux packages


class Gone(Exception):
    """The device does not answer any more. The message says why."""


class Place:
    """Runs scripts on the device.

    `run` raises a BoardError for an exception on the device, and Gone if the device is gone. `path` is the path of the
    settings, as the device's code sees it. `gateway` says that the device is this Linux machine.
    """

    path: str
    gateway: bool

    def firmware(self) -> str:
        """A text that says what the device runs. A ToolError if that cannot run the agent."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Provide what the device's code needs. A ToolError if that fails."""

    def run(self, script: str, patience: float = ANSWER, fresh: bool = False) -> str:
        """The script's output. `fresh` means that it runs in an empty heap."""
        raise NotImplementedError

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None if it cannot be read."""
        raise NotImplementedError

    def state(self) -> str | None:
        """The file of the agent's report ids, if it is not the one that the settings say."""
        return None

    def ask(self, script: str, patience: float = ANSWER, fresh: bool = False, **values):
        """The value in the last line of a script's output."""
        said = self.run(filled(script, PATH=self.path, **values), patience, fresh)
        return json.loads(said.strip().splitlines()[-1])

    def with_settings(self, script: str, patience: float = ANSWER, fresh: bool = False, **values):
        """The same, for a script that begins with the settings, `s`, and the hardware that they name, `board`."""
        return self.ask(BEGIN + script, patience, fresh, **values)


class OnBoard(Place):
    """A board. The caller keeps the session open."""

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
    """This machine. The code is in the folders in MICROPYPATH, or else the code that came with these tools."""

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
            raise Gone(f"it did not end in {patience:g} s") from error
        if done.returncode:
            raise BoardError(done.stderr or done.stdout or f"exit code {done.returncode}")
        return done.stdout

    def state(self) -> str | None:
        try:
            named = "state" in json.loads(self.read(self.path) or b"{}")
        except ValueError:  # MicroPython does without commas
            named = False
        return None if named else PACKAGED.get(self.path)

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except OSError:
            return None
