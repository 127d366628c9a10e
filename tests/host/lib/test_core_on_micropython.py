"""The core tests under the unix port: from the sources, from the .mpy files with native code, and big-endian.

A case a test.
"""

import ast
import fcntl
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import firmware

CORE = paths.ROOT / "tests" / "core"
DOUBLES = paths.ROOT / "tests" / "doubles" / "device"
RUNNER = CORE / "run.py"
WITHIN = 300  # seconds a module may take
PREFIX = "mips-linux-gnu-"
OPTIONS = (  # a static program without the libraries that Debian has not for MIPS, and with nothing frozen in
    f"CROSS_COMPILE={PREFIX}", "LDFLAGS_EXTRA=-static", "MICROPY_PY_BTREE=0", "MICROPY_PY_FFI=0", "MICROPY_PY_SSL=0",
    "FROZEN_MANIFEST=",
)  # fmt: skip


def names():
    """module.test of every core test, without importing one."""
    for path in sorted(CORE.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.stem}.{node.name}"


NAMES = list(names())


def run(micropython, lib, folder):
    """What the runner said, {module.test: text}; one process a module, so that no module lives on another's heap."""
    env = {**os.environ, "MICROPYPATH": f"{lib}:{CORE}:{DOUBLES}:.frozen"}

    def one(module):
        (folder / module).mkdir()
        command = [micropython, "-X", "heapsize=4M", str(RUNNER), module]
        where = folder / module
        return subprocess.run(command, env=env, cwd=where, capture_output=True, text=True, timeout=WITHIN)

    found = {}
    modules = sorted({name.partition(".")[0] for name in NAMES})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for module, done in zip(modules, pool.map(one, modules), strict=True):
            found.update((part.split()[1], part) for part in _parts(done.stdout))
            found[module] = done.stdout + done.stderr
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


@pytest.fixture(scope="session")
def mips(request, tmp_path_factory):
    """MicroPython for MIPS, as OpenWrt has it: big-endian, small ints of 31 bits, a NaN of its own. QEMU runs it."""
    missing = [program for program in (f"{PREFIX}gcc", "qemu-mips") if not shutil.which(program)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    port = request.getfixturevalue("upstream") / "ports" / "unix"
    out = paths.BUILD / "mips"
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        make = ("make", "-C", port, f"-j{os.cpu_count()}", f"BUILD={out}", *OPTIONS)
        firmware.script("build").run(*make, log=out / "log.txt")
    program = tmp_path_factory.mktemp("mips") / "micropython"
    program.write_text(f'#!/bin/sh\nexec qemu-mips {out}/micropython "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.fixture(scope="session", params=["sources", "compiled", "big-endian"])
def results(request, tmp_path_factory):
    micropython = request.getfixturevalue("mips" if request.param == "big-endian" else "micropython")
    lib = request.getfixturevalue("mpy_path") if request.param == "compiled" else paths.LIB
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


def test_big_endian_is_that(mips, tmp_path):
    (tmp_path / "order.py").write_text("import struct, sys\nprint(sys.byteorder, struct.pack('H', 1), sys.maxsize)\n")
    done = subprocess.run([mips, tmp_path / "order.py"], capture_output=True, text=True, timeout=30)
    assert done.stdout == "big b'\\x00\\x01' 2147483647\n", done.stderr
