"""`linkpulse deploy`: copies the agent and a device's files to a board, and waits until its report is accepted."""

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from linkpulse_tools.deploy import contents, first_report, plan, show
from linkpulse_tools.deploy import folder as folders
from linkpulse_tools.deploy.folder import Folder
from linkpulse_tools.deploy.plan import Found, Plan
from linkpulse_tools.device import identity, serial_board
from linkpulse_tools.device.identity import Identity
from linkpulse_tools.device.serial_board import BoardError, Remote, TransportError
from linkpulse_tools.errors import ToolError

GOOD = ("accepted", "throttled")


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    force: bool = False
    wait: bool = True
    dry_run: bool = False
    as_json: bool = False


@click.command("deploy")
@click.argument("port", required=False)
@click.option(
    "--device",
    required=True,
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The device's folder, which provision made.",
)
@click.option("--force", is_flag=True, help="Overwrite a main.py or boot.py that is not linkpulse's.")
@click.option("--no-wait", "wait", flag_value=False, default=True, help="Do not send a report at once.")
@click.option("--dry-run", is_flag=True, help="Show what would be copied and removed, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(port: str | None, device: Path, **options) -> None:
    """Install the agent and a device's files on a board.

    PORT is a serial port, or anything that mpremote can connect to. The default is the only board on USB. Only files
    that changed are copied. Then the board sends a report at once, and its outcome is shown.
    """
    deploy(port, folders.load(device), Options(**options), Console(), Console(stderr=True))


def deploy(port: str | None, folder: Folder, options: Options, console: Console, progress: Console) -> None:
    """Do all of it. A ToolError says what did not work. With --json, what was done until then is printed all the
    same."""
    for warning in folder.warnings:
        show.warn(progress, f"{folder.path}: {warning}")
    told: dict = {"port": serial_board.find(port), "device": str(folder.path), "dry_run": options.dry_run}
    try:
        with serial_board.session(told["port"]) as board:
            try:
                starts = _deploy(board, folder, options, told, console, progress)
            except (ToolError, BoardError):
                with contextlib.suppress(TransportError, OSError):
                    board.leave()  # the program that ran before starts again
                raise
            if starts:
                first_report.start(board)
            else:
                board.leave()
    except (ToolError, KeyboardInterrupt) as error:
        told["error"], error.printed = str(error) or "stopped", options.as_json
        raise
    finally:
        if options.as_json:
            console.out(json.dumps(told), highlight=False)


def _deploy(board: Remote, folder: Folder, options: Options, told: dict, console: Console, progress: Console) -> bool:
    """Everything between connecting and the last reset. Returns whether to watch the start of main.py."""
    began = time.monotonic()
    who = identity.of(board)
    told["board"] = who.as_dict()
    if not options.as_json:
        console.print(show.board(told["port"], who))
    contents.require(who)
    found, todo = _plan(board, who, folder, options.force)
    told["steps"] = [step.as_dict() for step in todo.steps]
    plan.check_space(todo, found, who.disk, who.block)
    for name in todo.foreign:
        show.warn(progress, show.KEPT[name])
    if not options.as_json:
        console.print(show.steps(todo) if options.dry_run else show.summary(todo))
    if options.dry_run:
        return False
    _apply(board, todo, progress)
    told["clock"] = board.set_clock()
    if options.wait:
        show.note(progress, f"waiting for a report's answer, {first_report.PATIENCE * folder.timeout} s at most")
        report = first_report.send(board, folder.timeout)
        told.update(outcome=report.outcome, status=report.status, seconds=round(time.monotonic() - began, 1))
        if report.outcome not in GOOD:
            raise ToolError(
                f"the board's report was not accepted ({report.outcome}): {report.reason}{first_report.hint(report)}"
            )
        if not options.as_json:
            console.print(show.report(report, told["seconds"]))
    return "main.py" not in todo.foreign


def _plan(board: Remote, who: Identity, folder: Folder, force: bool) -> tuple[Found, Plan]:
    if board.files("linkpulse"):
        raise ToolError("the board has a folder linkpulse beside main.py, which hides lib/linkpulse: remove it")
    if folder.own_key and not board.hashes([folder.own_key]):
        raise ToolError(f"neither {folder.path} nor the board has the key {folder.own_key}: provision the thing again")
    record = plan.record(board.read(plan.RECORD), folder.own_key)
    wanted = contents.wanted(who, folder, record)
    sizes = board.files("lib")
    hashes = board.hashes(plan.candidates(wanted, sizes, record))
    texts = {name: board.read(name) for name in plan.SCRIPTS if name in hashes}
    found = Found(sizes, hashes, texts, record)
    return found, plan.make(wanted, found, force)


def _apply(board: Remote, todo: Plan, progress: Console) -> None:
    for step in todo.of("remove"):
        board.remove(step.path)
    copies = todo.of("copy")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=progress, transient=True, disable=not progress.is_terminal) as bar:
        task = bar.add_task("", total=sum(step.size for step in copies))
        for step in copies:
            bar.update(task, description=step.path)
            board.write(step.path, step.data, lambda size: bar.advance(task, size))
