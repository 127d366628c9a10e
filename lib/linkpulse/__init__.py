# SPDX-License-Identifier: MIT
"""linkpulse reports what a device's network looks like from the inside, as AWS IoT Device Defender reports.

Importing the package costs almost nothing. A module is loaded when one of its names is first used.
"""

import sys

__version__ = "0.1.0"

_MODULES = {
    "Agent": "agent.agent",
    "Reporter": "report",
    "Settings": "settings",
    "Session": "session.session",
    "Ids": "report.report_ids",
}


def forget(name):
    """Frees the memory of a module that is not needed any more, such as "settings" when they are loaded."""
    del sys.modules["linkpulse." + name]
    del globals()[name]


def __getattr__(name):
    # MicroPython asks here for a module too, as in `from linkpulse import collect`.
    module = "linkpulse." + _MODULES.get(name, name)
    try:
        module = __import__(module, None, None, (name,))
    except ImportError as e:
        raise AttributeError("linkpulse has no %s that works here: %s" % (name, e))
    return getattr(module, name) if name in _MODULES else module
