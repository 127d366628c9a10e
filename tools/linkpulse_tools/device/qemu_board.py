"""The board in QEMU, either as a Remote that starts and ends the machine, or as a process that runs main.py."""

import queue
import threading
import time
from pathlib import Path

from mpremote.transport import TransportError, TransportExecError

from linkpulse_tools.build import firmware
from linkpulse_tools.device import serial_board
from linkpulse_tools.device.process import TAIL, parse_status
from linkpulse_tools.device.serial_board import ANSWER, BoardError
from linkpulse_tools.errors import ToolError

HOST = "10.0.2.2"  # the board's name for the host's loopback
STOP_TIMEOUT = 3.0


class Board(serial_board.Remote):
    """A running machine at its raw REPL. `heap` is in bytes; None takes the firmware's default."""

    def __init__(self, elf: Path, heap: int | None = None, forward: dict | None = None, extra: tuple = ()):
        qemu = firmware.qemu()
        try:
            self.machine = qemu.Machine(elf, heap, forward, extra)
        except qemu.QemuError as error:
            raise ToolError(str(error)) from error
        self.pid, self.terminal = self.machine.pid, self.machine.terminal
        try:
            super().__init__(serial_board.transport(self.terminal))
        except BaseException:
            self.machine.stop()
            raise

    def __exit__(self, *_):
        try:
            super().__exit__()
        finally:
            self.machine.stop()

    def running(self) -> bool:
        return self.machine.running()


class Script:
    """main.py on the board. Its status lines and its end are put on `events`, in the form that Device uses."""

    def __init__(self, board: serial_board.Remote, log: Path, events: queue.Queue):
        self._board, self.log, self._events = board, log, events
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
        """The last lines that were not status lines."""
        return self.log.read_text(errors="replace").splitlines()[-TAIL:]

    def _read(self) -> None:
        with self.log.open("ab", buffering=0) as log:
            for line in self._board.lines(self._stopping.is_set):
                status = parse_status(line)
                if status is None:
                    log.write(line + b"\n")
                else:
                    self._events.put(("status", status))
        if not self._stopping.is_set():
            self._events.put(("exit", 1))


def wait_for(condition, seconds: float = ANSWER, pause: float = 0.02) -> bool:
    """Whether the condition became true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True


__all__ = ["HOST", "Board", "BoardError", "Script", "TransportError", "TransportExecError", "wait_for"]
