"""The scripts that run on the device, one a file. Each prints one line of JSON at its end.

They use the device's own modules, so they find what the agent will find, and fail with the exceptions of these modules.
No script prints a secret. `filled` replaces the words in capitals. A script that is run with the settings comes after
begin.py, and has `s` and `board` from there.
"""

import re

from linkpulse_tools import paths

FACTS = ("thing", "host", "port", "ca", "cert", "key", "client_id", "server_name", "topic")
FACTS += ("timeout", "format", "ntp", "wifi_ssid", "warnings")


def _script(name: str) -> str:
    """A script without its comments and blank lines, which would only take the board's heap."""
    lines = (paths.PROBES / f"{name}.py").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.startswith("#")) + "\n"


BEGIN = _script("begin")
LINKPULSE = _script("linkpulse")
AGENT = _script("agent")
MEMORY = _script("memory")
SETTINGS = _script("settings")
FILES = _script("files")
WRITABLE = _script("writable")
CLOCK = _script("clock")
NETWORK = _script("network")
TIME = _script("time")
NAME = _script("name")
PORT = _script("port")
KEY = _script("key")
SESSION = _script("session")
RUNNING = _script("running")
REPORT = _script("report")


def filled(script: str, **values) -> str:
    """A script with its words in capitals replaced by Python's literals."""
    for name, value in values.items():
        script = re.sub(rf"\b{name}\b", lambda _, value=value: repr(value), script)
    return script
