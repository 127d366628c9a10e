"""Counts what Python's sockets do, from the first one on, where the platform tells nothing (docs/platforms.md)."""

import gc
import sys

gc.threshold(4096)  # as in main.py: modules are loaded from here on

try:
    import lwipstat  # noqa: F401 (it tells)
except ImportError:
    if sys.platform != "linux":
        from linkpulse.collect.counted import install

        install()
