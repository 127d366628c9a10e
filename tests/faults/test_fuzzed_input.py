"""Fault 41: what was ever found, and new inputs for every parser (`make fuzz`: a million each)."""

import secrets

import pytest

from tests.fuzz import run

# Whole tables of the kernel take a fifth of a millisecond and more.
TABLES = ("dev", "tcp", "tcp6", "udp4", "udp6", "if_inet6", "route", "settings")


@pytest.mark.parametrize("runtime", ["cpython", "micropython"])
@pytest.mark.parametrize("tables", [True, False], ids=["tables", "others"])
def test_fault_41_only_declared_exceptions(runtime, tables):
    names = [name for name in run.names(runtime) if (name in TABLES) == tables]
    inputs = 3_000 if tables else 12_000
    seed = secrets.randbelow(2**31)
    results = run.fuzz(inputs, seed, names, runtime)
    assert [r.parser for r in results] == names
    for result in results:
        assert not result.escapes, f"seed {seed}: {result.escapes}"
        assert result.inputs == inputs


def test_fault_41_an_escape_is_found_and_kept(tmp_path, monkeypatch):
    """The fuzzer itself: an exception that is not declared is saved, with what makes it come again."""
    monkeypatch.setattr(run, "CORPUS", tmp_path)
    (tmp_path / "parsers").mkdir()
    result = run.Result("no_such_parser", "cpython")
    run._piece(result, 1, 10, None, [], lambda text: None)
    assert result.escapes and "no_such_parser" in result.escapes[0]["text"]
