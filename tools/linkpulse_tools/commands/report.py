"""`linkpulse report`: makes one report of this machine with the device code, and does not publish it."""

import subprocess
import sys
from pathlib import Path

from linkpulse_tools import paths
from linkpulse_tools.device import interpreter, process
from linkpulse_tools.errors import ToolError

TIMEOUT = 60


def report(settings: dict, micropython: str | None = None) -> bytes:
    """The bytes that firmware/report.py writes for these settings. JSON gets a newline at its end.

    What it says about the platform goes to standard error.
    """
    script = paths.FIRMWARE / "report.py"
    if not script.exists():
        raise ToolError(f"{script} is missing: run this command in a checkout of linkpulse")
    runtime = interpreter.find(micropython)
    path = process.write_settings(paths.RUN / "report-settings.json", {**settings, "proc": _proc(settings["proc"])})
    command, env = runtime.command(script, str(path)), process.environment(runtime)
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise ToolError(f"the device made no report in {TIMEOUT} s") from None
    if done.returncode or not done.stdout:
        # MicroPython's traceback comes on standard output.
        said = (done.stderr + done.stdout).decode(errors="replace").strip() or "it said nothing"
        raise ToolError(f"the device made no report (exit code {done.returncode}):\n{said}")
    sys.stderr.write(done.stderr.decode(errors="replace"))
    return done.stdout.rstrip(b"\n") + b"\n" if settings["format"] == "json" else done.stdout


def _proc(text: str) -> str:
    """The absolute path of a proc root. It must exist."""
    path = Path(text).absolute()
    if not (path / "net").is_dir():
        raise ToolError(f"{text} has no folder net: name a proc root such as /proc or /host_proc/1")
    return str(path)
