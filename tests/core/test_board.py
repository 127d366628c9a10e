"""The hardware that settings name, against doubles of machine and network."""

import sys
from check import equal, raises
from linkpulse.board import led
from linkpulse.board import network as uplink
from linkpulse.board.network import Network as Uplink
from linkpulse.board import Board
from linkpulse import errors
from linkpulse.errors import NetworkError, SettingsError
from linkpulse.settings import Settings

VALUES = {"thing": "t", "host": "h", "ca": "c", "cert": "c", "key": "k", "timeout": 1}


class Clock:
    """A time that passes only in sleeps."""

    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now

    def ticks_add(self, ticks, ms):
        return ticks + ms

    def ticks_diff(self, end, start):
        return end - start

    def sleep_ms(self, ms):
        self.now += ms


led.time = uplink.time = Clock()


class Double:
    """A module in place of the platform's while entered; None for one that is not there."""

    def __init__(self, name, module):
        self._name = name
        self._module = module

    def __enter__(self):
        self._own = sys.modules.get(self._name)
        sys.modules[self._name] = self._module
        return self._module

    def __exit__(self, *_):
        if self._own is None:
            del sys.modules[self._name]
        else:
            sys.modules[self._name] = self._own


class Machine:
    def __init__(self):
        self.fed = 0
        self.levels = []
        self.asked = []
        self.WDT = self._made  # `from machine import WDT` takes no method

    def _made(self, timeout):
        if timeout > 8388:
            raise ValueError("timeout")
        self.asked.append(timeout)
        return self

    def feed(self):
        self.fed += 1


class Pin:
    OUT = 1
    made = []

    def __init__(self, name, *mode):
        if name == "none":
            raise ValueError("unknown named pin")
        self.name = name
        self.levels = []
        Pin.made.append(self)

    def value(self, level):
        self.levels.append(level)


class Nic:
    """An interface that has an address after `after` questions, and raises what `raising` says."""

    def __init__(self, *mode, after=2, status=1, raising=(), **options):
        self.options = options
        self.calls = []
        self.on = False
        self.after = after
        self.number = status
        self.raising = list(raising)

    def active(self, *on):
        if on:
            self.on = on[0]
            self.calls.append(self.on)
        return self.on

    def connect(self, ssid, password):
        self.calls.append((ssid, password))
        if self.raising:
            raise self.raising.pop()

    def disconnect(self):
        self.calls.append("disconnect")

    def raise_it(self):
        raise self.raising[0]

    def isconnected(self):
        self.after -= 1
        return self.after < 0

    def status(self):
        return self.number


class Network:
    STA_IF = 0
    STAT_WRONG_PASSWORD = 202
    STAT_NO_AP_FOUND = 201
    PHY_LAN8720 = 7

    def __init__(self, nic, driver=None):
        self._nic = nic
        self.modes = []
        if driver:
            setattr(self, driver, nic)

    def WLAN(self, mode):
        self.modes.append(mode)
        return self._nic


def settings(**more):
    values = dict(VALUES)
    values.update(more)
    return Settings(values)


def made(nic, beats=None, **more):
    with Double("network", Network(nic)):
        return Uplink(settings(**more), lambda: beats is None or beats.append(1))


def wifi(nic, beats=None):
    return made(nic, beats, wifi_ssid="net", wifi_password="secret")


def test_nothing_is_named():
    equal(settings().board(), False)


def test_each_is_named():
    for more in ({"wifi_ssid": "net"}, {"ethernet": {}}, {"led": 0}, {"led": "LED"}, {"watchdog": 8}):
        equal(settings(**more).board(), True)


def test_wifi_is_brought_up():
    nic = Nic()
    beats = []
    wifi(nic, beats).connect()
    equal(nic.calls, [True, ("net", "secret")])
    equal(len(beats), 1)


def test_wifi_that_is_up_is_left_alone():
    nic = Nic(after=0)
    nic.on = True
    wifi(nic).connect()
    equal(nic.calls, [])


def test_wifi_that_was_lost_is_brought_up_again():
    nic = Nic()
    link = wifi(nic)
    link.connect()
    link.connect()
    nic.after = 1
    link.connect()
    equal(nic.calls, [True, ("net", "secret"), ("net", "secret")])


def test_an_esp32_that_is_still_trying():
    nic = Nic(raising=[OSError("Wifi Internal State Error")])
    wifi(nic).connect()
    equal(nic.calls, [True, ("net", "secret"), "disconnect", ("net", "secret")])


def test_the_reason_of_an_earlier_failure_does_not_end_the_wait():
    nic = Nic(after=5, status=201)
    wifi(nic).connect()
    equal(nic.calls, [True, ("net", "secret")])


def test_reasons_are_told():
    for status, reason in ((202, "wifi_password"), (201, "in reach")):
        nic = Nic(after=1 << 20, status=status)
        error = raises(NetworkError, wifi(nic).connect)
        assert reason in str(error) and "net" in str(error), error
        assert "secret" not in str(error)


def test_no_address_in_time():
    error = raises(NetworkError, wifi(Nic(after=1 << 20)).connect)
    assert "no address within 1 s" in str(error), error


def test_an_interface_that_fails_again_and_again_is_started_anew():
    nic = Nic(after=1 << 20, status=201)
    link = wifi(nic)
    for _ in range(3):
        raises(NetworkError, link.connect)
    equal(nic.on, False)
    nic.after = 1
    nic.number = 1
    link.connect()
    equal(nic.calls[-2:], [True, ("net", "secret")])


def test_the_driver_raises():
    nic = Nic(raising=[OSError(5), OSError(5)])
    error = raises(NetworkError, wifi(nic).connect)
    assert "error 5" in str(error), error


def test_a_driver_that_cannot_even_be_switched_off():
    class Stuck(Nic):
        def active(self, *on):
            if on == (False,):
                raise OSError(5)
            return Nic.active(self, *on)

    nic = Stuck(after=1 << 20, raising=[OSError(9)] * 6)
    link = wifi(nic)
    for _ in range(3):
        assert "error 9" in str(raises(NetworkError, link.connect))


def test_ethernet():
    nics = []

    def driver(**options):
        nics.append(Nic(**options))
        return nics[0]

    network = Network(None)
    network.LAN = driver
    machine = Machine()
    machine.Pin = Pin
    with Double("network", network), Double("machine", machine):
        link = Uplink(settings(ethernet={"mdc": 23, "phy_type": "PHY_LAN8720", "phy_addr": 1}), lambda: None)
    link.connect()
    nic = nics[0]
    equal(nic.calls, [True])
    equal((nic.options["phy_type"], nic.options["phy_addr"], nic.options["mdc"].name), (7, 1, 23))


def test_ethernet_by_a_wiznet_chip():
    network = Network(None)
    nic = Nic()
    network.WIZNET5K = lambda: nic
    with Double("network", network):
        Uplink(settings(ethernet={}), lambda: None).connect()
    equal(nic.calls, [True])


def test_ethernet_that_is_not_there_or_not_so():
    with Double("network", Network(None)):
        error = raises(SettingsError, Uplink, settings(ethernet={}), None)
    assert "LAN" in str(error)
    network = Network(None)

    def driver():
        pass

    network.LAN = driver
    with Double("network", network):
        raises(SettingsError, Uplink, settings(ethernet={"port": 1}), None)


def status(outcome=None, error=None):
    return {"outcome": outcome, "error": error, "category": getattr(errors, error).category if error else None}


def test_a_driver_that_raises_what_it_has_no_number_for():
    """An ESP32 does. It is a network error like others, not the end of the agent."""
    for where in ("connect", "isconnected"):
        nic = Nic(after=5, raising=[RuntimeError("Wifi Unknown Error 0x0101")] * 3)
        if where == "isconnected":
            nic.isconnected = nic.raise_it
        with Double("network", Network(nic)):
            e = raises(NetworkError, Uplink(settings(wifi_ssid="net"), None).connect)
        assert "0x0101" in str(e), e


def test_an_interface_that_cannot_be_made_at_the_start():
    """An ESP32's driver may find no memory then. The agent goes on, and tries again with the next connection."""
    nic = Nic()
    network = Network(nic)
    found = [RuntimeError("Wifi Unknown Error 0x0101")] * 5

    def wlan(mode):
        if found:
            raise found.pop()
        return nic

    network.WLAN = wlan
    with Double("network", network):
        one = Uplink(settings(wifi_ssid="net"), lambda: None)
    for _ in range(4):
        assert "0x0101" in str(raises(NetworkError, one.connect))
    one.connect()
    equal(one.nic, nic)


def test_patterns():
    equal(led.pattern(status()), led.NETWORK)
    equal(led.pattern(status("accepted")), led.WELL)
    equal(led.pattern(status("rejected")), led.REFUSED)
    equal(led.pattern(status("unknown")), led.NETWORK)
    for kind in ("AuthError", "TLSError", "SettingsError"):
        equal(led.pattern(status("error", kind)), led.REFUSED)
    for kind in ("NetworkError", "TimedOut", "ProtocolError", "TooLarge"):
        equal(led.pattern(status("error", kind)), led.NETWORK)
    equal(led.pattern(status("error", "ClockError")), led.CLOCK)


def test_patterns_are_told_apart_by_their_flashes():
    flashes = [bin(p).count("1") for p in (led.WELL, led.CLOCK, led.REFUSED, led.NETWORK)]
    equal(flashes, [1, 2, 3, 4])
    for p in (led.WELL, led.CLOCK, led.REFUSED):
        equal(p & 3, 0)  # a pause that is longer than the one between two flashes


def lit(values):
    """The levels that the pin is set to in two seconds, a call every 50 ms."""
    machine = Machine()
    machine.Pin = Pin
    with Double("machine", machine):
        lamp = led.LED("LED")
    for led.time.now in range(0, 2000, 50):
        lamp.show(values)
    return Pin.made[-1].levels


def test_the_pin_is_set_when_it_changes():
    equal(lit(status("accepted")), [1, 0])
    equal(lit(status()), [1, 0] * 4)
    equal(lit(status("error", "ClockError")), [1, 0] * 2)


def test_a_board():
    machine = Machine()
    machine.Pin = Pin
    nic = Nic()
    with Double("machine", machine), Double("network", Network(nic)):
        board = Board(settings(wifi_ssid="net", led=2, watchdog=8), status())
    board.connect()
    board.beat()
    equal(machine.asked, [8000])
    equal(machine.fed, 2)  # once while it waited for the interface
    equal(Pin.made[-1].name, 2)
    assert Pin.made[-1].levels


def test_hardware_that_is_not_there():
    machine = Machine()
    machine.Pin = Pin
    with Double("machine", machine):
        assert "9 s" in str(raises(SettingsError, Board, settings(watchdog=9), status()))
        assert "none" in str(raises(SettingsError, Board, settings(led="none"), status()))


def test_a_platform_without_any():
    class Nothing:
        pass

    with Double("machine", Nothing()):
        raises(SettingsError, Board, settings(watchdog=1), status())
        raises(SettingsError, Board, settings(led=1), status())
