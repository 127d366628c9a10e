"""Compares the size of the device code as .mpy with the budgets of docs/architecture.md."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from linkpulse_tools.build import mpy, slices

KB = 1024
MODULE_LIMIT = 3 * KB
NATIVE_ARCH = "armv7m"

# What is not loaded beside the rest: the other format, what only a misspelled setting needs, what only MicroPython
# without machine code needs, the other runtimes.
ELSEWHERE = tuple(
    f"{slices.PACKAGE}/{name}"
    for name in (
        "report/json_writer.py",
        "report/response_json.py",
        "nearest.py",
        "report/rows_plain.py",
        *slices.NOT_LOADED,
    )
)
LIMITS = {
    "reports alone, in CBOR": 21 * KB,
    "agent of a board, without its collector": 42 * KB,
    "network, LED, watchdog, where settings name them": 4 * KB,
    "all, which no device loads": 78 * KB,
}


@dataclass(frozen=True)
class Size:
    """The size of one module in bytes: as bytecode, and as native code if its source asks for that (else None)."""

    name: str
    bytecode: int
    native: int | None


def measure(lib: Path, folder: Path) -> list[Size]:
    """Compile lib into `folder` and measure every module, in the order of their names."""
    plain, native = folder / "bytecode", folder / NATIVE_ARCH
    names = mpy.compile_tree(lib, plain)
    mpy.compile_tree(lib, native, NATIVE_ARCH)

    def weigh(tree: Path, name: Path) -> int:
        return (tree / name).with_suffix(".mpy").stat().st_size

    return [
        Size(name.as_posix(), weigh(plain, name), weigh(native, name) if mpy.flags(lib / name) else None)
        for name in names
    ]


def groups(sizes: list[Size]) -> dict[str, int]:
    """Bytes of the sets of modules that are loaded together, by the names of LIMITS; collectors are none of them."""

    def total(wanted) -> int:
        return sum(s.bytecode for s in sizes if wanted(slices.room_of(s.name)) and s.name not in ELSEWHERE)

    sums = (
        total(lambda room: room in (slices.CBOR, *slices.REPORTS)),
        total(lambda room: room not in (slices.COLLECT, slices.HARDWARE)),
        total(lambda room: room == slices.HARDWARE),
        sum(size.bytecode for size in sizes),
    )
    return dict(zip(LIMITS, sums, strict=True))


def summary(sizes: list[Size]) -> dict:
    """The modules, the sums, and what is over its budget, as values for JSON."""
    sums = groups(sizes)
    over = [f"{s.name}: {s.bytecode} B, at most {MODULE_LIMIT}" for s in sizes if s.bytecode > MODULE_LIMIT]
    over += [f"{name}: {sums[name]} B, at most {limit}" for name, limit in LIMITS.items() if sums[name] > limit]
    return {
        "modules": [{"name": s.name, "bytecode": s.bytecode, NATIVE_ARCH: s.native} for s in sizes],
        "sums": sums,
        "budgets": {"module": MODULE_LIMIT, **LIMITS},
        "over": over,
    }


def show(console: Console, report: dict, as_json: bool = False) -> None:
    """The summary as a table, or as one JSON object."""
    if as_json:
        console.out(json.dumps(report), highlight=False)
        return
    table = Table(title="Device code as .mpy, bytes", title_justify="left")
    for heading in ("module", "bytecode", NATIVE_ARCH, "budget"):
        table.add_column(heading, justify="left" if heading == "module" else "right")
    for module in report["modules"]:
        native = module[NATIVE_ARCH]
        style = "red" if module["bytecode"] > MODULE_LIMIT else None
        row = (module["name"], str(module["bytecode"]), "" if native is None else str(native), str(MODULE_LIMIT))
        table.add_row(*row, style=style)
    table.add_section()
    for name, total in report["sums"].items():
        table.add_row(name, str(total), "", str(LIMITS[name]), style="red" if total > LIMITS[name] else None)
    console.print(table)
    for line in report["over"]:
        console.print(f"over budget: {line}", style="red")
