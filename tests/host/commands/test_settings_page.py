"""`linkpulse settings` and the page that is made with it."""

import json

import pytest
from click.testing import CliRunner

from linkpulse_tools import paths
from linkpulse_tools.commands import settings
from linkpulse_tools.errors import ToolError

EXAMPLE = paths.FIRMWARE / "settings.example.json"


def run(*arguments):
    done = CliRunner().invoke(settings.command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_page_is_up_to_date():
    text = (paths.ROOT / "docs" / "settings.md").read_text()
    assert settings.page(text, settings.schema()) == text, "make docs"


def test_every_key_has_a_meaning_and_no_other_has():
    assert [key["name"] for key in settings.schema()] == list(settings.MEANING)


def test_json():
    keys = {key["name"]: key for key in json.loads(run("--json"))}
    assert keys["port"]["default"] == 8883 and (keys["port"]["low"], keys["port"]["high"]) == (1, 65535)
    assert keys["thing"]["default"] is None and keys["format"]["kind"] == "choice"


def test_the_table_names_every_key():
    said = run()
    for name in settings.MEANING:
        assert name in said


def test_a_narrow_terminal_shows_whole_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    shown = CliRunner().invoke(settings.command, []).output
    assert max(map(len, shown.splitlines())) <= 40 and "…" not in shown
    assert set(settings.MEANING) <= set(shown.split())


def test_a_page_is_made_anew(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{settings.BEGIN}old\n{settings.END}after\n")
    run("--write", str(page))
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text and "| `thing` |" in text


def test_a_page_without_its_place_is_left(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no table")
    with pytest.raises(ToolError, match="end of keys"):
        settings.page(page.read_text(), settings.schema())


def test_the_example_has_only_keys_that_there_are():
    values = json.loads(EXAMPLE.read_text())
    keys = {key["name"]: key for key in settings.schema()}
    assert set(values) <= set(keys)
    assert {name for name, key in keys.items() if key["default"] is None} <= set(values)
