"""The package files that mip installs from. package.json is the whole device package, and the others are parts of it.

All of them are in the root folder, for two reasons. mip appends a relative address to the package file's folder, and a
server may refuse an address that contains `..`. And `github:OWNER/REPO` means the package.json in the root.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import click

from linkpulse_tools import files, paths
from linkpulse_tools.build import slices
from linkpulse_tools.errors import ToolError

UMQTT = ("umqtt.simple", "latest")


@dataclass(frozen=True)
class Package:
    """A package. `modules` are relative to lib/, `deps` are in mip's form. Its version is that of the module `of`."""

    modules: list[str]
    deps: tuple = ()
    of: str = "linkpulse/__init__.py"


def all_of(lib: Path = paths.LIB) -> dict[str, Package]:
    """The packages by the names of their package files."""
    boards = [name for name in slices.collectors(lib) if name != "linux"]
    return {
        "package.json": Package(slices.agent(*slices.collectors(lib), lib=lib), (UMQTT,)),
        "package-linux.json": Package(slices.agent("linux", lib=lib), (UMQTT,)),
        "package-reporter.json": Package(slices.reports(*boards, lib=lib)),
        "package-microcbor.json": Package([slices.CBOR], of=slices.CBOR),
    }


def version(lib: Path = paths.LIB, module: str = Package.of) -> str:
    """The `__version__` of a module in lib/."""
    return re.search(r'^__version__ = "(.+)"$', (lib / module).read_text(encoding="utf-8"), re.MULTILINE)[1]


def text(package: Package, lib: Path = paths.LIB, folder: str = "lib/", suffix: str = ".py") -> str:
    """The text of a package file, with one address in a line. Its modules are in `folder` and end with `suffix`."""
    names = [Path(module).with_suffix(suffix).as_posix() for module in package.modules]
    urls = ",\n".join(f"    {json.dumps([name, folder + name])}" for name in names)
    fields = [f'  "version": {json.dumps(version(lib, package.of))}', f'  "urls": [\n{urls}\n  ]']
    if package.deps:
        fields.append(f'  "deps": {json.dumps(package.deps)}')
    return "{\n" + ",\n".join(fields) + "\n}\n"


def outdated(root: Path) -> dict[str, str]:
    """The package files in `root` that do not fit its lib/, with their right text."""
    lib = root / "lib"
    wanted = {name: text(package, lib) for name, package in all_of(lib).items()}
    return {name: right for name, right in wanted.items() if _read(root / name) != right}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


@click.command("packages")
@click.option("--dry-run", is_flag=True, help="Show which files would change, and change nothing.")
def command(dry_run: bool) -> None:
    """Write the package files for mip from lib/."""
    if paths.INSTALLED:
        raise ToolError("the package files are in a checkout of linkpulse: run this command there")
    for name, right in outdated(paths.ROOT).items():
        if not dry_run:
            files.write(paths.ROOT / name, right.encode())
        click.echo(name)
