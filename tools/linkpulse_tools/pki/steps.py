"""The steps of provisioning, as a table or as JSON."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

# "there" and "kept" mean that nothing had to be changed.
UNTOUCHED = ("there", "kept")
COLOURS = {"there": "dim", "kept": "yellow", "removed": "red"}


@dataclass
class Steps:
    """Rows of (what, state, detail), in order. In a `rehearsal`, nothing was really done."""

    rehearsal: bool = False
    rows: list[dict] = field(default_factory=list)

    def add(self, what: str, state: str, detail: str = "") -> None:
        self.rows.append({"what": what, "state": state, "detail": detail})

    @property
    def touched(self) -> bool:
        """Whether anything was changed, or would be."""
        return any(row["state"] not in UNTOUCHED for row in self.rows)

    def show(self, console: Console) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("what", "would be" if self.rehearsal else "state", ""):
            table.add_column(heading, overflow="fold")
        for row in self.rows:
            style = COLOURS.get(row["state"], "green")
            table.add_row(Text(row["what"]), Text(row["state"], style=style), Text(row["detail"]))
        console.print(table)
