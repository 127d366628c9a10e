"""The error that the tools raise for problems that a user can solve."""


class ToolError(Exception):
    """Something outside this program is missing or wrong. The message says what to do about it."""
