"""The package files that mip installs from: package.json is the whole device package, the others are parts of it.

All lie at the root: mip puts a relative address behind the package file's own folder and leaves any `..` to the
server, which may refuse it; and `github:OWNER/REPO` means the package.json there.
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
    """`modules` relative to lib/, `deps` as mip takes them; the version is that of the module `of`."""

    modules: list[str]
    deps: tuple = ()
    of: str = "linkpulse/__init__.py"


def all_of(lib: Path = paths.LIB) -> dict[str, Package]:
    """The packages by the names of their files."""
    boards = [name for name in slices.collectors(lib) if name != "linux"]
    return {
        "package.json": Package(slices.agent(*slices.collectors(lib), lib=lib), (UMQTT,)),
        "package-linux.json": Package(slices.agent("linux", lib=lib), (UMQTT,)),
        "package-reporter.json": Package(slices.reports(*boards, lib=lib)),
        "package-microcbor.json": Package([slices.CBOR], of=slices.CBOR),
    }


def version(lib: Path = paths.LIB, module: str = Package.of) -> str:
    """What `__version__` of a module of lib/ says."""
    return re.search(r'^__version__ = "(.+)"$', (lib / module).read_text(encoding="utf-8"), re.MULTILINE)[1]


def text(package: Package, lib: Path = paths.LIB, folder: str = "lib/", suffix: str = ".py") -> str:
    """A package file whose modules lie in `folder`, relative to it, with `suffix`; one line an address."""
    names = [Path(module).with_suffix(suffix).as_posix() for module in package.modules]
    urls = ",\n".join(f"    {json.dumps([name, folder + name])}" for name in names)
    fields = [f'  "version": {json.dumps(version(lib, package.of))}', f'  "urls": [\n{urls}\n  ]']
    if package.deps:
        fields.append(f'  "deps": {json.dumps(package.deps)}')
    return "{\n" + ",\n".join(fields) + "\n}\n"


def outdated(root: Path) -> dict[str, str]:
    """The package files at `root` that are not what its lib/ asks for, and their right text."""
    lib = root / "lib"
    wanted = {name: text(package, lib) for name, package in all_of(lib).items()}
    return {name: right for name, right in wanted.items() if _read(root / name) != right}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


@click.command("packages")
@click.option("--dry-run", is_flag=True, help="Only name the files that would change.")
def command(dry_run: bool) -> None:
    """Write the package files of a checkout that mip installs from."""
    if paths.INSTALLED:
        raise ToolError("package files lie in a checkout of linkpulse: run this in one")
    for name, right in outdated(paths.ROOT).items():
        if not dry_run:
            files.write(paths.ROOT / name, right.encode())
        click.echo(name)
