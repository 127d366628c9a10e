"""The hardware that the settings name: a network interface, a LED, a watchdog."""

from .network import Network
from ..errors import SettingsError


class Board:
    """`values` is what Agent.status() returns. Raises SettingsError for hardware that is not there."""

    def __init__(self, settings, values):
        self._light = self._watchdog = self._uplink = None
        self._values = values
        if settings.wifi_ssid or settings.ethernet is not False:
            self._uplink = Network(settings, self.beat)
        if settings.led != "":
            from .led import LED

            self._light = LED(settings.led)
        if settings.watchdog:
            self._watchdog = _watchdog(settings.watchdog)

    def connect(self):
        """Has the network up. Raises NetworkError."""
        if self._uplink is not None:
            self._uplink.connect()

    def beat(self):
        """Called by whatever makes progress or waits under a deadline, never by a timer: an agent that hangs is not
        kept alive. Feeds the watchdog, moves the light on."""
        if self._watchdog is not None:
            self._watchdog.feed()
        if self._light is not None:
            self._light.show(self._values)


def _watchdog(seconds):
    try:
        from ..port import machine

        return machine.WDT(timeout=seconds * 1000)
    except (ImportError, AttributeError):
        raise SettingsError("watchdog: this platform has none for MicroPython: leave it out")
    except (ValueError, TypeError) as e:  # over 8.388 s on an RP2040; one that takes no time on an ESP8266
        raise SettingsError("watchdog: %d s are not possible here: %s" % (seconds, e))
