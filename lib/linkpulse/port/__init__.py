"""What differs between runtimes, from one small module for each: port/micropython.py says what they offer.

No other module of this package imports any of it from the platform.
"""

import sys

_runtime = __import__("linkpulse.port." + sys.implementation.name, None, None, ("const",))
# With MicroPython's interface, whether they are the platform's own or stand in for it.
_MODULES = ("machine", "network", "select", "socket", "time", "tls")


def __getattr__(name):
    # Modules are looked up when they are asked for: most boards lack one of them, and `socket` may have been replaced
    # by the one that counts (collect/counted).
    if name in _MODULES and not hasattr(_runtime, name):
        return __import__(name)
    return getattr(_runtime, name)
