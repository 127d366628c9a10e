"""The one error that the tools raise for what a user can mend."""


class ToolError(Exception):
    """Something is missing or wrong outside this program; the message says what to do about it."""
