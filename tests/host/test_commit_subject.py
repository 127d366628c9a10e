"""What the hook for commit messages takes and refuses."""

import pytest

from tools.commit_subject import problem


@pytest.mark.parametrize(
    "message",
    ["report: The buffer grows", "lib, firmware: Each source names its licence.\n\nWhy it does.\n", 'Revert "x"'],
)
def test_taken(message):
    assert problem(message) == ""


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("report: " + "A" * 70, "has 78 characters"),
        ("The buffer grows", "an area and a sentence"),
        ("report: The buffer grows\nwith the report", "an empty line"),
    ],
)
def test_refused(message, why):
    assert why in problem(message)
