"""What a check finds."""

from dataclasses import asdict, dataclass

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"


@dataclass(frozen=True)
class Finding:
    """`text` says what was seen, in plain words. `hint` says what to do, if there is something to do."""

    status: str
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Check:
    """A finding with the name of its check."""

    name: str
    status: str
    text: str
    hint: str

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


def ok(text: str) -> Finding:
    """The finding that nothing is wrong here."""
    return Finding(OK, text)


def warning(text: str, hint: str) -> Finding:
    """The finding of what works, but should be seen to."""
    return Finding(WARNING, text, hint)


def failed(text: str, hint: str = "") -> Finding:
    """The finding of what keeps the agent from reporting."""
    return Finding(FAILED, text, hint)


def skipped(text: str, hint: str = "") -> Finding:
    """The finding of a check that could not be made."""
    return Finding(SKIPPED, text, hint)


def told(message: str, more: str = "") -> Finding:
    """A failure in the words of the device's own code: what is wrong, a colon, what to do."""
    text, _, hint = message.rpartition(": ")
    return failed(text or message, " ".join(filter(None, (hint if text else "", more))))
