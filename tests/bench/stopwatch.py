"""From an erased board to its first accepted report: provision, listen and deploy, as a person would type them.

    PYTHONPATH=tools python -m tests.bench.stopwatch

The board is the one in QEMU, with plain MicroPython and then with the agent frozen in. Its clock starts with its power.
deploy watches main.py for some seconds after the report; those do not count.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from linkpulse_tools import paths
from linkpulse_tools.build import firmware
from linkpulse_tools.deploy import first_report
from linkpulse_tools.device import qemu_board
from linkpulse_tools.mqtt.broker import HOST

HEAPS = {"plain": 196608, "agent": 65536}
COMMAND = (sys.executable, "-m", "linkpulse_tools")
ENV = {**os.environ, "PYTHONPATH": str(paths.ROOT / "tools")}


def measured(kind: str, folder: str) -> tuple[float, dict]:
    """Seconds from power-on to the report, and what deploy told."""
    elf, qemu = firmware.ensure(kind), firmware.qemu()
    began = time.monotonic()
    with qemu.Machine(elf, HEAPS[kind]) as machine:
        subprocess.run(
            [*COMMAND, "provision", "porch", "--host", qemu_board.HOST],
            cwd=folder,
            env=ENV,
            check=True,
            capture_output=True,
        )
        listen = [*COMMAND, "listen", "--broker", "--bind", HOST]
        with subprocess.Popen(
            listen, cwd=folder, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as service:
            try:
                service.stderr.readline()  # it listens
                deploy = [*COMMAND, "deploy", machine.terminal, "--device", "devices/porch", "--json"]
                done = subprocess.run(deploy, cwd=folder, env=ENV, check=True, capture_output=True, text=True)
                took = time.monotonic() - began - first_report.START
            finally:
                service.terminate()
    return took, json.loads(done.stdout)


def main() -> None:
    for kind in HEAPS:
        with tempfile.TemporaryDirectory() as folder:
            took, told = measured(kind, folder)
        copied = sum(step["action"] == "copy" for step in told["steps"])
        print(
            f"{kind}: {copied} files; {told['outcome']} {took:.1f} s after power-on, {told['seconds']} s of it deploy's"
        )


if __name__ == "__main__":
    main()
