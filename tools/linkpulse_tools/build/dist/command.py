"""`linkpulse dist`: builds all packages for devices into build/dist, with SHA256SUMS.

A kind of package is a module of KINDS with `build(out) -> list[Path]`, which writes its files into the folder `out`. If
this machine lacks a program, it raises Unavailable; this kind is then left out and named, and the others are built. Any
other error ends the build and leaves build/dist as it was.
"""

import hashlib
import importlib
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from linkpulse_tools import paths
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.errors import ToolError

# Kind to module. The first line of the module's docstring says what it makes.
KINDS: dict[str, str] = {
    "mpy": "mpy",
    "python": "python",
    "debian": "debian",
    "openwrt": "openwrt",
    "container": "container",
    "greengrass": "greengrass",
}
SUMS = "SHA256SUMS"
FILE_WIDTH = 200  # of a table that is written to a file or a pipe: no file's name is folded


@dataclass
class Made:
    """The result of a build: files by kind, and the kinds that were left out, with the reason."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@click.command("dist")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--dry-run", is_flag=True, help="Show what would be built, and build nothing.")
def command(as_json: bool, dry_run: bool) -> None:
    """Build all packages into build/dist.

    The same commit always gives the same bytes. If a tool for one kind of package is missing on this machine, that kind
    is left out and named. The exit code is 1 after an error, or if no package was built.
    """
    if paths.INSTALLED:
        raise ToolError("packages are built in a checkout of linkpulse, with `make dist`")
    progress = Console(stderr=True)
    if dry_run:
        _show_plan(Console(), as_json)
        return
    out = paths.BUILD / "dist"
    made = make(out, lambda text: progress.print(text, style="dim", soft_wrap=True))
    if made.files:
        _show(Console(), out, made, as_json)
        progress.print(f"in {out}, with {SUMS}", style="dim", soft_wrap=True, highlight=False)
    for kind, reason in made.left_out.items():
        progress.print(f"left out: {kind}: {reason}", style="yellow", soft_wrap=True, highlight=False)
    if not made.files:
        raise ToolError("no package was built")


def make(out: Path, progress=lambda text: None) -> Made:
    """Build every kind into `out`. The folder is replaced when everything is built, and then contains nothing else."""
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Made()
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as name:
        folder = Path(name) / "dist"
        folder.mkdir()
        for kind, module in KINDS.items():
            progress(f"building {kind}")
            try:
                files = importlib.import_module(f"linkpulse_tools.build.dist.{module}").build(folder)
            except dist_files.Unavailable as reason:
                made.left_out[kind] = str(reason)
            else:
                made.files[kind] = [out / path.relative_to(folder) for path in files]
        (folder / SUMS).write_text(sums(folder))
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)
    return made


def sums(folder: Path) -> str:
    """The lines of SHA256SUMS for all files in `folder`, as `sha256sum -c` reads them."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return "".join(f"{_digest(folder / name)}  {name}\n" for name in names if name != SUMS)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _about(module: str) -> str:
    return importlib.import_module(f"linkpulse_tools.build.dist.{module}").__doc__.splitlines()[0]


def _show_plan(console: Console, as_json: bool) -> None:
    plan = {kind: _about(module) for kind, module in KINDS.items()}
    if as_json:
        console.out(json.dumps({"out": str(paths.BUILD / "dist"), "kinds": plan}), highlight=False)
        return
    table = Table()
    table.add_column("kind", no_wrap=True)
    table.add_column("what")
    for row in plan.items():
        table.add_row(*row)
    console.print(table)


def _show(console: Console, out: Path, made: Made, as_json: bool) -> None:
    rows = [
        {"kind": kind, "name": path.relative_to(out).as_posix(), "bytes": path.stat().st_size, "sha256": _digest(path)}
        for kind, files in made.files.items()
        for path in files
    ]
    if as_json:
        console.out(json.dumps({"out": str(out), "files": rows, "left_out": made.left_out}), highlight=False)
        return
    if not console.is_terminal:
        console.width = FILE_WIDTH
    table = Table()
    for heading in ("kind", "file", "bytes", "sha256"):
        table.add_column(heading, justify="right" if heading == "bytes" else "left", overflow="fold")
    for row in rows:
        table.add_row(row["kind"], row["name"], f"{row['bytes']:,}", row["sha256"][:16])
    console.print(table)
