"""A MicroPython board at a serial port, over mpremote's SerialTransport. What speaks to a board goes through this.

    with session(port) as board:            # None: the only board on USB; its errors are ToolErrors
        board.run(source)                   # -> what it printed; BoardError is the board's own exception
        board.value("gc.mem_free()")        # -> the value, of which Python's literals come through
        board.files("lib")                  # -> {"lib/a.mpy": bytes, ...}, all below a folder
        board.hashes(["main.py"])           # -> {"main.py": sha256}, of those that exist
        board.read(path); board.write(path, data); board.remove(path)
        board.free()                        # -> (free bytes of the file system, bytes of a block)
        board.set_clock(); board.soft_reset(); board.guard(); board.hard_reset()
        board.leave()                       # into main.py, then: for line in board.lines(): parse_status(line)

Paths are relative to the folder in which a board starts, as main.py sees them ("lib/linkpulse/settings.mpy"); that
is "/" on most boards and "/flash" on some. What kind of board it is, and what is on it: `identity.of(board)`.
"""

import ast
import base64
import contextlib
import errno
import hashlib
import io
import time
import types
from pathlib import Path

from mpremote.commands import CommandError, do_connect
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from serial import SerialException
from serial.tools import list_ports

from linkpulse_tools.errors import ToolError

ANSWER = 30.0  # seconds without a byte, after which a board is given up
TRIES = 3  # of 10 s: Ctrl-C is not heard while a board's own code waits in C, for a name or a connection
GONE = (errno.EIO, errno.ENXIO, errno.ENODEV)  # what the ioctls of a port say that is not there any more
REBOOTED = b"soft reboot\r\n"
PROMPT = b">>> "
PART = "~"  # what a file is called until it is whole
PIECE = 512  # bytes sent at once
FILES = """
import os
def _files(folder):
    for name, kind in [e[:2] for e in os.ilistdir(folder)]:
        path = folder + "/" + name
        if kind == 0x4000:
            _files(path)
        else:
            print(os.stat(path)[6], path)
try:
    _files(%r)
except OSError:
    pass
"""
HASHES = """
import hashlib, binascii
_buf = memoryview(bytearray(512))
for path in %r:
    try:
        f = open(path, "rb")
    except OSError:
        continue
    h = hashlib.sha256()
    while True:
        n = f.readinto(_buf)
        if not n:
            break
        h.update(_buf[:n])
    f.close()
    print(binascii.hexlify(h.digest()).decode(), path)
"""
CLOCK = """
import machine
if hasattr(machine, "RTC"):
    machine.RTC().datetime((%d, %d, %d, %d, %d, %d, %d, 0))
print(hasattr(machine, "RTC"))
"""
# A watchdog that main.py has started goes on when main.py is interrupted, and cannot be stopped.
WATCHDOG = """
_feed = None
try:
    import json, machine
    with open("settings.json") as _f:
        _seconds = json.load(_f)["watchdog"]
    if _seconds:
        _feed = machine.WDT(timeout=_seconds * 1000).feed
except (ImportError, AttributeError, OSError, ValueError, KeyError, TypeError):
    pass  # no watchdog, no settings, or such that the agent refuses
print(_feed is not None)
"""


class BoardError(Exception):
    """The board's own exception: its traceback. `kind` is its class's name, `text` what it said."""

    def __init__(self, traceback: str):
        super().__init__(traceback)
        self.kind, _, self.text = traceback.strip().splitlines()[-1].partition(": ")


def ports() -> list[str]:
    """The serial ports that look like boards: those on USB."""
    return sorted(port.device for port in list_ports.comports() if port.vid is not None and port.pid is not None)


def find(port: str | None = None) -> str:
    """The port to use: the one named, else the only one on USB; a ToolError lists several."""
    if port:
        return port
    found = ports()
    if len(found) == 1:
        return found[0]
    if found:
        raise ToolError(f"several boards: {', '.join(found)}. Name the one you mean as PORT")
    raise ToolError("no board on USB: connect one, or name its port, such as /dev/ttyUSB0")


def transport(port: str) -> SerialTransport:
    """mpremote's connection to a port: a device, rfc2217://..., id:SERIALNUMBER, whatever `mpremote connect` takes."""
    state = types.SimpleNamespace(transport=None)
    try:
        do_connect(state, types.SimpleNamespace(device=[port]))
    except (CommandError, SerialException, OSError, ValueError) as error:
        others = ", ".join(ports()) or "none"
        raise ToolError(f"cannot open {port}: {error}. Ports on USB: {others}") from error
    state.transport.serial.timeout = 1
    return state.transport


@contextlib.contextmanager
def session(port: str | None = None):
    """A board, freshly started and at its raw REPL, as a Remote; what goes wrong with it is a ToolError."""
    name = find(port)
    try:
        with Remote(transport(name)) as board:
            board.soft_reset()
            board.guard()
            yield board
    except BoardError as error:
        raise ToolError(f"the board at {name} failed: {error}") from error
    except (TransportError, OSError) as error:
        if not isinstance(error, (TransportError, SerialException)) and error.errno not in GONE:
            raise  # no error of the port
        raise ToolError(
            f"the board at {name} does not answer as MicroPython does: {error}. Reset it, try again"
        ) from error


class Remote:
    """A board at its raw REPL.

    Between `start` and `finish` the board runs and the host is free to play the other side.
    """

    def __init__(self, connection: SerialTransport):
        self._transport = connection
        self.guarded = False
        try:
            self._enter(soft_reset=False)
        except BaseException:
            connection.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._transport.close()
        except OSError:  # the board has gone, with its port
            self._transport.serial.close()

    def start(self, source: str) -> None:
        """Begin to execute; `finish` ends it."""
        self._transport.exec_raw_no_follow("_feed()\n" + source if self.guarded else source)

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
        """The host's folder as /remote, where modules are looked for first. The current one is still the board's."""
        self._transport.mount_local(str(folder))
        self.run("import os, sys\nos.chdir('/')\nsys.path.insert(0, '/remote')")

    def files(self, folder: str) -> dict[str, int]:
        """Every file below a folder with its size in bytes; none where there is no such folder."""
        rows = (line.split(" ", 1) for line in self.run(FILES % folder).splitlines())
        return {path: int(size) for size, path in rows}

    def hashes(self, paths) -> dict[str, str]:
        """sha256, in hexadecimal, of those of these files that exist."""
        try:
            rows = (line.split(" ", 1) for line in self.run(HASHES % (tuple(paths),)).splitlines())
            return {path: digest for digest, path in rows}
        except BoardError as error:
            if error.kind not in ("ImportError", "AttributeError"):  # a board without hashlib, or without its sha256
                raise
        found = ((path, self.read(path)) for path in paths)
        return {path: hashlib.sha256(data).hexdigest() for path, data in found if data is not None}

    def free(self) -> tuple[int, int]:
        """Bytes that are free on the file system, and of one of its blocks."""
        self.run("import os")
        block, fragment, _, _, free = self.value("tuple(os.statvfs('.'))")[:5]
        return free * (fragment or block), block

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none."""
        try:
            return bytes(self._transport.fs_readfile(path, PIECE))
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes, written=lambda size: None) -> None:
        """A file, whole or not at all: under another name until it is complete; folders are made as needed.

        `written` is called with the bytes of each piece.
        """
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            self.mkdir("/".join(parts[:depth]))
        self.run(f"from binascii import a2b_base64 as _d\n_f = open({path + PART!r}, 'wb')")
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            self.run(f"_f.write(_d({base64.b64encode(piece)!r}))")
            written(len(piece))
        self.run(f"import os\n_f.close()\nos.rename({path + PART!r}, {path!r})")

    def put(self, name: str, data: bytes | Path) -> None:
        """The same from a file of the host's."""
        self.write(name, data.read_bytes() if isinstance(data, Path) else data)

    def mkdir(self, path: str) -> None:
        """A folder, which may be there already."""
        self.run(f"import os\ntry:\n os.stat({path!r})\nexcept OSError:\n os.mkdir({path!r})")

    def remove(self, path: str) -> None:
        self.run(f"import os\nos.remove({path!r})")

    def set_clock(self) -> bool:
        """The host's time, UTC, as the board's; False where a board has no clock to set."""
        now = time.gmtime()
        return "True" in self.run(CLOCK % (*now[:3], now[6], *now[3:6]))

    def soft_reset(self) -> None:
        """Everything anew but the files, and boot.py runs; main.py does not. What was mounted is not any more."""
        if self._transport.mounted:
            self._transport.umount_local()
        self.guarded = False
        self._enter(soft_reset=True)

    def guard(self) -> None:
        """After a soft reset: from now on every command feeds the watchdog, if the board's settings have one."""
        self.guarded = "True" in self.run(WATCHDOG)

    def hard_reset(self) -> None:
        """As by the reset button. A port of the board's own on USB goes away with it: close this."""
        with contextlib.suppress(OSError, TransportError):  # the port may go before the answer comes
            self.start("import machine\nmachine.reset()")

    def interrupt(self) -> None:
        """Ctrl-C: for what runs since `start`."""
        self._transport.serial.write(b"\x03")

    def leave(self) -> None:
        """A soft reset into main.py, and off the terminal: what it says is for `lines`."""
        self._transport.exit_raw_repl()
        self._transport.read_until(1, PROMPT)
        self._transport.serial.write(b"\x04")
        self._transport.read_until(1, REBOOTED)

    def lines(self, stopped=lambda: False):
        """After `leave`: what the terminal says, line by line, until main.py ends, the board is gone or `stopped()`."""
        rest = b""
        while self.running() and not rest.endswith(PROMPT) and not stopped():
            try:
                rest += self._read(0.2)
            except OSError:  # the port went away
                return
            *lines, rest = rest.split(b"\n")
            yield from lines

    def running(self) -> bool:
        """Whether there is still a board."""
        return True

    def _read(self, timeout: float) -> bytes:
        serial = self._transport.serial
        serial.timeout = timeout
        return serial.read(max(1, serial.in_waiting))

    def _enter(self, soft_reset: bool) -> None:
        for left in reversed(range(TRIES)):
            said = io.StringIO()  # mpremote prints what it did not understand
            try:
                with contextlib.redirect_stdout(said):
                    self._transport.enter_raw_repl(soft_reset=soft_reset)
                return
            except TransportError:
                if not left:
                    raise


__all__ = ["ANSWER", "PROMPT", "BoardError", "Remote", "TransportError", "find", "ports", "session", "transport"]
