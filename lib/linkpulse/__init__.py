"""linkpulse: what a device's network looks like from the inside, as AWS IoT Device Defender reports.

Importing the package costs nothing: a name brings its module when it is first used.
"""

__version__ = "0.1.0"

_MODULES = {"Agent": "agent", "Reporter": "reporter", "Settings": "settings", "Session": "session", "Ids": "state"}


def __getattr__(name):
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(name)
    return getattr(__import__("linkpulse." + module, None, None, (name,)), name)
