"""What the device code weighs as .mpy, against the budgets of docs/architecture.md."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from linkpulse_tools import mpy

KB = 1024
MODULE_LIMIT = 3 * KB
CORE_LIMIT = 20 * KB
TOTAL_LIMIT = 28 * KB
NATIVE_ARCH = "armv7m"
DETECTION = "detect.py"


@dataclass(frozen=True)
class Size:
    """Bytes of one module: as bytecode, and natively where its source asks for that (else None)."""

    name: str
    bytecode: int
    native: int | None


def measure(lib: Path, folder: Path) -> list[Size]:
    """Compile lib under `folder` and weigh every module, in order of their names."""
    plain, native = folder / "bytecode", folder / NATIVE_ARCH
    names = mpy.compile_tree(lib, plain)
    mpy.compile_tree(lib, native, NATIVE_ARCH)

    def weigh(tree: Path, name: Path) -> int:
        return (tree / name).with_suffix(".mpy").stat().st_size

    return [
        Size(name.as_posix(), weigh(plain, name), weigh(native, name) if mpy.flags(lib / name) else None)
        for name in names
    ]


def summary(sizes: list[Size]) -> dict:
    """Modules, totals and what is above a budget, ready for JSON."""
    core = sum(size.bytecode for size in sizes if Path(size.name).name != DETECTION)
    total = sum(size.bytecode for size in sizes)
    over = [f"{s.name}: {s.bytecode} B, at most {MODULE_LIMIT}" for s in sizes if s.bytecode > MODULE_LIMIT]
    if core > CORE_LIMIT:
        over.append(f"without detection: {core} B, at most {CORE_LIMIT}")
    if total > TOTAL_LIMIT:
        over.append(f"all: {total} B, at most {TOTAL_LIMIT}")
    return {
        "modules": [{"name": s.name, "bytecode": s.bytecode, NATIVE_ARCH: s.native} for s in sizes],
        "without_detection": core,
        "total": total,
        "budgets": {"module": MODULE_LIMIT, "without_detection": CORE_LIMIT, "total": TOTAL_LIMIT},
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
    table.add_row("without detection", str(report["without_detection"]), "", str(CORE_LIMIT))
    table.add_row("all", str(report["total"]), "", str(TOTAL_LIMIT))
    console.print(table)
    for line in report["over"]:
        console.print(f"over budget: {line}", style="red")
