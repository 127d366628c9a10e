"""Runs the programs of tests/faults/device under the unix port: a function of one of them in a process of its own."""

import json
import os
import subprocess
from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.build import mpy

HERE = Path(__file__).resolve().parent
DEVICE = HERE / "device"
DOUBLES = HERE.parent / "doubles" / "device"
TIMEOUT = 60


class Programs:
    """Programs on `interpreter`, with `library` (sources or compiled) and umqtt in `vendor`."""

    def __init__(self, interpreter, library: Path, vendor: Path = paths.VENDOR):
        self._interpreter, self._library = interpreter, library
        self.env = dict(os.environ, TZ="UTC", MICROPYPATH=mpy.search_path(library, vendor, DEVICE, DOUBLES))

    def command(self, program: str, *arguments, heap: str = "2M") -> list[str]:
        return self._interpreter.command(DEVICE / f"{program}.py", *map(str, arguments), heap=heap)

    def run(self, program: str, function: str, *arguments, heap: str = "2M", **options):
        """What the function returned, through JSON. It fails the test with all that was said when it raises."""
        done = self.finish(program, function, *arguments, heap=heap, **options)
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said + done.stderr.decode(errors="replace")
        return json.loads(said.splitlines()[-1])

    def finish(self, program: str, *arguments, heap: str = "2M", **options) -> subprocess.CompletedProcess:
        """The finished process, whatever came of it."""
        options = {"env": self.env, "stdin": subprocess.DEVNULL, "timeout": TIMEOUT, **options}
        return subprocess.run(self.command(program, *arguments, heap=heap), capture_output=True, **options)
