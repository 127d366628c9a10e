# SPDX-License-Identifier: MIT
"""Counts Python's sockets from the first one on, if the platform has no tables to read (docs/platforms.md)."""

import gc
import sys

gc.threshold(4096)  # as in main.py, because modules are loaded from here on

try:
    import lwipstat  # noqa: F401 (only to see whether it is there)
except ImportError:
    if sys.platform != "linux":
        from linkpulse.collect.counted import install

        install()
