"""Converts `uci show linkpulse` on standard input to settings.json on standard output. Errors go to standard error.

The types of the keys and the checks of their values are the agent's own. A text that does not fit its type stays a
text, and the agent's check reports it. The exit code is 78 (sysexits.h) if the settings cannot work.
"""

import json
import sys

sys.path.insert(0, __file__.rpartition("/")[0])
from linkpulse.errors import SettingsError
from linkpulse.settings import KEYS, Settings

SECTION = "linkpulse.main"
ON = ("1", "on", "true", "yes", "enabled")
OFF = ("0", "off", "false", "no", "disabled")


def shown(text):
    """(name, values) for each line of `uci show`. Values are in single quotes, and a quote in them is '\\''."""
    i = 0
    while i < len(text):
        end = text.index("=", i)
        name = text[i:end]
        i = end + 1
        values = []
        while i < len(text) and text[i] != "\n":
            value = ""
            while i < len(text) and text[i] not in " \n":
                if text[i] == "'":
                    end = text.index("'", i + 1)
                    value += text[i + 1 : end]
                    i = end + 1
                else:
                    i += text[i] == "\\"
                    value += text[i]
                    i += 1
            values.append(value)
            while i < len(text) and text[i] == " ":
                i += 1
        i += 1
        yield name, values


def typed(name, values):
    default = KEYS[name][0] if name in KEYS else ""
    value = values[0]
    if isinstance(default, tuple):
        return values
    if isinstance(default, bool):
        return value in ON if value in ON + OFF else value
    if isinstance(default, int) and value.isdigit():
        return int(value)
    return value


def main():
    found = {}
    for name, values in shown(sys.stdin.read()):
        section, _, option = name.rpartition(".")
        if section == SECTION and option != "enabled":
            found[option] = typed(option, values)
    Settings(found)
    print(json.dumps(found))


try:
    main()
except SettingsError as e:
    print("/etc/config/linkpulse: %s" % e, file=sys.stderr)
    sys.exit(78)
except (ValueError, IndexError):
    print("/etc/config/linkpulse: it cannot be read: is it UTF-8?", file=sys.stderr)
    sys.exit(78)
