# SPDX-License-Identifier: MIT
"""The hardware that the settings name: a network interface, an LED, a watchdog."""

from .network import Network
from ..errors import SettingsError


class Board:
    """The hardware of a board: `network` is its Network, or None. `values` is the dict of Agent.status().

    Raises SettingsError if hardware is missing.
    """

    def __init__(self, settings, values):
        self._led = self._watchdog = self.network = None
        self._values = values
        if settings.wifi_ssid or settings.ethernet is not False:
            self.network = Network(settings, self.beat)
        if settings.led != "":
            from .led import LED

            self._led = LED(settings.led)
        if settings.watchdog:
            self._watchdog = _watchdog(settings.watchdog)

    def connect(self):
        """Brings the network up if it is down. Raises NetworkError with the reason."""
        if self.network is not None:
            self.network.connect()

    def beat(self):
        """Feeds the watchdog and updates the LED.

        It is called by code that makes progress or waits with a deadline, and never by a timer, so that the watchdog
        resets an agent that hangs.
        """
        if self._watchdog is not None:
            self._watchdog.feed()
        if self._led is not None:
            self._led.show(self._values)


def _watchdog(seconds):
    try:
        from ..port import machine

        return machine.WDT(timeout=seconds * 1000)
    except (ImportError, AttributeError):
        raise SettingsError("watchdog: this platform has no watchdog for MicroPython: leave it out")
    except (ValueError, TypeError) as e:  # over 8.388 s on an RP2040; any time on an ESP8266
        raise SettingsError("watchdog: %d s are not possible here: %s" % (seconds, e))
