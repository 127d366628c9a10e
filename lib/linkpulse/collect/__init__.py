"""Collectors: one module a platform, the same two methods (docs/porting.md)."""

import sys


def choose(settings):
    """The collector of this platform.

    lwIP's own tables where lwipstat is built in, on Linux the kernel's, else what passes through this program's
    sockets, with the radio's counters where it has such.
    """
    try:
        from .lwip import Collector

        return Collector(settings.loopback, settings.include, settings.exclude)
    except ImportError:
        pass
    if sys.platform != "linux":
        return _counting(settings)
    # Also where `proc` cannot be read: other sockets than those asked for would be a lie.
    from .linux import Collector

    return Collector(settings.proc, settings.loopback, settings.include, settings.exclude)


def _counting(settings):
    from .counted import Collector

    collector = Collector(settings.loopback)
    try:
        from ..port import network

        network.WLAN.ioctl  # asked of the class: on an ESP32 an instance would start the radio
        wlan = network.WLAN(network.STA_IF)
    except (ImportError, AttributeError):
        return collector
    from .cyw43 import Collector

    return Collector(collector, wlan)
