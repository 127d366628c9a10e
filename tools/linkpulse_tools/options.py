"""What several commands check in the same way."""

import re

import click

THING = re.compile(r"[a-zA-Z0-9:_-]{1,64}")


def thing_name(context, parameter, value: str) -> str:
    """A thing's name, for which a certificate can be made."""
    if not THING.fullmatch(value):
        raise click.BadParameter(
            "it must have 1 to 64 characters of a-z A-Z 0-9 : _ - (it is the common name of a certificate)"
        )
    return value
