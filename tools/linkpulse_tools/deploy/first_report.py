"""The first report of a board that was just made ready, at once and not when main.py would send it."""

import json
import time
from dataclasses import dataclass

from linkpulse_tools.device.process import parse_status
from linkpulse_tools.device.serial_board import BoardError, Remote, TransportError
from linkpulse_tools.errors import ToolError

PATIENCE = 10  # times the settings' timeout: network, name, TCP, TLS, CONNACK, SUBACK, PUBACK, answer, some twice
START = 4.0  # seconds in which main.py fails, if it fails at its start
TAIL = 8
# With the watchdog on, the agent feeds it; otherwise it is main.py that starts one.
ONCE = """
import gc
gc.collect()
gc.threshold(4096)
import json, linkpulse
from linkpulse.settings import load
_s = load("settings.json")
if not %r:
    _s.watchdog = 0
_a = linkpulse.Agent(_s)
linkpulse.forget("settings")
del load, _s
_a.once()
print(json.dumps(_a.status()))
"""


@dataclass(frozen=True)
class Report:
    """`outcome` as Agent.status() has it, or "throttled"; `status` is all of that."""

    outcome: str
    status: dict

    @property
    def reason(self) -> str | None:
        return self.status.get("last_error")


def hint(report: Report) -> str:
    """What to do about a report that was not accepted."""
    if report.outcome == "rejected" and "InvalidPayload" in (report.reason or ""):
        return (
            ". Is it the id? A board that was erased has lost its ids and begins at the clock: it is accepted once the "
            "clock is past the last one"
        )
    return ". `linkpulse doctor` says what is wrong, and what to do"


def send(board: Remote, timeout: int) -> Report:
    """One report now, from a fresh start; `timeout` is the settings'. A ToolError when the agent cannot even try.

    A report that comes too soon after the last one is refused as throttled: all but the waiting was well then.
    """
    guarded = board.guarded
    board.soft_reset()  # what came before must not take of the heap
    try:
        said = board.run(ONCE % guarded, PATIENCE * timeout)
    except BoardError as error:
        raise ToolError(f"the agent does not start on this board: {error.kind}: {error.text}") from error
    except TransportError as error:
        raise ToolError(f"the agent came to no end in {PATIENCE * timeout} s: {error}") from error
    status = json.loads(said.strip().splitlines()[-1])
    outcome = status["outcome"]
    if outcome == "rejected" and "Throttled" in (status["last_error"] or ""):
        outcome = "throttled"
    return Report(outcome, status)


def start(board: Remote) -> None:
    """Off the raw REPL and into main.py; a ToolError with what it said if it ends at its start."""
    board.leave()
    end = time.monotonic() + START
    said = []
    for line in board.lines(lambda: time.monotonic() > end):
        if parse_status(line) is not None:
            return
        said.append(line.decode(errors="replace").rstrip())
    if time.monotonic() < end:
        raise ToolError("main.py ended at its start: " + "\n  ".join(said[-TAIL:]))
