"""The error that the tools raise for problems that a user can solve."""


class ToolError(Exception):
    """Something outside this program is missing or wrong. The message says what to do about it.

    `printed`: with --json, an object that shows the failure was already printed.
    """

    def __init__(self, message: str, printed: bool = False):
        super().__init__(message)
        self.printed = printed
