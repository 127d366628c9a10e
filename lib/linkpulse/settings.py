# SPDX-License-Identifier: MIT
"""Reads the settings from one flat JSON file. All mistakes are reported at once."""

import json
from .port import const

MIN_INTERVAL = const(300)  # seconds; the service refuses reports that come sooner
from .errors import SettingsError


def _integer(value, low, high):
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        return "must be an integer from %d to %d" % (low, high)


def _text(value, low, high):
    if not low <= _size(value) <= high:
        return "must be a text of %d to %d bytes" % (low, high)


def _choice(value, one, other):
    if value != one and value != other:
        return 'must be "%s" or "%s"' % (one, other)


def _flag(value, *_):
    if not isinstance(value, bool):
        return "must be true or false"


def _map(value, *_):
    if value is not False and not isinstance(value, dict):
        return "must be a map or false"


def _pin(value, low, high):
    if _integer(value, low, high) and _text(value, 0, 16):
        return "must be the number or name of a pin"


def _names(value, *_):
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) and name for name in value):
        return "must be a list of interface names"


def _size(text):
    try:
        return len(text.encode())
    except (AttributeError, ValueError):  # it is not text, or has half of a surrogate pair
        return -1


# key: default (None means that it must be given), the function that checks it, and the bounds for that function
KEYS = {
    "thing": (None, _text, 1, 128),
    "host": (None, _text, 1, 253),
    "port": (8883, _integer, 1, 65535),
    "ca": (None, _text, 1, 255),
    "cert": (None, _text, 1, 255),
    "key": (None, _text, 1, 255),
    "client_id": ("", _text, 0, 128),
    "server_name": ("", _text, 0, 253),
    "topic": ("", _text, 0, 220),
    "interval": (300, _integer, 1, 86400),
    "allow_short_interval": (False, _flag, 0, 0),
    "timeout": (30, _integer, 1, 300),
    "format": ("cbor", _choice, "cbor", "json"),
    "tags": ("short", _choice, "short", "long"),
    "connections": (50, _integer, 0, 500),
    "buffer": (0, _integer, 0, 131072),
    "loopback": (False, _flag, 0, 0),
    "include": ((), _names, 0, 0),
    "exclude": ((), _names, 0, 0),
    "proc": ("/proc", _text, 1, 255),
    "state": ("linkpulse.state", _text, 0, 255),
    "baseline": ("", _text, 0, 255),
    "ntp": ("", _text, 0, 253),
    "wifi_ssid": ("", _text, 0, 32),
    "wifi_password": ("", _text, 0, 63),
    "ethernet": (False, _map, 0, 0),
    "led": ("", _pin, 0, 255),
    "watchdog": (0, _integer, 0, 3600),
}
_PATHS = ("ca", "cert", "key", "state", "baseline")
_TOPICS = ("thing", "topic")
_OFFLINE = ("host", "ca", "cert", "key")  # not needed where nothing is published


def _unknown(name):
    from .nearest import nearest

    near = nearest(str(name), KEYS)  # MicroPython takes {1: 2} for JSON
    return "%s: there is no such setting%s" % (name, ", did you mean %s?" % near if near else "")


def _problem(name, value):
    default, check, low, high = KEYS[name]
    problem = check(value, low, high)
    if not problem and name in _TOPICS and any(c < " " or c in "+#" for c in value):
        problem = "must be without control characters, + and #: it is part of a topic"
    return problem


class Settings:
    """The settings, with every key as an attribute.

    `values` is a dict. `base` is the folder that paths are relative to. With `online` False, the keys for the broker
    may be missing. `warnings` is a list of texts about values that were changed to something that works. Raises
    SettingsError, whose message lists all mistakes.
    """

    def __init__(self, values, base="", online=True):
        problems = [_unknown(name) for name in values if name not in KEYS]
        self.warnings = []
        for name in KEYS:
            value = values.get(name, KEYS[name][0])
            if name in values:
                problem = _problem(name, value)
            elif value is None and not online and name in _OFFLINE:
                value = problem = ""
            else:
                problem = value is None and "is missing"
            if problem:
                problems.append("%s: %s" % (name, problem))
            if name in _PATHS and isinstance(value, str) and value and base and not value.startswith("/"):
                value = base + "/" + value
            setattr(self, name, value)
        if problems:
            raise SettingsError("in the settings: " + "; ".join(problems))
        self.client_id = self.client_id or self.thing
        self.server_name = self.server_name or self.host
        if self.interval < MIN_INTERVAL and not self.allow_short_interval:
            self.warnings.append("interval: %d s is raised to %d s" % (self.interval, MIN_INTERVAL))
            self.interval = MIN_INTERVAL

    def board(self):
        """Whether the settings name hardware: a network interface, an LED or a watchdog."""
        return bool(self.wifi_ssid or self.watchdog or self.led != "" or self.ethernet is not False)


def load(path, online=True):
    """The Settings in the JSON file at `path`. Paths in it are relative to its folder.

    With `online` False, the keys for the broker may be missing. Raises SettingsError, whose message lists all mistakes.
    """
    try:
        with open(path, "rb") as f:
            try:
                values = json.load(f)
            except (ValueError, TypeError, RuntimeError) as e:  # a list as a key, or too deep a nesting
                at = max(0, f.tell() - 1)  # MicroPython reads JSON byte by byte, up to the mistake
                f.seek(0)
                line = f.read(at).count(b"\n") + 1
                raise SettingsError("the settings file %s is not JSON near line %d: %s" % (path, line, e))
    except OSError as e:
        raise SettingsError("the settings file %s cannot be read (error %s): copy it there" % (path, e.args[0]))
    if not isinstance(values, dict):
        raise SettingsError("the settings file %s must be one JSON map" % path)
    return Settings(values, path.rpartition("/")[0], online)
