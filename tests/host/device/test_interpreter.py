"""The interpreter is tried before it is used, and what it lacks is said."""

import subprocess
import sys

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import mpy
from linkpulse_tools.device import interpreter
from linkpulse_tools.errors import ToolError


def script(folder, text: str) -> str:
    path = folder / "micropython"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def answer(name="micropython", version="1, 29, 0", heap=259072, missing="") -> str:
    return f'echo \'{{"name": "{name}", "version": [{version}], "mpy": 2822, "heap": {heap}, "missing": "{missing}"}}\''


def test_installed_interpreter_has_what_is_needed(runtime):
    assert runtime.version >= interpreter.MINIMUM
    done = subprocess.run([runtime.path, "-c", "print(1)"], capture_output=True, text=True)
    assert done.stdout.strip() == "1"


def test_command_sets_the_heap(runtime, tmp_path):
    code = tmp_path / "x.py"
    code.write_text("import gc\nprint(gc.mem_alloc() + gc.mem_free())")
    done = subprocess.run(runtime.command(code, heap="64K"), capture_output=True, text=True)
    assert 55_000 < int(done.stdout) <= 65536


@pytest.mark.parametrize(
    "text,problem",
    [
        (answer(version="1, 23, 0"), "version is 1.23.0, and 1.24 or newer is needed"),
        (answer(missing="tls random"), "no module tls, random"),
        (answer(name="circuitpython"), "circuitpython, not MicroPython"),
        (answer(heap=2072832), "ignores -X heapsize"),
        ("echo nonsense", "nonsense"),
        ("echo broken >&2; exit 3", "broken"),
        ("exit 3", "exit code 3"),
        ('ls "$@"', "^[^$]*heapsize=[^$]*$"),
    ],
)
def test_unusable_interpreter_is_refused_with_the_reason(tmp_path, text, problem):
    with pytest.raises(ToolError, match=problem):
        interpreter.check(script(tmp_path, text))


def test_good_answer_passes_the_same_check(tmp_path):
    path = script(tmp_path, answer())
    assert interpreter.check(path) == interpreter.Interpreter(path, (1, 29, 0), "x64")


def test_cpython_is_refused():
    with pytest.raises(ToolError):
        interpreter.check(sys.executable)


def test_missing_program_is_named():
    with pytest.raises(ToolError, match="/nowhere/micropython.*MICROPYTHON="):
        interpreter.find("/nowhere/micropython")


def test_environment_names_the_interpreter(monkeypatch, tmp_path):
    path = script(tmp_path, answer())
    monkeypatch.setenv("LINKPULSE_MICROPYTHON", path)
    assert interpreter.find().path == path


@pytest.mark.parametrize("index,name", [(0, None), (1, "x86"), (2, "x64"), (5, "armv7m"), (11, "rv32imc"), (15, None)])
def test_architecture_comes_from_the_mpy_number(index, name):
    assert interpreter.architecture(6 | 3 << 8 | index << 10) == name


@pytest.fixture
def library(tmp_path):
    lib = tmp_path / "lib"
    (lib / "pack").mkdir(parents=True)
    (lib / "pack" / "__init__.py").write_text("")
    (lib / "plain.py").write_text("def f():\n    return 41 + 1\n")
    (lib / "pack" / "fast.py").write_text("# mpy-cross: -X emit=viper\ndef f(n: int) -> int:\n    return n << 1\n")
    return lib


def test_compiled_library_runs_natively_on_the_interpreter(library, runtime, tmp_path):
    out = mpy.for_interpreter(library, tmp_path / "mpy", runtime.arch)
    code = tmp_path / "x.py"
    code.write_text("import plain, pack.fast\nprint(plain.f(), pack.fast.f(4), pack.fast.__file__)")
    env = {"MICROPYPATH": mpy.search_path(out)}
    done = subprocess.run([runtime.path, str(code)], env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["42", "8", str(out / "pack" / "fast.mpy")], done.stderr


def test_native_code_only_where_there_is_an_architecture(library, tmp_path):
    mpy.compile_tree(library, tmp_path / "a")
    mpy.compile_tree(library, tmp_path / "b", "x64")
    bytecode, native = ((tmp_path / d / "pack" / "fast.mpy").read_bytes() for d in "ab")
    assert (bytecode[2] >> 2, native[2] >> 2) == (0, 2)  # the architecture in the header
    assert (tmp_path / "a" / "plain.mpy").read_bytes() == (tmp_path / "b" / "plain.mpy").read_bytes()


def test_only_what_changed_is_compiled_and_stale_files_go(library, tmp_path):
    out = tmp_path / "out"
    mpy.compile_tree(library, out)
    before = (out / "plain.mpy").stat().st_mtime_ns
    (library / "pack" / "fast.py").unlink()
    assert [str(name) for name in mpy.compile_tree(library, out)] == ["pack/__init__.py", "plain.py"]
    assert not (out / "pack" / "fast.mpy").exists()
    assert (out / "plain.mpy").stat().st_mtime_ns == before
    (library / "plain.py").write_text("x = 1\n")
    mpy.compile_tree(library, out)
    assert (out / "plain.mpy").stat().st_mtime_ns != before


def test_source_that_does_not_compile_is_named(library, tmp_path):
    (library / "plain.py").write_text("def (:\n")
    with pytest.raises(ToolError, match="plain.py"):
        mpy.compile_tree(library, tmp_path / "out")


def test_whole_library_compiles(mpy_path):
    names = {p.relative_to(paths.LIB).with_suffix("").as_posix() for p in paths.LIB.rglob("*.py")}
    assert {p.relative_to(mpy_path).with_suffix("").as_posix() for p in mpy_path.rglob("*.mpy")} == names
