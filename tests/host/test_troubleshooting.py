"""docs/troubleshooting.md has every text of the device's code: errors, problems, sources, reasons."""

import ast
import re

import pytest

from linkpulse_tools import paths

PAGE = (paths.ROOT / "docs" / "troubleshooting.md").read_text()
PLACE = re.compile(r"0x%02x|%[-0-9]*[sdxr]")
MODULES = sorted(
    path for path in (paths.LIB / "linkpulse").rglob("*.py") if path.stem != "json_writer"
)  # a caller's own
SHORT = 8  # what is not longer stands beside something longer


def plain(text):
    return " ".join(re.sub(r"[*`]", "", text).split())


def texts(tree):
    """Every literal of more than one word that is no docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = (node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body)
    docstrings = {id(node.value) for node in first if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        if literal and " " in node.value.strip():
            yield node.value


def pieces(text):
    """Its fixed parts."""
    found = (piece.strip(" :,;()<>") for piece in PLACE.split(plain(text)))
    return [piece for piece in found if len(piece) > SHORT]


FOUND = sorted(
    {(path.stem, piece) for path in MODULES for text in texts(ast.parse(path.read_text())) for piece in pieces(text)}
)


def test_there_are_texts():
    assert len(FOUND) > 80


@pytest.mark.parametrize("name,piece", FOUND)
def test_a_text_is_on_the_page(name, piece):
    assert piece in plain(PAGE)


def test_every_entry_of_the_status_is_explained():
    tree = ast.parse((paths.LIB / "linkpulse/agent/agent.py").read_text())
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "status")
    told = re.findall(r"`(\w+)`", ast.get_docstring(next(found)))
    page = (paths.ROOT / "docs/fleet.md").read_text()
    rows = re.findall(r"^\| (`.+?) \|", page.partition("| entry |")[2].partition("\n\n")[0], re.MULTILINE)
    assert sorted(told) == sorted(re.findall(r"`(\w+)`", " ".join(rows)))


def test_links_within_the_page_lead_somewhere():
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^## (.*)", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= headings
