"""The arrays and records that several device modules share: their names mean the same in all of them."""

import re

from linkpulse_tools import paths

CONST = re.compile(r"^_?([A-Z][A-Z0-9_]*) = const\((\d+)\)", re.MULTILINE)
LAYOUT = next(paths.LIB.rglob("layout.py"))


def constants(path):
    return {name: int(value) for name, value in CONST.findall(path.read_text())}


def test_every_user_of_the_layout_has_its_numbers():
    layout, users = constants(LAYOUT), set()
    for path in paths.LIB.rglob("*.py"):
        if "layout.py" in path.read_text():
            shared = constants(path).items() & layout.items()
            assert {name for name, _ in shared} == constants(path).keys() & layout.keys(), path
            users.add(path.stem)
    assert len(users) > 4, users


def test_the_loops_have_no_bare_offsets():
    # What an array or a record holds where is said by name; a number may only count on from there.
    shared = r"\b(?:s|t|st|state|records|known|addresses)\[(?:int\()?\d"
    for path in paths.LIB.rglob("*.py"):
        if path.read_text().startswith("# mpy-cross: -X emit"):
            assert not re.findall(shared, path.read_text()), path
