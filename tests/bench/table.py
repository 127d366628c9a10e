"""Figures against budgets: which apply here, what was measured, met or missed."""

import json
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from linkpulse_tools import files, paths

from . import interval

KB = 1024
CPU_BUDGETS = {"viper": {10: 10, 100: 40, 1000: 100}, "bytecode": {10: 20, 100: 30, 1000: 50}}
INSTRUCTIONS_BUDGETS = {100: 150}
ENCODING_BUDGETS = {"viper": 15, "bytecode": 2}
ENCODING_HEAP = 100
STEADY_HEAP = 512
START_MS = 60
INTERVAL_CPU = 50
EXAMPLE_BYTES = 172


@dataclass(frozen=True)
class Line:
    """One line of the table. `value` is what the budget is about: at least `least`, or at most `most`."""

    group: str
    what: str
    ours: str
    theirs: str = ""
    value: float | None = None
    shown: str = ""
    least: float | None = None
    most: float | None = None
    unit: str = ""

    @property
    def budget(self) -> str:
        if self.least is not None:
            return f"≥ {self.least:g}{self.unit}"
        return "" if self.most is None else f"≤ {self.most:g}{self.unit}"

    @property
    def verdict(self) -> str:
        """ "met", "missed" or, without a budget, nothing."""
        if self.value is None or (self.least is None and self.most is None):
            return ""
        held = self.value >= self.least if self.least is not None else self.value <= self.most
        return "met" if held else "missed"


def ratio(theirs: float, ours: float) -> float:
    """How many times less ours is; infinite where ours is nothing."""
    return theirs / ours if ours else float("inf")


def times(value: float) -> str:
    """Rounded down, so that a budget just missed does not look like one that is met."""
    return f"{int(value * 10) / 10:.1f} ×" if value < 100 else f"{value:.0f} ×"


def compared(group, what, theirs, ours, show, least=None) -> Line:
    """A line for something of which both sides have a figure."""
    value = ratio(theirs, ours)
    return Line(group, what, show(ours), show(theirs), value, times(value), least=least, unit=" ×")


def ms(microseconds: float) -> str:
    return f"{microseconds / 1e3:.2f} ms"


def million(n: float) -> str:
    return f"{n / 1e6:.2f} M"


def size(n: float) -> str:
    return f"{n:,.0f} B" if n < 100 * KB else f"{n / KB / KB:.2f} MB"


def lines(results: dict) -> list[Line]:
    """All lines for the results of one run (see measure.py); the budgets are those of docs/architecture.md."""
    live = results["live"]
    out = []
    names = {"viper": "CBOR short, viper", "bytecode": "CBOR short, bytecode", "json": "JSON long, viper"}
    for rows, here in live["rows"].items():
        peer = here["cpu_us"]["peer"]["min"]
        for name in here["cpu_us"]:
            if name != "peer":
                least = CPU_BUDGETS.get(name, {}).get(int(rows))
                what = f"N={rows}, {names[name]}"
                out.append(compared("CPU a report, lowest", what, peer, here["cpu_us"][name]["min"], ms, least))
    for rows, here in live["rows"].items():
        counted = here.get("instructions", {})
        for name in counted:
            if name != "peer":
                least = INSTRUCTIONS_BUDGETS.get(int(rows)) if name == "viper" else None
                what = f"N={rows}, {names[name]}"
                out.append(compared("Instructions a report", what, counted["peer"], counted[name], million, least))
    return (
        out
        + _interval(results)
        + _heap(live)
        + _smallest(results["smallest_heap"])
        + _encoding(results["encoding"])
        + _rest(results)
    )


def _interval(results: dict) -> list[Line]:
    if "interval" not in results:
        return []
    found, reports = results["interval"], results["live"]["rows"][10]["cpu_us"]
    first = next(iter(reports))
    ours = interval.whole(found["linkpulse"], found["seconds"], reports[first]["min"])
    theirs = interval.whole(found["peer"], found["seconds"], reports["peer"]["min"])
    group = f"Connected, {interval.INTERVAL} s"
    return [
        compared(group, "CPU", theirs["cpu_ms"] * 1e3, ours["cpu_ms"] * 1e3, ms, INTERVAL_CPU),
        compared(group, "wake-ups", theirs["wakeups"], ours["wakeups"], lambda n: f"{n:,.0f}"),
    ]


def per_row(live: dict, variant: str) -> float:
    """Bytes of heap in use that each socket row adds, from few rows to many."""
    counts = sorted(int(rows) for rows in live["rows"] if int(rows))
    at = {int(rows): here["heap"][variant]["in_use"] for rows, here in live["rows"].items()}
    return (at[counts[-1]] - at[counts[0]]) / (counts[-1] - counts[0])


def _heap(live: dict) -> list[Line]:
    out = []
    group = "Heap (64-bit)"
    last = live["rows"][max(live["rows"], key=int)]
    for variant in last["heap"]:
        kept = per_row(live, variant)
        out.append(Line(group, f"kept a row, {variant}", f"{kept:.2f} B", value=round(kept, 1), most=0, unit=" B"))
        most = max(here["heap"][variant]["allocated"] for here in live["rows"].values())
        out.append(
            Line(group, f"allocated by a report, any N, {variant}", size(most), value=most, most=STEADY_HEAP, unit=" B")
        )
    return out


def _smallest(found: dict) -> list[Line]:
    group = "Smallest heap (64-bit, code loaded into it)"
    few, many = found["rows"].values()
    few_rows, many_rows = found["rows"]
    grown = many["bytes"] - few["bytes"]
    return [
        Line(group, f"collect + encode, {few_rows} rows", size(few["bytes"])),
        Line(
            group, f"{many_rows} rows", size(many["bytes"]), value=grown, shown=f"{grown:+} B", most=0, unit=" B more"
        ),
        Line(group, "of which code after its imports", size(many["code"])),
        Line(group, "the imports alone need", size(found["imports"]["bytes"])),
    ]


def _encoding(found: dict) -> list[Line]:
    out = []
    group = "Encoding 50 rows, same runtime"
    for variant, ways in found.items():
        ours = ways["encode"]
        for way, name in (("cbor2", "cbor2 stand-in"), ("json", "json.dumps (C)"), ("tree", "making the dict")):
            budget = way == "cbor2"
            out.append(
                compared(
                    group, f"time against {name}, {variant}", ways[way]["cpu_us"]["min"], ours["cpu_us"]["min"],
                    ms, ENCODING_BUDGETS[variant] if budget else None,
                )
            )  # fmt: skip
            out.append(
                compared(
                    group, f"heap against {name}, {variant}", ways[way]["heap_allocated"], ours["heap_allocated"],
                    size, ENCODING_HEAP if budget else None,
                )
            )  # fmt: skip
    return out


def _rest(results: dict) -> list[Line]:
    out = []
    for name, forms in results["sizes"].items():
        for form, n in forms.items():
            budget = EXAMPLE_BYTES if (name, form) == ("example", "cbor short") else None
            out.append(Line("Bytes of a report", f"{name}, {form}", f"{n} B", value=n, most=budget, unit=" B"))
    start = results["live"]["start_ms"]
    ours, theirs = start["linkpulse"]["median"], start["peer"]["median"]
    out.append(
        Line(
            "Start to first report",
            "unix port",
            f"{ours:.0f} ms",
            f"{theirs:.0f} ms",
            ours,
            times(theirs / ours),
            most=START_MS,
            unit=" ms",
        )
    )
    alone = start["micropython alone"]["median"]
    out.append(Line("Start to first report", "of which the bare interpreter", f"{alone:.0f} ms"))
    resident = results["live"]["resident"]
    first = next(iter(resident))
    out.append(compared("Resident memory", "without network", resident["peer"], resident[first], size))
    disk = results["on_disk"]
    what = f"{disk['linkpulse']['files']} files against {disk['peer']['files']}"
    out.append(compared("Installed", what, disk["peer"]["bytes"], disk["linkpulse"]["bytes"], size))
    return out


def show(console: Console, results: dict) -> None:
    found = lines(results)
    table = Table(title="linkpulse against AWS's Python agent 2.0.0, or against what is named", title_justify="left")
    for heading in ("", "ours", "theirs", "less by", "budget", ""):
        table.add_column(heading, justify="right" if heading else "left")
    group = None
    for line in found:
        if line.group != group:
            group = line.group
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
        style = {"met": "green", "missed": "red"}.get(line.verdict, "")
        table.add_row(
            "  " + line.what,
            line.ours,
            line.theirs,
            line.shown,
            line.budget,
            f"[{style}]{line.verdict}[/{style}]" if style else "",
        )
    console.print(table)
    for note in results["notes"]:
        console.print(note)
    missed = [f"{line.group}, {line.what}" for line in found if line.verdict == "missed"]
    console.print(f"budgets met: {sum(line.verdict == 'met' for line in found)}, missed: {len(missed)}")


def publish(results: dict, name: str, show) -> None:
    """Writes the results to build/`name`, and prints them: by show(console, results), or as JSON without it."""
    text = json.dumps(results, indent=2)
    files.write(paths.BUILD / name, text.encode() + b"\n")
    if show:
        show(Console(), results)
    else:
        print(text)
