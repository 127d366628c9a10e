# SPDX-License-Identifier: MIT
"""Keeps the agent's status: the last outcome, counts, the last error. It can also write a log."""

from ..errors import described
from ..port import const

ERROR = const(1)
INFO = const(2)
DEBUG = const(3)


class Status:
    """`values` is the dict that Agent.status() returns. If `log(level, text)` is None, no texts are made for it."""

    def __init__(self, log, warnings):
        self.log = log
        self.changed = False
        self.values = {
            "outcome": None,
            "error": None,
            "category": None,
            "retry_after": None,
            "report_id": None,
            "bytes": 0,
            "published": 0,
            "accepted": 0,
            "rejected": 0,
            "unknown": 0,
            "errors": 0,
            "connected_since": None,
            "last_accepted": None,
            "last_error": "; ".join(warnings) or None,
        }

    def outcome(self, what, error=None, kind=None, category=None, retry_after=None):
        """Notes the outcome `what`: accepted, rejected, unknown or error. It allocates nothing, so it works without
        memory."""
        values = self.values
        values["outcome"] = what
        values["error"] = kind
        values["category"] = category
        values["retry_after"] = retry_after
        values["errors" if what == "error" else what] += 1
        if error is not None:
            values["last_error"] = error
        self.changed = True
        self.say(INFO if error is None else ERROR, what if error is None else error)

    def failed(self, error, client_id=None, retry_after=None):
        """Notes a LinkpulseError, or with None that memory ran out; then it allocates nothing. `client_id` is given if
        another client may have it."""
        text = "out of memory: lower `connections`, or free heap"
        kind = "MemoryError"
        category = "memory"
        if error is not None:
            text = str(error)
            kind = type(error).__name__
            category = error.category
            if client_id is not None:
                text += "; this happens again and again: does another client use the client id %s?" % client_id
        self.outcome("error", text, kind, category, retry_after)

    def say(self, level, text):
        """Writes to the log, if there is one. An error in the application's log function does not end the agent."""
        try:
            if self.log is not None:
                self.log(level, text)
        except Exception as e:
            self.raised("log() raised ", e)

    def notify(self, on_outcome):
        """Calls `on_outcome()` once after a change. Returns whether there was one. An error in the application's
        function does not end the agent."""
        changed = self.changed
        self.changed = False
        if changed and on_outcome is not None:
            try:
                on_outcome()
            except Exception as e:
                self.raised("on_outcome() raised ", e)
        return changed

    def raised(self, what, e):
        """Notes an error in the application's code. `what` is the beginning of the text."""
        try:
            self.values["last_error"] = what + described(e)
        except MemoryError:
            self.values["last_error"] = what
