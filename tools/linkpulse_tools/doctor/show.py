"""Shows the checks as a table, which grows on a terminal while the checks are done, or as lines for a file."""

import contextlib

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from linkpulse_tools.doctor.model import Check

STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


class Sheet:
    """A context manager with `begin(name)` and `add(check)`. When it is left, it prints all."""

    def __init__(self, console: Console):
        self._console, self._checks, self._now = console, [], None
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self):
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *error):
        self._now = None
        if not self._live:
            self._print()
            return
        self._refresh()
        self._live.__exit__(*error)

    def begin(self, name: str) -> None:
        self._now = name
        self._refresh()

    def add(self, check: Check) -> None:
        self._checks.append(check)
        self._now = None
        self._refresh()

    def _refresh(self) -> None:
        if self._live:
            self._live.update(self._table(), refresh=True)

    def _print(self) -> None:
        """The same rows for a file or a pipe, which have no width: no line is folded."""
        width = max((len(check.name) for check in self._checks), default=0)
        for check in self._checks:
            line = Text(f"{check.name:<{width}}  {check.status:<7}  {check.text}")
            self._console.print(line, soft_wrap=True)
            if check.hint:
                self._console.print(Text(f"{'':<{width}}  {'':<7}  → {check.hint}"), soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in self._checks:
            text = Text(check.text, style="dim" if check.status == "skipped" else "")
            if check.hint:
                text.append(f"\n→ {check.hint}", style="bold")
            table.add_row(check.name, Text(check.status, style=STYLES[check.status]), text)
        if self._now:
            table.add_row(self._now, Text("…", style="dim"), "")
        return table


class Silence:
    """The same for JSON, which is printed at the end. If standard error is a terminal, it shows the current check."""

    def __init__(self, progress: Console):
        self._status = progress.status("") if progress.is_terminal else contextlib.nullcontext()

    def __enter__(self):
        self._shown = self._status.__enter__()
        return self

    def __exit__(self, *error):
        self._status.__exit__(*error)

    def begin(self, name: str) -> None:
        if self._shown:
            self._shown.update(name)

    def add(self, check: Check) -> None:
        pass
