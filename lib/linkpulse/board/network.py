# SPDX-License-Identifier: MIT
"""Brings up WiFi or Ethernet as the settings say, and again when the connection is lost."""

from ..errors import NetworkError, SettingsError
from ..port import const, time

_PATIENCE = const(3)  # failures in a row before the interface is switched off and on
_PINS = ("mdc", "mdio", "power", "reset", "ref_clk", "cs", "int")
# The network.STAT_… values that are a reason, with its text. Their numbers differ between platforms.
_REASONS = (
    ("STAT_WRONG_PASSWORD", "the access point refuses: is wifi_password right?"),
    ("STAT_NO_AP_FOUND", "no access point of this name is in reach"),
)


class Network:
    """A network interface: `nic` is MicroPython's object of it. While it waits, it calls `beat()` at least ten times a
    second."""

    def __init__(self, settings, beat):
        try:
            from ..port import network
        except ImportError:
            raise SettingsError("wifi_ssid, ethernet: this platform brings up its network itself: leave them out")
        self._network = network
        self._beat = beat
        self._ssid = settings.wifi_ssid
        self._password = settings.wifi_password
        self._timeout = settings.timeout * 1000
        self._failures = 0
        self._options = settings.ethernet
        self.nic = None
        try:
            self._make()
        except (OSError, RuntimeError):
            pass  # connect() tries again, and raises the reason

    def connect(self):
        """Brings the interface up, with an address, within the setting `timeout`. Raises NetworkError with the
        reason."""
        try:
            nic = self.nic or self._make()
            if not nic.active():
                nic.active(True)
            if not nic.isconnected():
                self._begin()
                self._wait()
        except (OSError, RuntimeError) as e:  # an ESP32 raises RuntimeError for errors without a number
            self._fail("error %s" % (e.args[0] if e.args else e))
        self._failures = 0

    def _make(self):
        if self._ssid:
            self.nic = self._network.WLAN(self._network.STA_IF)
        else:
            self.nic = self._ethernet(self._options)
        return self.nic

    def _ethernet(self, options):
        # The driver that is in the firmware. The board knows its pins, or the settings give them.
        driver = getattr(self._network, "LAN", None) or getattr(self._network, "WIZNET5K", None)
        if driver is None:
            raise SettingsError("ethernet: this firmware has neither network.LAN nor network.WIZNET5K")
        given = {}
        for name in options:
            value = options[name]
            if name in _PINS:
                from ..port import machine

                value = machine.Pin(value)
            elif isinstance(value, str):
                value = getattr(self._network, value, value)  # names such as PHY_LAN8720
            given[name] = value
        try:
            return driver(**given)
        except (TypeError, ValueError) as e:
            raise SettingsError("ethernet: its driver does not accept these arguments: %s" % e)

    def _begin(self):
        if self._ssid:
            try:
                self.nic.connect(self._ssid, self._password)
            except (OSError, RuntimeError):
                # An ESP32 is still trying by itself. Start from the beginning.
                self.nic.disconnect()
                self.nic.connect(self._ssid, self._password)

    def _wait(self):
        end = time.ticks_add(time.ticks_ms(), self._timeout)
        while not self.nic.isconnected():
            self._beat()
            if time.ticks_diff(end, time.ticks_ms()) <= 0:
                # Ask only now: until it is connected, an ESP32 still gives the reason of the last failure.
                self._fail(self._reason() or "no address within %d s" % (self._timeout // 1000))
            time.sleep_ms(100)

    def _reason(self):
        if self._ssid:
            status = self.nic.status()
            for name, reason in _REASONS:
                if status == getattr(self._network, name, None):
                    return reason

    def _fail(self, reason):
        self._failures += 1
        if self._failures >= _PATIENCE:
            # A radio can hang in a state that only switching it off ends.
            self._failures = 0
            try:
                if self.nic is not None:
                    self.nic.active(False)
            except (OSError, RuntimeError):
                pass  # report the first reason
        name = "the WiFi network %s" % self._ssid if self._ssid else "Ethernet"
        raise NetworkError("%s is not up: %s" % (name, reason))
