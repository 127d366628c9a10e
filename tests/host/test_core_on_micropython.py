"""The core tests under the unix port: from the sources, and from the .mpy files with native code. A case a test."""

import ast
import os
import subprocess

import pytest

from linkpulse_tools import paths

CORE = paths.LIB.parent / "tests" / "core"
RUNNER = CORE / "run.py"


def names():
    """module.test of every core test, without importing one."""
    for path in sorted(CORE.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.stem}.{node.name}"


NAMES = list(names())


def run(micropython, lib, folder):
    """What the runner said, {module.test: text}; one process a module, so that no module lives on another's heap."""
    found = {}
    env = {**os.environ, "MICROPYPATH": f"{lib}:{CORE}:.frozen"}
    for module in sorted({name.partition(".")[0] for name in NAMES}):
        command = [micropython, "-X", "heapsize=4M", str(RUNNER), module]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        for part in _parts(done.stdout):
            found[part.split()[1]] = part
        found[module] = said
    return found


def _parts(text):
    """The output cut before every line that begins a test's result."""
    part = []
    for line in text.splitlines():
        if line.startswith(("ok ", "FAIL ")):
            if part:
                yield "\n".join(part)
            part = [line]
        elif part:
            part.append(line)
    if part:
        yield "\n".join(part)


@pytest.fixture(scope="session", params=["sources", "compiled"])
def results(request, tmp_path_factory):
    micropython = request.getfixturevalue("micropython")
    lib = paths.LIB if request.param == "sources" else request.getfixturevalue("mpy_path")
    return run(micropython, lib, tmp_path_factory.mktemp("core"))


@pytest.mark.parametrize("name", NAMES)
def test_core(results, name):
    said = results.get(name)
    assert said is not None, "the runner did not get there:\n" + results[name.partition(".")[0]]
    assert said.startswith("ok "), said


def test_the_runner_can_fail(micropython, tmp_path):
    (tmp_path / "test_two.py").write_text("def test_a():\n    assert 1 == 1\n\n\ndef test_b():\n    assert 1 == 2\n")
    env = {**os.environ, "MICROPYPATH": f"{tmp_path}:.frozen"}
    done = subprocess.run([micropython, str(RUNNER), "test_two"], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "ok test_two.test_a" and lines[1] == "FAIL test_two.test_b"
    assert "line 6" in done.stdout and lines[-1] == "1 passed, 1 failed"
