"""The board in QEMU and what it is told: mpremote's transport over QEMU's terminal, or main.py on its own."""

import ast
import os
import queue
import select
import threading
import time
from pathlib import Path

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from linkpulse_tools import firmware
from linkpulse_tools.device import TAIL, parse_status
from linkpulse_tools.errors import ToolError

HOST = "10.0.2.2"  # the host's loopback, seen from the board
ANSWER = 30.0
STOP_TIMEOUT = 3.0
REBOOTED = b"MPY: soft reboot"
PROMPT = b">>> "


class BoardError(Exception):
    """The board's own exception: its traceback. `kind` is its class's name, `text` what it said."""

    def __init__(self, traceback: str):
        super().__init__(traceback)
        self.kind, _, self.text = traceback.strip().splitlines()[-1].partition(": ")


class Board:
    """A running machine at its raw REPL.

    `run` executes source; `value` gives back the last expression of it. Between `start` and `finish` the board runs
    and the host is free to play the other side. `heap` in bytes, None for the firmware's own.
    """

    def __init__(self, elf: Path, heap: int | None = None, forward: dict | None = None, extra: tuple = ()):
        qemu = firmware.qemu()
        try:
            self.machine = qemu.Machine(elf, heap, forward, extra)
        except qemu.QemuError as error:
            raise ToolError(str(error)) from error
        self.pid, self.terminal = self.machine.pid, self.machine.terminal
        try:
            self._transport = SerialTransport(self.terminal, timeout=1)
            self._transport.enter_raw_repl(soft_reset=False)
        except BaseException:
            self.machine.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._transport.close()
        finally:
            self.machine.stop()

    def start(self, source: str) -> None:
        """Begin to execute; `finish` ends it."""
        self._transport.exec_raw_no_follow(source)

    def finish(self, timeout: float = ANSWER) -> str:
        """What it printed. A BoardError for its exception, a TransportError when it says nothing for `timeout` s."""
        said, error = self._transport.follow(timeout)
        if error:
            raise BoardError(error.decode(errors="replace"))
        return said.decode(errors="replace")

    def run(self, source: str, timeout: float = ANSWER) -> str:
        self.start(source)
        return self.finish(timeout)

    def begin(self, expression: str) -> None:
        """Begin to evaluate; `value()` without an argument ends it."""
        self.start(f"print(repr({expression}))")

    def value(self, expression: str | None = None, timeout: float = ANSWER):
        """The value of an expression, of which Python's literals come through."""
        if expression is not None:
            self.begin(expression)
        return ast.literal_eval(self.finish(timeout).strip().splitlines()[-1])

    def mount(self, folder: Path) -> None:
        """The host's folder as /remote, where modules are looked for first. The current one is still the RAM disk's."""
        self._transport.mount_local(str(folder))
        self.run("import os, sys\nos.chdir('/')\nsys.path.insert(0, '/remote')")

    def put(self, name: str, data: bytes | Path) -> None:
        """A file on the RAM disk."""
        self._transport.fs_writefile(name, data.read_bytes() if isinstance(data, Path) else data)

    def soft_reset(self) -> None:
        """Everything anew but the files; boot.py and main.py do not run. What was mounted is not any more."""
        if self._transport.mounted:
            self._transport.umount_local()
        self._transport.enter_raw_repl(soft_reset=True)

    def interrupt(self) -> None:
        """Ctrl-C: for what runs since `start`."""
        self._transport.serial.write(b"\x03")

    def leave(self) -> None:
        """A soft reset into main.py, and off the terminal: what it says is for `Script` to read."""
        self._transport.exit_raw_repl()
        self._transport.read_until(1, PROMPT)
        self._transport.serial.write(b"\x04")
        self._transport.read_until(1, REBOOTED)

    def read(self, timeout: float) -> bytes:
        """What the terminal says, after `leave`."""
        port = self._transport.serial.fileno()
        return os.read(port, 4096) if select.select([port], [], [], timeout)[0] else b""


class Script:
    """main.py on the board: status lines and its end put on `events`, as device.Device does for a process."""

    def __init__(self, board: Board, log: Path, events: queue.Queue):
        self._board, self._log, self._events = board, log, events
        self._stopping = threading.Event()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        board.leave()
        self._reader = threading.Thread(target=self._read, name="board", daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._reader.join(STOP_TIMEOUT)

    def tail(self) -> list[str]:
        """The last lines that were no status."""
        return self._log.read_text(errors="replace").splitlines()[-TAIL:]

    def _read(self) -> None:
        rest = b""
        with self._log.open("ab", buffering=0) as log:
            while not self._stopping.is_set():
                rest += self._board.read(0.2)
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    status = parse_status(line)
                    if status is None:
                        log.write(line + b"\n")
                    else:
                        self._events.put(("status", status))
                if rest.endswith(PROMPT) or not self._board.machine.running():
                    self._events.put(("exit", 1))
                    return


def wait_for(condition, seconds: float = ANSWER, pause: float = 0.02) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True


__all__ = ["HOST", "Board", "BoardError", "Script", "TransportError", "TransportExecError", "wait_for"]
