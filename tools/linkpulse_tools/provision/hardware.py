"""The settings of a board's hardware: LED, watchdog, Ethernet, and what suits a kind of board."""

import json

import click

from linkpulse_tools import paths

# What a board's example file has besides its own values. Provisioning writes these.
NOT_OWN = ("thing", "host", "port", "ca", "cert", "key", "interval")

# In seconds: the RP2040 and the RP2350 allow 8388 ms.
LONGEST_WATCHDOG = dict.fromkeys(("RPI_PICO_W", "RPI_PICO2_W", "W5500_EVB_PICO"), 8)


def boards() -> list[str]:
    """The kinds of boards that have settings of their own."""
    return sorted(path.parent.name for path in (paths.ROOT / "boards").glob("*/settings.json"))


def defaults(board: str | None) -> dict:
    """The settings that suit a kind of board; {} for None."""
    if board is None:
        return {}
    found = json.loads((paths.ROOT / "boards" / board / "settings.json").read_text())
    return {name: value for name, value in found.items() if name not in NOT_OWN}


def pin(context, parameter, value: str | None) -> int | str | None:
    """A pin's number, or its name."""
    return int(value) if value and value.isdecimal() else value


def ethernet(context, parameter, value: str | None) -> dict | None:
    """The driver's arguments as a JSON map."""
    if value is None:
        return None
    try:
        found = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter('it must be a JSON map, such as {} or {"mdc": 23, "mdio": 18}')
    return found
