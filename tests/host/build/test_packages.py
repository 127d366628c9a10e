"""Package files: up to date, and each part exactly what it loads, by the imports in the sources."""

import ast
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkpulse_tools import paths
from linkpulse_tools.build import packages, slices
from linkpulse_tools.errors import ToolError

MEND = "run `make packages` and commit what it writes"


def test_package_files_are_up_to_date():
    assert not list(packages.outdated(paths.ROOT)), MEND


def test_whole_package_has_every_module():
    everything = sorted(path.relative_to(paths.LIB).as_posix() for path in paths.LIB.rglob("*.py"))
    for other in slices.NOT_LOADED:
        everything.remove(f"linkpulse/{other}")
    assert packages.all_of()["package.json"].modules == everything, f"slices.py knows other modules than lib/; {MEND}"


@pytest.mark.parametrize("name", packages.all_of())
def test_addresses_are_relative_and_files_of_the_checkout(name):
    package = json.loads((paths.ROOT / name).read_text())
    assert package["urls"]
    for target, address in package["urls"]:
        assert address == f"lib/{target}"
        assert (paths.ROOT / address).is_file()
    needs_mqtt = "linkpulse/session/session.py" in dict(package["urls"])
    assert package.get("deps", []) == [["umqtt.simple", "latest"]] * needs_mqtt


def test_command_writes_what_changed_and_only_then(tmp_path, monkeypatch):
    shutil.copytree(paths.LIB, tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(paths, "ROOT", tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(packages.command, arguments)
        assert done.exit_code == 0
        return done.output.split()

    everything = list(packages.all_of())
    assert run("--dry-run") == everything
    assert not list(tmp_path.glob("*.json"))
    assert run() == everything
    assert run() == []
    (tmp_path / "lib" / "linkpulse" / "another.py").write_text("")
    assert run() == ["package.json", "package-linux.json"]
    assert "lib/linkpulse/another.py" in (tmp_path / "package.json").read_text()
    monkeypatch.setattr(paths, "INSTALLED", True)
    assert isinstance(CliRunner().invoke(packages.command).exception, ToolError)


def module(name):
    """The file of a module of lib/, None for one from elsewhere."""
    path = paths.LIB / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate.relative_to(paths.LIB).as_posix()
    return None


def loads(file):
    """The files of lib/ that a file imports, anywhere in it, and their packages."""
    tree, names = ast.parse((paths.LIB / file).read_text()), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*Path(file).parts[: -node.level], node.module or ""] if node.level else [node.module])
            names.update({base.rstrip("."), *(f"{base.rstrip('.')}.{alias.name}" for alias in node.names)})
    parents = {name.rpartition(".")[0] for name in names}
    return {module(name) for name in names | parents if name} - {None}


def reached(roots, left_out):
    """All that is loaded from `roots`, if the files in `left_out` are not there."""
    found, open_ends = set(), set(roots)
    while open_ends:
        file = open_ends.pop()
        found.add(file)
        open_ends |= loads(file) - found - left_out
    return found


def of(platform):
    """The modules of one platform's collector."""
    return set(slices.agent(platform)) - set(slices.agent())


def left_out(platforms):
    """What only other platforms have."""
    return {module for platform in slices.collectors() if platform not in platforms for module in of(platform)}


def named(platforms):
    return [
        module
        for platform in platforms
        for module in of(platform)
        if module.endswith((f"{platform}.py", f"{platform}/__init__.py"))
    ]


BOARDS = ["lwip", "counted", "cyw43"]
RUNTIME = "linkpulse/port/micropython.py"  # loaded by the runtime's name
AGENT = ["linkpulse/__init__.py", "linkpulse/agent/agent.py", "linkpulse/settings.py", RUNTIME]
ROOTS = {
    "package.json": (slices.collectors(), AGENT),
    "package-linux.json": (["linux"], AGENT),
    "package-reporter.json": (
        BOARDS,
        ["linkpulse/__init__.py", "linkpulse/report/__init__.py", "linkpulse/report/report_ids.py", RUNTIME],
    ),
    "package-microcbor.json": ([], ["microcbor.py"]),
}


@pytest.mark.parametrize("name", packages.all_of())
def test_nothing_is_missing_and_nothing_superfluous(name):
    platforms, roots = ROOTS[name]
    assert reached([*roots, *named(platforms)], left_out(platforms)) == set(packages.all_of()[name].modules)
