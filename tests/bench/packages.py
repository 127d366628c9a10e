"""python -m tests.bench.packages [--json]: what each package takes, as source and as .mpy.

Bytes of its files; what they take in a LittleFS of 4 KB blocks, as on a Pico or an ESP32; on the Cortex-M3 in QEMU the
heap that its code keeps, and the smallest heap in which it can be imported from the file system. umqtt.simple is in
it where the package asks for it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from linkpulse_tools import files, paths
from linkpulse_tools.build import firmware, mpy, packages, umqtt
from linkpulse_tools.device import interpreter, qemu_board
from linkpulse_tools.errors import ToolError

FLASH = Path(__file__).parent / "device" / "flash.py"
BLOCK, BLOCKS = 4096, 212  # of a Pico W's file system
DISK, DISK_BLOCK, DISK_AT = 1024 * 1024, 512, 0x21000000  # boards/qemu-mps2/disk.c
HIGH, STEP = 400 * 1024, 1024
IMPORTS = {
    "package.json": "import linkpulse.agent.agent, linkpulse.collect.lwip, linkpulse.settings",
    "package-reporter.json": "import linkpulse.report, linkpulse.collect.lwip, linkpulse.report.report_ids",
    "package-microcbor.json": "import microcbor",
}


def place(name: str, suffix: str, folder: Path) -> list[Path]:
    """The files of a package in `folder`, as mip installs them."""
    package = packages.all_of()[name]
    sources = [(paths.LIB, module) for module in package.modules]
    sources += [(paths.VENDOR, umqtt.MEMBER)] * len(package.deps)
    for root, module in sources:
        if suffix == ".py":
            files.write(folder / module, (root / module).read_bytes())
        else:
            mpy.compile_file(root / module, (folder / module).with_suffix(suffix), module, firmware.ARCH)
    return [path for path in folder.rglob("*") if path.is_file()]


def flash(folder: Path, block: int, blocks: int, *image: str) -> int:
    """Bytes of a LittleFS that the folder takes."""
    command = [interpreter.find().path, "-X", "heapsize=8M", FLASH, folder, block, blocks, *image]
    return int(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)


def heap_of(image: Path, heap: int, source: str) -> int | None:
    """The heap that an import keeps, None where `heap` bytes are too few for it."""
    loader = ("-device", f"loader,file={image},addr={DISK_AT:#x},force-raw=on")
    try:
        with qemu_board.Board(firmware.ensure("plain"), heap, extra=loader) as target:
            target.run("import gc\ngc.threshold(4096)\ngc.collect()\na = gc.mem_alloc()")
            target.run(source)
            return target.value("(gc.collect(), gc.mem_alloc() - a)[1]")
    except qemu_board.BoardError as error:
        if not error.kind.startswith("MemoryError"):
            raise
    except (qemu_board.TransportError, ToolError):
        pass  # too little even for the REPL
    return None


def measure(name: str, suffix: str, say) -> dict:
    """Figures of one package in one form, in bytes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, image = Path(temporary) / "lib", Path(temporary) / "image"
        placed = place(name, suffix, folder)
        found = {
            "package": name.removesuffix(".json"),
            "form": suffix,
            "files": len(placed),
            "bytes": sum(path.stat().st_size for path in placed),
            "flash": flash(folder, BLOCK, BLOCKS),
        }
        if name in IMPORTS:
            flash(folder, DISK_BLOCK, DISK // DISK_BLOCK, str(image))
            found["heap"] = heap_of(image, HIGH, IMPORTS[name])
            low, high = 0, HIGH
            while high - low > STEP:
                middle = (low + high) // 2 // STEP * STEP
                say(f"{name} as {suffix} in a heap of {middle:,} bytes")
                low, high = (middle, high) if heap_of(image, middle, IMPORTS[name]) is None else (low, middle)
            found["smallest"] = high
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.packages", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a package and form")
    options = parser.parse_args()
    progress = Console(stderr=True)
    umqtt.ensure(paths.VENDOR)
    rows = [
        measure(name, suffix, lambda text: progress.print(text, style="dim"))
        for name in packages.all_of()
        for suffix in (".py", ".mpy")
    ]
    if options.json:
        for row in rows:
            print(json.dumps(row))
        return
    table = Table(title="Packages, bytes", title_justify="left")
    headings = {"package": "package", "form": "as", "files": "files", "bytes": "bytes", "flash": "flash"}
    headings |= {"heap": "code", "smallest": "smallest"}
    for key, heading in headings.items():
        table.add_column(heading, justify="left" if key in ("package", "form") else "right")
    for row in rows:
        cells = (row.get(key) for key in headings)
        table.add_row(*("" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell for cell in cells))
    Console().print(table)


if __name__ == "__main__":
    try:
        main()
    except ToolError as error:
        sys.exit(f"packages: {error}")
