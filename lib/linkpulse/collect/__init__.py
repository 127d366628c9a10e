# SPDX-License-Identifier: MIT
"""The collectors. Each of them knows one platform, and all have the same two methods (docs/porting.md)."""

import sys


def choose(settings):
    """The collector for this platform.

    It reads lwIP's own tables if the firmware has lwipstat, and the kernel's tables on Linux. On other platforms it
    counts what passes through this program's sockets, and reads the radio's counters if it has any.
    """
    try:
        from .lwip import Collector

        return Collector(settings.loopback, settings.include, settings.exclude)
    except ImportError:
        pass
    if sys.platform != "linux":
        return _counting(settings)
    # Even if `proc` cannot be read: other sockets than those that were asked for would be wrong.
    from .linux import Collector

    return Collector(settings.proc, settings.loopback, settings.include, settings.exclude)


def _counting(settings):
    from .counted import Collector

    collector = Collector(settings.loopback)
    try:
        from ..port import network

        network.WLAN.ioctl  # check the class, because on an ESP32 an instance would start the radio
        wlan = network.WLAN(network.STA_IF)
    except (ImportError, AttributeError):
        return collector
    from .cyw43 import Collector

    return Collector(collector, wlan)
