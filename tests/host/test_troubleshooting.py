"""docs/troubleshooting.md has every message with which the device's code ends a connection or a start."""

import ast
import re

import pytest

from linkpulse_tools import paths

PAGE = " ".join((paths.ROOT / "docs" / "troubleshooting.md").read_text().replace("*", "").split())
# What other modules raise is in an answer or in the application's own hands, and comes with words of these.
MODULES = ("__init__", "board", "clock", "light", "link", "mqtt", "reporter", "session", "settings", "stream", "trust",
    "uplink")  # fmt: skip
PLACE = re.compile(r"\(error %s|0x%02x|%[-0-9]*[sdxr]|%")


def messages():
    """(module, text) of every literal in a raised error, and of what explains TLS and refusals."""
    for name in MODULES:
        tree = ast.parse((paths.LIB / "linkpulse" / f"{name}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith(("Error", "TimedOut", "TooLarge")):
                for part in node.args[:1]:
                    for text in ast.walk(part):
                        if isinstance(text, ast.Constant) and isinstance(text.value, str):
                            yield name, text.value


def pieces(text):
    return [piece.strip(" :,;()") for piece in PLACE.split(text) if len(piece.strip(" :,;()")) > 8]


FOUND = sorted({(name, piece) for name, text in messages() for piece in pieces(text)})


def test_there_are_messages():
    assert len(FOUND) > 50


@pytest.mark.parametrize("name,piece", FOUND)
def test_a_message_is_on_the_page(name, piece):
    assert piece in PAGE, f"{name}: {piece}"
