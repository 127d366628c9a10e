"""Sizes against budgets."""

import json

import pytest
from rich.console import Console

from linkpulse_tools import cli, paths
from linkpulse_tools.build import size
from linkpulse_tools.build.size import KB, Size


def test_every_module_is_weighed_and_native_ones_twice(tmp_path):
    lib = tmp_path / "lib"
    lib.mkdir()
    (lib / "a.py").write_text("x = 1\n")
    (lib / "b.py").write_text("# mpy-cross: -X emit=viper\ndef f(n: int) -> int:\n    return n + 1\n")
    a, b = size.measure(lib, tmp_path / "out")
    assert (a.name, a.native, b.name) == ("a.py", None, "b.py")
    assert a.bytecode == (tmp_path / "out" / "bytecode" / "a.mpy").stat().st_size
    assert b.native == (tmp_path / "out" / "armv7m" / "b.mpy").stat().st_size != b.bytecode


@pytest.mark.parametrize(
    "sizes,over",
    [
        ([Size("a.py", 3 * KB, 9 * KB)], []),
        ([Size("a.py", 3 * KB + 1, None)], ["a.py: 3073 B, at most 3072"]),
        ([Size(f"linkpulse/report/{n}.py", 3 * KB, None) for n in "ab"], []),
        ([Size("linkpulse/sample/a.py", 3 * KB, None)] * 8, ["reports alone, in CBOR: 24576 B, at most 21504"]),
        (
            [Size(f"linkpulse/agent/{n}.py", 3 * KB, None) for n in range(15)],
            ["agent of a board, without its collector: 46080 B"],
        ),
        ([Size(f"linkpulse/board/{n}.py", 3 * KB, None) for n in ("board", "led")], ["network, LED, watchdog"]),
        ([Size("linkpulse/collect/linux/__init__.py", 3 * KB, None)] * 26, []),
        (
            [Size("linkpulse/collect/linux/__init__.py", 3 * KB, None)] * 27,
            ["all, which no device loads: 82944 B, at most 79872"],
        ),
    ],
)
def test_what_is_above_a_budget_is_named(sizes, over):
    found = size.summary(sizes)["over"]
    assert len(found) == len(over)
    assert all(part in line for line, part in zip(found, over, strict=True))


def test_table_and_json_say_the_same(capsys):
    report = size.summary([Size("long/module.py", 3333, 4444)])
    size.show(Console(width=80), report)
    table = capsys.readouterr().out
    assert all(text in table for text in ("long/module.py", "3333", "4444", "over budget"))
    size.show(Console(width=20), report, as_json=True)
    assert json.loads(capsys.readouterr().out) == report


@pytest.mark.parametrize("length,code", [(1, 0), (2000, 1)])
def test_command_fails_above_a_budget(tmp_path, monkeypatch, capsys, length, code):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("".join(f"name_{n} = {n}\n" for n in range(length)))
    monkeypatch.setattr(paths, "LIB", tmp_path / "lib")
    monkeypatch.setattr(paths, "MPY", tmp_path / "mpy")
    try:
        cli.main(["size", "--json"])
        found = 0
    except SystemExit as end:
        found = end.code
    assert found == code
    assert json.loads(capsys.readouterr().out)["modules"][0]["name"] == "a.py"
