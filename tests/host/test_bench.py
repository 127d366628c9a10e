"""The benchmark's arithmetic and its made-up proc root; nothing here measures time."""

import io

import pytest
from rich.console import Console

from tests.bench import heap, procroot, table, worker
from tests.bench.table import Line


def cost(median):
    return {"min": median / 2, "median": median, "rounds": 3}


def results():
    """The shape of one run, with figures that are easy to divide."""
    used = {"allocated": 32, "in_use": 70000}
    rows = {
        n: {
            "cpu_us": {"viper": cost(100.0), "bytecode": cost(1000.0), "json": cost(200.0), "peer": cost(float(peer))},
            "heap": {"viper": used, "bytecode": {"allocated": 600, "in_use": 70000 + 2 * n}},
            "instructions": {"viper": 10, "peer": 1490},
        }
        for n, peer in ((0, 500), (10, 1000), (100, 3999), (1000, 10000))
    }
    ways = {way: {"cpu_us": cost(us), "heap_allocated": b} for way, us, b in
            (("encode", 10.0, 32), ("tree", 20.0, 3200), ("cbor2", 150.0, 3199), ("json", 5.0, 320))}  # fmt: skip
    return {
        "live": {
            "rows": rows,
            "start_ms": {"linkpulse": cost(61.0), "micropython alone": cost(20.0), "peer": cost(122.0)},
            "resident": {"viper": 1 << 20, "bytecode": 1 << 20, "json": 1 << 20, "peer": 3 << 20},
        },
        "interval": {
            "seconds": 10.0,
            "linkpulse": {"cpu_ms": 1.0, "wakeups": 20},
            "peer": {"cpu_ms": 10.0, "wakeups": 6},
        },
        "smallest_heap": {
            "rows": {10: {"bytes": 60000, "code": 50000}, 10000: {"bytes": 60128, "code": 50000}},
            "imports": {"bytes": 54000, "code": 50000},
        },
        "encoding": {"viper": ways},
        "sizes": {"example": {"json long": 475, "cbor short": 172}},
        "on_disk": {"linkpulse": {"files": 2, "bytes": 100}, "peer": {"files": 9, "bytes": 1000}},
        "notes": ["a note"],
    }


@pytest.fixture(name="found")
def all_lines():
    return {f"{line.group}: {line.what}": line for line in table.lines(results())}


@pytest.mark.parametrize(
    "line,shown,verdict",
    [
        ("CPU a report, lowest: N=0, CBOR short, viper", "5.0 ×", ""),
        ("CPU a report, lowest: N=10, CBOR short, viper", "10.0 ×", "met"),
        ("CPU a report, lowest: N=100, CBOR short, viper", "39.9 ×", "missed"),
        ("CPU a report, lowest: N=1000, CBOR short, viper", "100 ×", "met"),
        ("CPU a report, lowest: N=1000, CBOR short, bytecode", "10.0 ×", "missed"),
        ("Instructions a report: N=100, CBOR short, viper", "149 ×", "missed"),
        ("Connected, 300 s: CPU", "10.0 ×", "missed"),  # 301 ms against 30.1
        ("Connected, 300 s: wake-ups", "0.3 ×", ""),
        ("Heap (64-bit): kept a row, viper", "", "met"),
        ("Heap (64-bit): kept a row, bytecode", "", "missed"),
        ("Heap (64-bit): allocated by a report, any N, bytecode", "", "missed"),
        ("Smallest heap (64-bit, code loaded into it): 10000 rows", "+128 B", "missed"),
        ("Encoding 50 rows, same runtime: time against cbor2 stand-in, viper", "15.0 ×", "met"),
        ("Encoding 50 rows, same runtime: heap against cbor2 stand-in, viper", "99.9 ×", "missed"),
        ("Encoding 50 rows, same runtime: time against json.dumps (C), viper", "0.5 ×", ""),
        ("Bytes of a report: example, cbor short", "", "met"),
        ("Bytes of a report: example, json long", "", ""),
        ("Start to first report: unix port", "2.0 ×", "missed"),
        ("Resident memory: without network", "3.0 ×", ""),
        ("Installed: 2 files against 9", "10.0 ×", ""),
    ],
)
def test_figures_are_held_against_their_budgets(found, line, shown, verdict):
    assert (found[line].shown, found[line].verdict) == (shown, verdict)


def test_nothing_used_is_infinitely_less():
    assert table.ratio(1.0, 0) == float("inf")


def test_a_line_without_a_budget_has_no_verdict():
    assert (Line("g", "w", "1", value=1.0).budget, Line("g", "w", "1", value=1.0).verdict) == ("", "")


def test_the_table_shows_every_line_and_the_notes():
    out = io.StringIO()
    table.show(Console(file=out, width=160), results())
    text = out.getvalue()
    assert all(line.what in text for line in table.lines(results()))
    assert "a note" in text
    assert "missed: 11" in text


def test_rounds_are_summed_up_in_microseconds():
    assert worker.Samples([0.003, 0.001, 0.002]).summary() == {"min": 1000.0, "median": 2000.0, "rounds": 3}


def test_the_smallest_heap_is_found(monkeypatch):
    asked = []

    def completes(command, env):
        asked.append(int(command))
        return 77 if int(command) >= 50001 else None

    monkeypatch.setattr(heap, "completes", completes)
    found = heap.smallest(str, {})
    assert 50001 <= found["bytes"] <= 50001 + heap.STEP
    assert found["code"] == 77
    assert len(asked) < 20


def test_a_heap_that_is_never_enough_is_an_error(monkeypatch):
    monkeypatch.setattr(heap, "completes", lambda command, env: None)
    with pytest.raises(worker.Failed, match="not enough"):
        heap.smallest(str, {})


def test_a_made_up_table_has_the_rows_asked_for_in_the_kernels_width(tmp_path):
    root = procroot.make(tmp_path, 100)
    lines = (root / "net" / "tcp").read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 3 + 100
    assert {len(line) for line in lines} == {150}
    assert len({line.split()[2] for line in lines if " 01 " in line}) == 100
    assert {len(line) for line in (root / "net" / "udp").read_text().splitlines(keepends=True)} == {128}
