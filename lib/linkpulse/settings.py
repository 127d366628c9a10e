"""Settings from one flat JSON file. All mistakes are found at once, each with what to do about it."""

import json
from linkpulse.errors import SettingsError
from linkpulse.schedule import MIN_INTERVAL

# key: default (None: must be given), kind, lowest, highest
_KEYS = {
    "thing": (None, "text", 1, 128),
    "host": (None, "text", 1, 253),
    "port": (8883, "integer", 1, 65535),
    "ca": (None, "text", 1, 255),
    "cert": (None, "text", 1, 255),
    "key": (None, "text", 1, 255),
    "client_id": ("", "text", 0, 128),
    "server_name": ("", "text", 0, 253),
    "topic": ("", "text", 0, 220),
    "interval": (300, "integer", 1, 86400),
    "allow_short_interval": (False, "true or false", 0, 0),
    "timeout": (30, "integer", 1, 300),
    "format": ("cbor", "one of", "cbor", "json"),
    "tags": ("short", "one of", "short", "long"),
    "connections": (50, "integer", 0, 500),
    "buffer": (0, "integer", 0, 131072),
    "loopback": (False, "true or false", 0, 0),
    "include": ((), "list of interface names", 0, 0),
    "exclude": ((), "list of interface names", 0, 0),
    "proc": ("/proc", "text", 1, 255),
    "state": ("linkpulse.state", "text", 0, 255),
    "baseline": ("", "text", 0, 255),
    "ntp": ("", "text", 0, 253),
}
_PATHS = ("ca", "cert", "key", "state", "baseline")
_TOPICS = ("thing", "topic")
_OFFLINE = ("host", "ca", "cert", "key")  # not needed where nothing is published


class Settings:
    """Every key of the file as an attribute; `warnings` lists what was changed to something that works."""

    def __init__(self, values, base="", online=True):
        problems = []
        self.warnings = []
        for name in values:
            if name not in _KEYS:
                near = _nearest(str(name))  # MicroPython takes {1: 2} for JSON
                problems.append("%s: there is no such setting%s" % (name, ", did you mean %s?" % near if near else ""))
        for name in _KEYS:
            default, kind, low, high = _KEYS[name]
            value = values.get(name, default)
            if name in values:
                problem = _check(value, kind, low, high)
                if not problem and name in _TOPICS and any(c < " " or c in "+#" for c in value):
                    problem = "must be without control characters, + and #: it is part of a topic"
                if problem:
                    problems.append("%s: %s" % (name, problem))
            elif value is None and not online and name in _OFFLINE:
                value = ""
            elif value is None:
                problems.append("%s: is missing" % name)
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


def load(path, online=True):
    """The Settings in the file at `path`; paths in it are relative to its folder. `online` False needs no broker."""
    try:
        with open(path) as f:
            values = json.load(f)
    except OSError as e:
        raise SettingsError("the settings file %s cannot be read (error %s): copy it there" % (path, e.args[0]))
    except (ValueError, TypeError, RuntimeError) as e:  # a list as a key; nesting without end
        raise SettingsError("the settings file %s is not JSON: %s" % (path, e))
    if not isinstance(values, dict):
        raise SettingsError('the settings file %s must be one JSON map, {"thing": …}' % path)
    return Settings(values, path.rpartition("/")[0], online)


def _check(value, kind, low, high):
    if kind == "integer":
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            return "must be an integer from %d to %d" % (low, high)
    elif kind == "text":
        if not isinstance(value, str) or not low <= _size(value) <= high:
            return "must be a text of %d to %d bytes" % (low, high)
    elif kind == "one of":
        if value != low and value != high:
            return 'must be "%s" or "%s"' % (low, high)
    elif kind == "true or false":
        if not isinstance(value, bool):
            return "must be true or false"
    elif not isinstance(value, (list, tuple)) or not all(isinstance(name, str) and name for name in value):
        return "must be a list of interface names"


def _size(text):
    try:
        return len(text.encode())
    except ValueError:  # half of a surrogate pair
        return -1


def _nearest(name):
    # The key with the fewest changes to it, if these are few.
    best = None
    fewest = min(3, len(name))
    for key in _KEYS:
        row = list(range(len(key) + 1))
        for i, c in enumerate(name):
            last = row[0]
            row[0] = i + 1
            for j, d in enumerate(key):
                last, row[j + 1] = row[j + 1], min(row[j] + 1, row[j + 1] + 1, last + (c != d))
        if row[-1] < fewest:
            fewest = row[-1]
            best = key
    return best
