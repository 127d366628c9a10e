"""The reserved topics of Device Defender: one for the reports of a thing, and two for the answers to them."""

import re

ANSWERS = ("accepted", "rejected")
_FORM = "$aws/things/{}/defender/metrics/{}"
_REPORTS = re.compile(re.escape(_FORM).replace(r"\{\}", "%s") % ("([^/+#]{1,128})", "(json|cbor)"))


def reports(thing: str = "+", fmt: str = "+") -> str:
    """The topic of a thing's reports in "cbor" or "json". By default, a filter for all things and formats."""
    return _FORM.format(thing, fmt)


def answers(topic: str) -> list[str]:
    """The topics of the answers to reports on `topic`."""
    return [f"{topic}/{answer}" for answer in ANSWERS]


def parse(topic: str) -> tuple[str, str] | None:
    """(thing, format) of a reserved topic for reports, or None for any other topic."""
    found = _REPORTS.fullmatch(topic)
    return found and found.groups()
