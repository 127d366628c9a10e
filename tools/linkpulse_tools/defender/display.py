"""Shows one report: to a person in 80 columns, or to a program as one JSON object."""

import datetime
import json
import time

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from linkpulse_tools.defender.service import Outcome

ROWS = 10
COLOURS = {"accepted": "green", "rejected": "red", "duplicate": "yellow"}


def as_dict(outcome: Outcome, status: dict | None) -> dict:
    """Everything that is known about one report. `device` is the device's own status line."""
    return {
        "time": _time(outcome).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "thing": outcome.thing,
        "report_id": outcome.report_id,
        "status": outcome.status,
        "code": outcome.code,
        "message": outcome.message,
        "format": outcome.format,
        "tags": outcome.verdict.tags,
        "bytes": outcome.size,
        "bytes_as_json_long": len(outcome.verdict.long_json()) if outcome.verdict.ok else None,
        "heap": (status or {}).get("heap"),
        "report": outcome.verdict.report,
        "device": status,
    }


def show_report(console: Console, outcome: Outcome, status: dict | None, as_json: bool = False) -> None:
    """Print one report with its response."""
    if as_json:
        console.out(json.dumps(as_dict(outcome, status)), highlight=False)
        return
    colour = COLOURS[outcome.status]
    title = f"report {outcome.report_id or '?'} of {outcome.thing}"
    dated = f"{_time(outcome).astimezone():%Y-%m-%d %H:%M:%S} {title}"
    if len(dated) + 6 <= console.width:  # or else the id would be cut off, and look like another one
        title = dated
    console.print(Panel(Group(*_parts(outcome, status)), title=title, title_align="left", border_style=colour))


def _time(outcome: Outcome) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(outcome.time_ms / 1000, datetime.timezone.utc)


def show_failure(console: Console, status: dict, as_json: bool = False) -> None:
    """Print the status line of an attempt that made no report."""
    if as_json:
        console.out(json.dumps({"status": status.get("outcome"), "device": status}), highlight=False)
    else:
        text = Text(f"{time.strftime('%H:%M:%S')} device: {status.get('outcome')}", style="yellow")
        console.print(text.append(f": {status.get('last_error')}" if status.get("last_error") else ""))


def _parts(outcome: Outcome, status: dict | None):
    metrics = outcome.verdict.report.get("metrics") or {}
    connections = (metrics.get("tcp_connections") or {}).get("established_connections")
    yield _facts(outcome, status, metrics, connections)
    if connections and _rows(connections, "connections"):
        yield _connections(connections)
    answer = Text(outcome.status.upper(), style=f"bold {COLOURS[outcome.status]}")
    if outcome.code or outcome.message:
        answer.append(f" {outcome.code or ''} {outcome.message or ''}", style="default")
    yield answer


def _facts(outcome: Outcome, status: dict | None, metrics: dict, connections: dict | None) -> Table:
    table = Table.grid(padding=(0, 2), expand=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    if outcome.verdict.ok or metrics:
        for direction in ("in", "out"):
            table.add_row(f"traffic {direction}", _traffic(metrics.get("network_stats"), direction))
        for name in ("tcp", "udp"):
            table.add_row(f"{name} listening", _ports(metrics.get(f"listening_{name}_ports")))
        if not (connections and _rows(connections, "connections")):
            table.add_row("connections", "not reported" if connections is None else "none")
    for name, value in (outcome.verdict.report.get("custom_metrics") or {}).items():
        table.add_row(Text(name), Text(", ".join(str(v) for v in value[0].values())))
    table.add_row("on the wire", _wire(outcome))
    heap = (status or {}).get("heap")
    if isinstance(heap, int):  # known only if the device runs here
        table.add_row("device heap", f"{heap:,} B in use")
    return table


def _rows(block: dict, name: str) -> list[dict]:
    """The rows of a block that can be read. In an invalid report, some cannot."""
    return [row for row in block.get(name) or [] if row]


def _traffic(stats: dict | None, direction: str) -> str:
    if not stats:
        return "not in this report (the first has nothing to compare with)"
    amounts = ((stats.get(f"{unit}_{direction}"), unit) for unit in ("bytes", "packets"))
    return ", ".join(f"{amount:,} {unit}" for amount, unit in amounts if amount is not None)


def _ports(block: dict | None) -> Text:
    if block is None:
        return Text("not reported")
    rows = _rows(block, "ports")
    names = [f"{row['port']}{'@' + row['interface'] if 'interface' in row else ''}" for row in rows if "port" in row]
    more = max(block.get("total", 0), len(rows)) - len(names[: 2 * ROWS])
    return Text((", ".join(names[: 2 * ROWS]) or "none") + (f" and {more} more" if more > 0 else ""))


def _connections(block: dict) -> Table:
    rows = _rows(block, "connections")
    total = block.get("total", len(rows))
    heading = f"connections: {total}" + (f", {min(ROWS, len(rows))} shown" if total > ROWS else "")
    table = Table(title=heading, title_justify="left", title_style="dim", box=None, padding=(0, 2, 0, 0))
    for name in ("remote", "local port", "interface"):
        table.add_column(name, justify="right" if name == "local port" else "left", overflow="fold")
    for row in rows[:ROWS]:
        cells = (row.get("remote_addr", ""), row.get("local_port", ""), row.get("local_interface", ""))
        table.add_row(*(Text(str(cell)) for cell in cells))
    return table


def _wire(outcome: Outcome) -> str:
    size = f"{outcome.size:,} B as {outcome.format} {outcome.verdict.tags or ''}".rstrip()
    if not outcome.verdict.ok:
        return size
    long = len(outcome.verdict.long_json())
    if long == outcome.size:
        return size
    return f"{size}; {long:,} B as json long ({long / outcome.size:.1f} times)"
