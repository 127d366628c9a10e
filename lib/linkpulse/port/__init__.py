# SPDX-License-Identifier: MIT
"""What differs between runtimes. Each runtime has one small module; port/micropython.py lists what it offers.

No other module of this package imports these things from the platform.
"""

import sys

_runtime = __import__("linkpulse.port." + sys.implementation.name, None, None, ("const",))
# They have MicroPython's interface on every runtime.
_MODULES = ("machine", "network", "select", "socket", "time", "tls")


def __getattr__(name):
    # Modules are imported when they are needed: most boards lack one of them, and `socket` may have been replaced
    # by the counted one (collect/counted).
    if name in _MODULES and not hasattr(_runtime, name):
        return __import__(name)
    return getattr(_runtime, name)
