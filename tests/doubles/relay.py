"""The unix port as a board at a serial port: a folder is its file system, a pseudo-terminal its port.

It starts as boards do: boot.py, main.py unless a tool asked for the raw REPL, then the REPL. Its process ends with a
soft reset, and is then started again; the terminal stays.
"""

import contextlib
import fcntl
import os
import pty
import select
import subprocess
import termios
import threading
import tty
from pathlib import Path

from linkpulse_tools.device import interpreter

START = r"""
print("MPY: soft reboot\r")
import os, sys
def _start():
    for name in %r:
        try:
            os.stat(name)
        except OSError:
            continue
        try:
            execfile(name)
        except Exception as e:
            sys.print_exception(e)
            return
_start()
"""
RAW, FRIENDLY = 1, 2  # Ctrl-A, Ctrl-B


class Relay:
    """A board whose files are those of `folder`. `terminal` is for mpremote; `starts` counts resets."""

    def __init__(self, folder: Path, micropython: str, heap: str = interpreter.HEAP):
        self._folder, self._command = folder, [micropython, "-X", f"heapsize={heap}", "-i", "-c"]
        self._outer, self._held = pty.openpty()
        tty.setraw(self._held)  # held open, so that the terminal outlives whoever opens it
        os.set_blocking(self._outer, False)
        self.terminal = os.ttyname(self._held)
        self.starts, self._raw = 0, False
        self._wake, self._waker = os.pipe()
        self._start()
        self._thread = threading.Thread(target=self._relay, name="relay", daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.write(self._waker, b"x")
        self._thread.join()
        self._process.kill()
        self._process.wait()
        for handle in (self._inner, self._outer, self._held, self._wake, self._waker):
            os.close(handle)

    def _start(self) -> None:
        self._inner, slave = pty.openpty()
        tty.setraw(slave)
        mode = termios.tcgetattr(slave)
        mode[3] |= termios.ISIG  # Ctrl-C interrupts what runs
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        scripts = ("boot.py",) if self._raw else ("boot.py", "main.py")
        self._process = subprocess.Popen(
            [*self._command, START % (scripts,)],
            cwd=self._folder,
            env={**os.environ, "MICROPYPATH": "lib:.frozen"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            umask=0o077,  # on Linux a key must be its owner's only
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._listening = False  # only when it has said something: Ctrl-C before that would end the process
        self.starts += 1

    def _relay(self) -> None:
        while True:
            wanted = [self._wake, self._inner, *([self._outer] if self._listening else [])]
            ready = select.select(wanted, [], [])[0]
            if self._wake in ready:
                return
            if self._inner in ready:
                self._say()
            elif self._outer in ready:
                self._hear(os.read(self._outer, 4096))

    def _say(self) -> None:
        try:
            said = os.read(self._inner, 4096)
        except OSError:  # it has ended
            self._process.wait()
            os.close(self._inner)
            self._start()
            return
        with contextlib.suppress(BlockingIOError):  # nobody reads: lost, as on a serial line
            os.write(self._outer, said)
        if not self._listening:
            self._listening = True
            if self._raw:
                os.write(self._inner, bytes([RAW]))

    def _hear(self, typed: bytes) -> None:
        for byte in typed:
            if byte in (RAW, FRIENDLY):
                self._raw = byte == RAW
        os.write(self._inner, typed)
