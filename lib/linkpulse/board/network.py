"""The way to the network: WiFi or Ethernet, brought up as the settings say, and again when it is lost."""

from ..errors import NetworkError, SettingsError
from ..port import const, time

_PATIENCE = const(3)  # failures in a row before the interface is started anew
_PINS = ("mdc", "mdio", "power", "reset", "ref_clk", "cs", "int")
# network.STAT_… that are a reason, and what it is. Their numbers differ between platforms.
_REASONS = (
    ("STAT_WRONG_PASSWORD", "the access point refuses: is wifi_password right?"),
    ("STAT_NO_AP_FOUND", "no access point of this name is in reach"),
)


class Network:
    """`beat()` is called at least ten times a second of waiting."""

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
        self._nic = self._wifi() if self._ssid else self._ethernet(settings.ethernet)

    def connect(self):
        """Has the interface up, with an address, within `timeout`. Raises NetworkError with the reason."""
        nic = self._nic
        try:
            if not nic.active():
                nic.active(True)
            if not nic.isconnected():
                self._begin()
                self._wait()
        except OSError as e:
            self._fail("error %s" % e.args[0])
        self._failures = 0

    def _wifi(self):
        return self._network.WLAN(self._network.STA_IF)

    def _ethernet(self, options):
        # The driver that the firmware has. Its pins are known to the board, or come with the settings.
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
                value = getattr(self._network, value, value)  # PHY_LAN8720 and its like
            given[name] = value
        try:
            return driver(**given)
        except (TypeError, ValueError) as e:
            raise SettingsError("ethernet: its driver does not take that: %s" % e)

    def _begin(self):
        if self._ssid:
            try:
                self._nic.connect(self._ssid, self._password)
            except OSError:
                # An ESP32 that is still trying by itself: from the beginning then.
                self._nic.disconnect()
                self._nic.connect(self._ssid, self._password)

    def _wait(self):
        end = time.ticks_add(time.ticks_ms(), self._timeout)
        while not self._nic.isconnected():
            self._beat()
            if time.ticks_diff(end, time.ticks_ms()) <= 0:
                # Not earlier: until it is connected, an ESP32 goes on to say why the last time failed.
                self._fail(self._reason() or "no address within %d s" % (self._timeout // 1000))
            time.sleep_ms(100)

    def _reason(self):
        if self._ssid:
            status = self._nic.status()
            for name, reason in _REASONS:
                if status == getattr(self._network, name, None):
                    return reason

    def _fail(self, reason):
        self._failures += 1
        if self._failures >= _PATIENCE:
            # A radio can hang in a state that only a new start ends.
            self._failures = 0
            try:
                self._nic.active(False)
            except OSError:
                pass  # the reason that is told is the one that came first
        name = "the WiFi network %s" % self._ssid if self._ssid else "Ethernet"
        raise NetworkError("%s is not up: %s" % (name, reason))
