"""Checks the first line of a commit's message, `area: Sentence.`: the hook commit-msg of .pre-commit-config.yaml."""

import re
import sys
from pathlib import Path

MOST = 72
SUBJECT = re.compile(r"[a-z][a-z0-9_-]*(, [a-z][a-z0-9_-]*)*: \S+( \S+)*")
MADE_BY_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ")


def problem(message: str) -> str:
    """What is wrong with the message, or nothing."""
    subject, _, body = message.partition("\n")
    if subject.startswith(MADE_BY_GIT):
        return ""
    if len(subject) > MOST:
        return f"the subject has {len(subject)} characters, at most {MOST} are allowed; the rest belongs into the body"
    if not SUBJECT.fullmatch(subject):
        return "the subject must be an area and a sentence, such as `report: The buffer grows with the report`"
    if body.strip() and not body.startswith("\n"):
        return "between the subject and the body must be an empty line"
    return ""


if __name__ == "__main__":
    sys.exit(problem(Path(sys.argv[1]).read_text(encoding="utf-8")) or 0)
