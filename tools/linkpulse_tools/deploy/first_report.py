"""Makes a board send its first report at once, and not when main.py would send it."""

import json
import time
from dataclasses import dataclass

from linkpulse_tools.device.process import parse_status
from linkpulse_tools.device.serial_board import BoardError, Remote, TransportError
from linkpulse_tools.errors import ToolError

PATIENCE = (
    10  # times the setting timeout: for network, name, TCP, TLS, CONNACK, SUBACK, PUBACK and answer, some of them twice
)
START = 4.0  # seconds to watch main.py: a failure at its start comes within them
TAIL = 8
# If a watchdog is running, the agent feeds it. If not, main.py starts it later.
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
    """`outcome` is the one of Agent.status(), or "throttled". `status` is the whole Agent.status()."""

    outcome: str
    status: dict

    @property
    def reason(self) -> str | None:
        return self.status.get("last_error")


def hint(report: Report) -> str:
    """What to do about a report that was not accepted."""
    if report.outcome == "rejected" and "InvalidPayload" in (report.reason or ""):
        return (
            ". If the reason is the id: a board that was erased takes its ids from the clock. Its reports are "
            "accepted when the "
            "clock has passed the last id"
        )
    return ". `linkpulse doctor` finds out why"


def send(board: Remote, timeout: int) -> Report:
    """Send one report now, after a soft reset. `timeout` is the setting. A ToolError if the agent cannot even try.

    If the service refuses the report because it came too soon, the outcome is "throttled": everything else worked.
    """
    guarded = board.guarded
    board.soft_reset()  # earlier commands must not take heap
    try:
        said = board.run(ONCE % guarded, PATIENCE * timeout)
    except BoardError as error:
        if error.kind == "MemoryError":
            raise ToolError(
                "the agent does not fit into the heap of this board: freeze it into the firmware (docs/boards.md), "
                "or use a firmware with a larger heap"
            ) from error
        raise ToolError(f"the agent does not start on this board: {error.kind}: {error.text}") from error
    except TransportError as error:
        raise ToolError(f"the agent did not end in {PATIENCE * timeout} s: {error}") from error
    status = json.loads(said.strip().splitlines()[-1])
    outcome = status["outcome"]
    if outcome == "rejected" and "Throttled" in (status["last_error"] or ""):
        outcome = "throttled"
    return Report(outcome, status)


def start(board: Remote) -> None:
    """Start main.py. If it ends at its start, a ToolError contains its output."""
    board.leave()
    end = time.monotonic() + START
    said = []
    for line in board.lines(lambda: time.monotonic() > end):
        if parse_status(line) is not None:
            return
        said.append(line.decode(errors="replace").rstrip())
    if time.monotonic() < end:
        raise ToolError("main.py ended at its start: " + "\n  ".join(said[-TAIL:]))
