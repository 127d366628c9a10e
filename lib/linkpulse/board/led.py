# SPDX-License-Identifier: MIT
"""An LED that shows the agent's state by the number of flashes in two seconds."""

from ..errors import SettingsError
from ..port import const, time

# Eight quarters of a second. The highest bit is the first.
WELL = const(0b10000000)  # one flash: the last report was accepted
CLOCK = const(0b10100000)  # two: the clock is not set
REFUSED = const(0b10101000)  # three: the broker refuses, its identity is wrong, or the settings are wrong
NETWORK = const(0b10101010)  # four, without a pause: there is no connection to the broker


def pattern(values):
    """The pattern for `values`, the dict of Agent.status()."""
    outcome = values["outcome"]
    if outcome == "accepted":
        return WELL
    category = values["category"]
    if outcome == "rejected" or category == "trust" or category == "settings":
        return REFUSED
    return CLOCK if category == "clock" else NETWORK


class LED:
    """An LED. `pin` is a number or a name, as machine.Pin takes it. Raises SettingsError if there is no such pin."""

    def __init__(self, pin):
        try:
            from ..port import machine

            self._pin = machine.Pin(pin, machine.Pin.OUT)
        except (ImportError, AttributeError, ValueError, TypeError) as e:
            raise SettingsError("led: there is no pin %s here: %s" % (pin, e))
        self._on = None

    def show(self, values):
        """Switches the LED on or off for this moment. Call it several times a second."""
        on = pattern(values) >> (7 - (time.ticks_ms() // 250 & 7)) & 1
        if on != self._on:
            self._on = on
            self._pin.value(on)
