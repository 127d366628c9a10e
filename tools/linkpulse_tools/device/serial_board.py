"""A MicroPython board at a serial port, over mpremote's SerialTransport. All communication with boards uses this.

    with session(port) as board:            # None is the only board on USB; errors become ToolErrors
        board.run(source)                   # -> the output; a BoardError is the board's own exception
        board.value("gc.mem_free()")        # -> the value, if it is a Python literal
        board.files("lib")                  # -> {"lib/a.mpy": size, ...}, all files below a folder
        board.hashes(["main.py"])           # -> {"main.py": sha256}, for the files that exist
        board.read(path); board.write(path, data); board.remove(path)
        board.free()                        # -> (free bytes of the file system, bytes of a block)
        board.set_clock(); board.soft_reset(); board.guard(); board.hard_reset()
        board.leave()                       # starts main.py; then: for line in board.lines(): parse_status(line)

Paths are relative to the folder in which a board starts, as main.py sees them ("lib/linkpulse/settings.mpy"). This
folder is "/" on most boards and "/flash" on some. `identity.of(board)` says what kind of board it is, and what is on
it.
"""

import ast
import base64
import contextlib
import errno
import hashlib
import io
import os
import time
import types
from pathlib import Path

from mpremote.commands import CommandError, do_connect
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from serial import SerialException
from serial.tools import list_ports

from linkpulse_tools.errors import ToolError

ANSWER = 30.0  # seconds without a byte after which the attempt is given up
TRIES = 3  # each of 10 s: a board ignores Ctrl-C while its C code waits for a name or a connection
GONE = (errno.EIO, errno.ENXIO, errno.ENODEV)  # the errors of a port that does not exist any more
REBOOTED = b"soft reboot\r\n"
PROMPT = b">>> "
PART = "~"  # added to a file's name until the file is complete
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
# A watchdog that main.py started cannot be stopped, and continues when main.py is interrupted.
WATCHDOG = """
_feed = None
try:
    import json, machine
    with open("settings.json") as _f:
        _seconds = json.load(_f)["watchdog"]
    if _seconds:
        _feed = machine.WDT(timeout=_seconds * 1000).feed
except (ImportError, AttributeError, OSError, ValueError, KeyError, TypeError):
    pass  # no watchdog, no settings, or settings that the agent refuses
print(_feed is not None)
"""


class BoardError(Exception):
    """An exception on the board, with its traceback. `kind` is the name of its class, `text` its message."""

    def __init__(self, traceback: str):
        super().__init__(traceback)
        kind, _, text = traceback.strip().splitlines()[-1].partition(":")
        self.kind, self.text = kind, text.strip()  # a MemoryError may have no text


def ports() -> list[str]:
    """The serial ports that look like boards: those on USB."""
    return sorted(port.device for port in list_ports.comports() if port.vid is not None and port.pid is not None)


def find(port: str | None = None) -> str:
    """The port to use: `port`, or else the only one on USB. If there are several, a ToolError lists them."""
    if port:
        return port
    found = ports()
    if len(found) == 1:
        return found[0]
    if found:
        raise ToolError(f"several boards: {', '.join(found)}. Name one of them as PORT")
    raise ToolError("no board on USB: connect one, or name its port, such as /dev/ttyUSB0")


def transport(port: str) -> SerialTransport:
    """mpremote's connection to a port. `port` is whatever `mpremote connect` takes: a device, rfc2217://...,
    id:SERIALNUMBER."""
    state = types.SimpleNamespace(transport=None)
    try:
        do_connect(state, types.SimpleNamespace(device=[port]))
    except (CommandError, SerialException, OSError, ValueError) as error:
        others = ", ".join(ports()) or "none"
        reason = _unusable(Path(port)) if port.startswith("/") else None
        raise ToolError(f"{reason or f'cannot open {port}: {error}'}. Ports on USB: {others}") from error
    state.transport.serial.timeout = 1
    return state.transport


def _unusable(port: Path) -> str | None:
    """Why this file cannot be a board's port. mpremote says of all such files that another program uses them."""
    if not port.exists():
        return f"there is no port {port}"
    if not os.access(port, os.R_OK | os.W_OK):
        try:
            group = port.group()
        except KeyError:  # it has no name
            group = str(port.stat().st_gid)
        return f"you may not use {port}: join its group with `sudo usermod -aG {group} $USER`, and log in again"
    try:
        handle = os.open(port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None  # it is in use indeed
    try:
        return None if os.isatty(handle) else f"{port} is no serial port"
    finally:
        os.close(handle)


@contextlib.contextmanager
def session(port: str | None = None):
    """A board as a Remote, after a soft reset and at its raw REPL. What goes wrong with it becomes a ToolError."""
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
            f"the board at {name} does not answer as MicroPython does: {error}. Reset it and try again"
        ) from error


class Remote:
    """A board at its raw REPL.

    Between `start` and `finish` the board runs, and the host can communicate with it over the network.
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
        except OSError:  # the board and its port are gone
            self._transport.serial.close()

    def start(self, source: str) -> None:
        """Begin to execute. `finish` waits for the end."""
        self._transport.exec_raw_no_follow("_feed()\n" + source if self.guarded else source)

    def finish(self, timeout: float = ANSWER) -> str:
        """The output. Raises a BoardError for the board's exception, and a TransportError after `timeout` s of
        silence."""
        said, error = self._transport.follow(timeout)
        if error:
            raise BoardError(error.decode(errors="replace"))
        return said.decode(errors="replace")

    def run(self, source: str, timeout: float = ANSWER) -> str:
        self.start(source)
        return self.finish(timeout)

    def begin(self, expression: str) -> None:
        """Begin to evaluate. `value()` without an argument waits for the result."""
        self.start(f"print(repr({expression}))")

    def value(self, expression: str | None = None, timeout: float = ANSWER):
        """The value of an expression, if it is a Python literal."""
        if expression is not None:
            self.begin(expression)
        return ast.literal_eval(self.finish(timeout).strip().splitlines()[-1])

    def mount(self, folder: Path) -> None:
        """Mount the host's folder as /remote. Modules are searched there first. The current folder stays the
        board's."""
        self._transport.mount_local(str(folder))
        self.run("import os, sys\nos.chdir('/')\nsys.path.insert(0, '/remote')")

    def files(self, folder: str) -> dict[str, int]:
        """Every file below a folder with its size in bytes. Empty if there is no such folder."""
        rows = (line.split(" ", 1) for line in self.run(FILES % folder).splitlines())
        return {path: int(size) for size, path in rows}

    def hashes(self, paths) -> dict[str, str]:
        """The sha256, in hexadecimal, of those of the files that exist."""
        try:
            rows = (line.split(" ", 1) for line in self.run(HASHES % (tuple(paths),)).splitlines())
            return {path: digest for digest, path in rows}
        except BoardError as error:
            if error.kind not in ("ImportError", "AttributeError"):  # the board has no hashlib, or no sha256 in it
                raise
        found = ((path, self.read(path)) for path in paths)
        return {path: hashlib.sha256(data).hexdigest() for path, data in found if data is not None}

    def free(self) -> tuple[int, int]:
        """(free bytes of the file system, bytes of one of its blocks)."""
        self.run("import os")
        block, fragment, _, _, free = self.value("tuple(os.statvfs('.'))")[:5]
        return free * (fragment or block), block

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None if there is no such file."""
        try:
            return bytes(self._transport.fs_readfile(path, PIECE))
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes, written=lambda size: None) -> None:
        """Write a file completely or not at all: it has another name until it is complete. Folders are made as needed.

        `written` is called with the number of bytes of each piece.
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
        """The same, from a file of the host."""
        self.write(name, data.read_bytes() if isinstance(data, Path) else data)

    def mkdir(self, path: str) -> None:
        """Make a folder. It may exist already."""
        self.run(f"import os\ntry:\n os.stat({path!r})\nexcept OSError:\n os.mkdir({path!r})")

    def remove(self, path: str) -> None:
        self.run(f"import os\nos.remove({path!r})")

    def set_clock(self) -> bool:
        """Set the board's clock to the host's time in UTC. False if the board has no clock to set."""
        now = time.gmtime()
        return "True" in self.run(CLOCK % (*now[:3], now[6], *now[3:6]))

    def soft_reset(self) -> None:
        """Restart the interpreter and run boot.py, but not main.py. Files stay. Mounted folders are not mounted any
        more."""
        if self._transport.mounted:
            self._transport.umount_local()
        self.guarded = False
        self._enter(soft_reset=True)

    def guard(self) -> None:
        """From now until the next soft reset, every command feeds the watchdog, if the board's settings have one."""
        self.guarded = "True" in self.run(WATCHDOG)

    def hard_reset(self) -> None:
        """Reset the board as its button does. A USB port of the board's own disappears, so close this object."""
        with contextlib.suppress(OSError, TransportError):  # the port may disappear before the answer comes
            self.start("import machine\nmachine.reset()")

    def interrupt(self) -> None:
        """Send Ctrl-C to what `start` began."""
        self._transport.serial.write(b"\x03")

    def leave(self) -> None:
        """Start main.py with a soft reset. `lines` gives its output."""
        self._transport.exit_raw_repl()
        self._transport.read_until(1, PROMPT)
        self._transport.serial.write(b"\x04")
        self._transport.read_until(1, REBOOTED)

    def lines(self, stopped=lambda: False):
        """The terminal's output after `leave`, line by line, until main.py ends, the board is gone, or `stopped()` is
        true."""
        rest = b""
        while self.running() and not rest.endswith(PROMPT) and not stopped():
            try:
                rest += self._read(0.2)
            except OSError:  # the port disappeared
                return
            *lines, rest = rest.split(b"\n")
            yield from lines

    def running(self) -> bool:
        """Whether the board is still there."""
        return True

    def _read(self, timeout: float) -> bytes:
        serial = self._transport.serial
        serial.timeout = timeout
        return serial.read(max(1, serial.in_waiting))

    def _enter(self, soft_reset: bool) -> None:
        for left in reversed(range(TRIES)):
            said = io.StringIO()  # mpremote prints what it does not understand
            try:
                with contextlib.redirect_stdout(said):
                    self._transport.enter_raw_repl(soft_reset=soft_reset)
                return
            except TransportError:
                if not left:
                    raise


__all__ = ["ANSWER", "PROMPT", "BoardError", "Remote", "TransportError", "find", "ports", "session", "transport"]
