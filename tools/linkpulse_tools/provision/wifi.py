"""The WiFi password, from a file, the environment or a prompt. It is never an argument, which others could see."""

import os
import re
import sys
from pathlib import Path

import click

from linkpulse_tools.errors import ToolError

VARIABLE = "LINKPULSE_WIFI_PASSWORD"


def settings(ssid: str, password_file: Path | None, old: dict, ask: bool) -> dict:
    """wifi_ssid and wifi_password for the device. An open network has no password.

    A password that the `old` settings have for the same network is kept. `ask` says whether to prompt for it.
    """
    if password_file is not None:
        password = password_file.read_text().removesuffix("\n").removesuffix("\r")
    elif VARIABLE in os.environ:
        password = os.environ[VARIABLE]
    elif old.get("wifi_ssid") == ssid or not ask:
        password = old.get("wifi_password", "")
    elif sys.stdin.isatty():
        password = click.prompt(
            f"Password of {ssid} (press Enter for an open network)",
            default="",
            hide_input=True,
            show_default=False,
            err=True,
        )
    else:
        raise ToolError(
            f"the password of {ssid} is missing: set {VARIABLE} (empty for an open network) or use --wifi-password-file"
        )
    if password and not re.fullmatch(r"[ -~]{8,63}", password):
        raise ToolError(f"the password of {ssid} must have 8 to 63 printable ASCII characters")
    return {"wifi_ssid": ssid, "wifi_password": password}
