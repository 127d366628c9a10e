"""The command line of `linkpulse doctor`, and the list of its checks."""

import contextlib
import json
from pathlib import Path

import click
from rich.console import Console

from linkpulse_tools.device import serial_board
from linkpulse_tools.doctor import certificates, conversation, inside, way
from linkpulse_tools.doctor.examination import Examination, Step, examine
from linkpulse_tools.doctor.model import FAILED, Check
from linkpulse_tools.doctor.places import OnBoard, OnGateway, Place
from linkpulse_tools.doctor.show import Sheet, Silence
from linkpulse_tools.errors import ToolError

STEPS = (
    Step("firmware", inside.firmware),
    Step("linkpulse", inside.linkpulse, ("firmware",)),
    Step("memory", inside.memory, ("linkpulse",)),
    Step("settings", inside.settings, ("linkpulse",)),
    Step("files", inside.files, ("settings",)),
    Step("clock", inside.clock, ("linkpulse",)),
    Step("network", way.network, ("settings",)),
    Step("time server", way.time_server, ("network",), way.has_time_server),
    Step("name", way.name, ("network",)),
    Step("port", way.port, ("name",)),
    Step("tls", conversation.tls, ("files", "clock", "time server", "port")),
    Step("key", certificates.key, ("files",)),
    Step("dates", certificates.dates, ("settings",)),
    Step("connect", conversation.connect, ("tls",)),
    Step("subscribe", conversation.subscribe, ("connect",)),
    Step("publish", conversation.publish, ("subscribe",)),
    Step("response", conversation.response, ("publish",)),
)


@click.command("doctor")
@click.argument("port", required=False)
@click.option(
    "--settings",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Check the agent on this machine that uses these settings.",
)
@click.option(
    "--micropython", metavar="PATH", help="With --settings: use this MicroPython instead of the installed one."
)
@click.option("--no-report", "report", flag_value=False, default=True, help="Do not send a report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(port: str | None, settings: Path | None, micropython: str | None, report: bool, as_json: bool) -> None:
    """Find out what is wrong with a board or gateway.

    PORT is a serial port, or anything that mpremote can connect to. The default is the only board on USB. With
    --settings, the agent on this machine is checked instead. The program on the board is stopped and started again
    afterwards. The last two checks send a real report.
    """
    if settings and port:
        raise click.UsageError("use either PORT or --settings")
    if micropython and not settings:
        raise click.UsageError("--micropython needs --settings")
    console, progress = Console(), Console(stderr=True)
    with _board(port) if not settings else contextlib.nullcontext(OnGateway(settings, micropython)) as place:
        checks = _examine(place, report, Silence(progress) if as_json else Sheet(console))
    if as_json:
        console.out(json.dumps({"checks": [check.as_dict() for check in checks]}), highlight=False)
    bad = [check.name for check in checks if check.status == FAILED]
    if bad:
        raise ToolError(f"{len(bad)} of {len(checks)} checks failed: {', '.join(bad)}", printed=as_json)


def _examine(place: Place, report: bool, sheet: Sheet | Silence) -> list[Check]:
    checks = []
    with sheet:
        for check in examine(STEPS, Examination(place, report), sheet.begin):
            checks.append(check)
            sheet.add(check)
    return checks


@contextlib.contextmanager
def _board(port: str | None):
    """A board. Its main.py starts again afterwards."""
    with serial_board.session(port) as board:
        try:
            yield OnBoard(board)
        except BaseException:
            with contextlib.suppress(serial_board.TransportError, OSError):
                board.soft_reset()  # Ctrl-C may have interrupted a check
            raise
        finally:
            with contextlib.suppress(serial_board.TransportError, OSError):
                board.leave()
