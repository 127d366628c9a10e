#!/usr/bin/env python3
"""Start the firmware in QEMU and give its REPL on a terminal that mpremote can open.

    qemu.py                 in the foreground until Ctrl-C; prints the terminal's path when the REPL answers
    qemu.py --detach        the same in the background; `qemu.py --stop` ends it
    qemu.py --terminal      the path of the terminal of the one in the background

From Python: `with Machine() as machine: ... machine.terminal`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FIRMWARE = ROOT / "build/firmware/qemu-mps2/firmware.elf"
STATE = ROOT / "build/qemu-mps2"
PROMPT = b">>> "


class QemuError(Exception):
    """Why there is no REPL."""


class Machine:
    """One board in QEMU. `terminal` is the path for mpremote; `forward` maps ports of 127.0.0.1 to the board's."""

    def __init__(
        self,
        firmware: Path = FIRMWARE,
        heap: int | None = None,
        forward: dict[int, int] | None = None,
        extra: tuple[str, ...] = (),
        timeout: float = 20,
    ) -> None:
        if not shutil.which("qemu-system-arm"):
            raise QemuError("qemu-system-arm is not installed")
        if not Path(firmware).exists():
            raise QemuError(f"no firmware at {firmware}: boards/qemu-mps2/build.py makes it")
        nic = "user,model=lan9118,ipv6=off" + "".join(
            f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in (forward or {}).items()
        )
        semihosting = "enable=on,target=native,arg=firmware" + (f",arg=heap={heap}" if heap else "")
        self._process = subprocess.Popen(
            [
                "qemu-system-arm", "-machine", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "pty",
                "-semihosting-config", semihosting, "-nic", nic, "-kernel", str(firmware), *extra,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.pid = self._process.pid
        self._held = -1
        try:
            self.terminal = self._find_terminal(time.monotonic() + timeout)
            # Held open for as long as the machine runs: QEMU looks only once a second for somebody at the other end.
            self._held = os.open(self.terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            self._wait_for_repl(time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise

    def _read(self, fd: int, until: float) -> bytes:
        if not select.select([fd], [], [], max(0.0, until - time.monotonic()))[0]:
            return b""
        return os.read(fd, 4096)

    def _find_terminal(self, until: float) -> str:
        said = b""
        while True:
            new = self._read(self._process.stdout.fileno(), until)
            said += new
            found = re.search(rb"redirected to (\S+)", said)
            if found:
                return found[1].decode()
            if not new:
                raise QemuError(f"QEMU did not start: {said.decode(errors='replace').strip() or 'no answer'}")

    def _wait_for_repl(self, until: float) -> None:
        said = b""
        while not said.endswith(PROMPT):
            if self._process.poll() is not None:
                raise QemuError(f"the firmware ended: {said.decode(errors='replace').strip()}")
            new = self._read(self._held, until)
            said += new
            if not new and time.monotonic() >= until:
                raise QemuError(f"no REPL: {said.decode(errors='replace').strip() or 'no output'}")

    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait until the machine ends by itself (machine.reset(), a fault)."""
        return self._process.wait()

    def stop(self) -> None:
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        if self.running():
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def foreground(args: argparse.Namespace) -> int:
    """Run a machine until it ends or we are told to end it."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    forward = dict(pair.split(":") for pair in args.forward)
    with contextlib.suppress(KeyboardInterrupt), Machine(args.firmware, args.heap, forward) as machine:
        print(machine.terminal, flush=True)
        return machine.wait()
    return 0


def owner() -> int | None:
    """The process id of the one in the background, if it is still ours."""
    try:
        pid = int((STATE / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"qemu.py" in command else None


def detach(args: argparse.Namespace) -> int:
    """Start a machine in the background; return when its REPL answers."""
    if owner():
        print(f"it runs already: {(STATE / 'terminal').read_text().strip()}", file=sys.stderr)
        return 1
    STATE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--firmware", str(args.firmware)]
    command += ["--heap", str(args.heap)] if args.heap else []
    command += [word for pair in args.forward for word in ("--forward", pair)]
    log = STATE / "log.txt"
    with log.open("wb") as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    terminal = child.stdout.readline().decode().strip()
    if not terminal:
        child.wait()
        print(log.read_text().strip(), file=sys.stderr)
        return 1
    (STATE / "pid").write_text(f"{child.pid}\n")
    (STATE / "terminal").write_text(f"{terminal}\n")
    print(terminal)
    return 0


def stop() -> int:
    pid = owner()
    if pid is None:
        return 0
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 10
    while owner() == pid and time.monotonic() < until:
        time.sleep(0.02)
    for name in ("pid", "terminal"):
        (STATE / name).unlink(missing_ok=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--firmware", type=Path, default=FIRMWARE)
    parser.add_argument("--heap", type=int, help="bytes of heap instead of the firmware's own")
    parser.add_argument(
        "--forward", action="append", default=[], metavar="HERE:THERE", help="127.0.0.1:HERE is the board's port THERE"
    )
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--stop", action="store_true")
    parser.add_argument("--terminal", action="store_true")
    args = parser.parse_args()
    try:
        if args.stop:
            return stop()
        if args.terminal:
            if owner() is None:
                raise QemuError("none runs in the background")
            print((STATE / "terminal").read_text().strip())
            return 0
        return detach(args) if args.detach else foreground(args)
    except QemuError as e:
        print(e, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
