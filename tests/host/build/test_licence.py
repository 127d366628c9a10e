"""Every source that goes onto a device says its licence itself: files of lib/ and firmware/ are copied one by one."""

import pytest

from linkpulse_tools import paths

SOURCES = (".py", ".c", ".h", ".mk", ".cmake")
FILES = [path for folder in ("lib", "firmware") for path in sorted((paths.ROOT / folder).rglob("*"))]


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix in SOURCES], ids=str)
def test_the_first_lines_name_the_licence(path):
    lines = path.read_text().splitlines()
    assert "SPDX-License-Identifier: MIT" in lines[1 if lines[0].startswith("# mpy-cross:") else 0]
