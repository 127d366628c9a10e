"""What an agent has to tell: the outcome of each report or try, counts, the last error, an optional log."""

ERROR, INFO, DEBUG = 1, 2, 3


class Status:
    """`values` is what Agent.status() returns. `log(level, text)` may be None: then no text is ever made for it."""

    def __init__(self, log, warnings):
        self.log = log
        self.changed = False
        self.values = {
            "outcome": None,
            "report_id": None,
            "bytes": 0,
            "accepted": 0,
            "rejected": 0,
            "unknown": 0,
            "errors": 0,
            "connected_since": None,
            "last_accepted": None,
            "last_error": "; ".join(warnings) or None,
        }

    def outcome(self, what, error=None):
        """Counts `what` (accepted, rejected, unknown, error). Allocates nothing, so that it works without memory."""
        values = self.values
        values["outcome"] = what
        values["errors" if what == "error" else what] += 1
        if error is not None:
            values["last_error"] = error
        self.changed = True
        if self.log is not None:
            self.log(INFO if error is None else ERROR, what if error is None else error)

    def tell(self, told):
        """Calls `told()` once after a change. The application's own mistakes there do not end the reports."""
        if self.changed:
            self.changed = False
            if told is not None:
                try:
                    told()
                except Exception as e:
                    self.values["last_error"] = "told() raised %s %s" % (type(e).__name__, e)
