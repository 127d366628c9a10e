"""The output of deploy: the board, the steps, and the outcome of the first report."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from linkpulse_tools.deploy import contents
from linkpulse_tools.deploy.first_report import Report
from linkpulse_tools.deploy.plan import Plan
from linkpulse_tools.device.identity import Identity

STYLES = {"copy": "green", "remove": "red", "keep": "dim"}
SOURCES = {
    "lwip": "lwIP's own tables (lwipstat)",
    "linux": "the Linux kernel's tables",
    "cyw43": "the radio's counters and Python's sockets",
    "counted": "Python's sockets",
}
KEPT = {
    "main.py": "main.py is not linkpulse's and stays. To send reports, it must call "
    "linkpulse.Agent(linkpulse.settings.load("
    '"settings.json")) and its run() or step(). --force overwrites main.py.',
    "boot.py": "boot.py is not linkpulse's and stays. If sockets are counted, it must begin with: "
    "from linkpulse.collect.counted import install; install(). --force overwrites boot.py.",
}


def warn(console: Console, text: str) -> None:
    """Prints a line that the user should act on."""
    console.print(Text(text, style="yellow"), soft_wrap=True)


def note(console: Console, text: str) -> None:
    """Prints a line that may be passed over."""
    console.print(Text(text, style="dim"), soft_wrap=True)


def board(port: str, who: Identity) -> Table:
    """A table of what was found."""
    umqtt = {None: "to be installed", "frozen": "in the firmware", "file": "there"}
    rows = (
        ("port", port),
        ("board", who.machine or who.platform),
        ("firmware", f"{who.name} {contents.dotted(who)}"),
        ("free", f"{who.heap:,} bytes of heap, {who.disk:,} bytes for files"),
        ("sees", SOURCES[contents.collectors(who)[-1]]),
        ("modules", f"frozen in, {who.frozen}" if who.frozen else str(contents.form(who))),
        ("umqtt.simple", umqtt[who.umqtt]),
    )
    return _table(rows)


def steps(todo: Plan) -> Table:
    """A table of every file and what would happen to it."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("would be", "bytes", "file", "why"):
        table.add_column(heading, justify="right" if heading == "bytes" else "left", overflow="fold")
    done = {"copy": "copied", "remove": "removed", "keep": "kept"}
    for step in todo.steps:
        action = Text(done[step.action], style=STYLES[step.action])
        table.add_row(action, f"{step.size:,}", Text(step.path), Text(step.why))
    return table


def summary(todo: Plan) -> str:
    """The plan in one line."""
    copies, removed, kept = (todo.of(action) for action in ("copy", "remove", "keep"))
    size = sum(step.size for step in copies)
    return f"to copy: {len(copies)} files, {size:,} bytes; to remove: {len(removed)}; as they should be: {len(kept)}"


def report(found: Report, seconds: float) -> Text:
    """The outcome of the first report."""
    number = found.status.get("report_id")
    if found.outcome == "accepted":
        return Text(
            f"report {number} of {found.status['bytes']} bytes accepted, after {seconds:g} s", style="bold green"
        )
    text = f"report {number} reached the service, which refuses it because the last one came less than 300 s ago"
    return Text(text, style="yellow")


def _table(rows) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    return table
