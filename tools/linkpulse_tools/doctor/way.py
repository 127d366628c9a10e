"""The checks on the way to the broker: network, time server, name, TCP."""

import ipaddress
import re

from linkpulse_tools.device.serial_board import BoardError
from linkpulse_tools.doctor import probes
from linkpulse_tools.doctor.examination import Examination
from linkpulse_tools.doctor.model import Finding, failed, ok, told, warning

BRING_UP = "set wifi_ssid and wifi_password, or `ethernet`, in the settings, or bring up the network in boot.py"
WIFI = "are wifi_ssid and wifi_password right? Is it a 2.4 GHz network, and in reach?"
ETHERNET = "is the cable plugged in? Are the pins in `ethernet` right? Does the network have DHCP?"
UP = ("up", "unknown")  # the kernel does not know it for a tunnel
# Error numbers differ between platforms: Linux's, newlib's, lwIP's.
REASONS = (
    ((104, 111), "refuses the connection: nothing listens there", "is the broker running, and is `port` its TLS port?"),
    ((103, 110, 116), "does not answer", "is the broker running? Is `host` right? Does a firewall block it?"),
    ((101, 113, 118), "cannot be reached: there is no route to it", "is the gateway of this network right?"),
)


def network(this: Examination) -> Finding:
    """The network: it comes up as the settings say. If they name none, whether any interface is up."""
    try:
        address, found = this.place.with_settings(probes.NETWORK, this.patience)
    except BoardError as error:
        if error.kind != "NetworkError":
            raise
        return failed(error.text, WIFI if this.settings["wifi_ssid"] else ETHERNET)
    if address:
        return ok(f"{'WiFi ' + this.settings['wifi_ssid'] if this.settings['wifi_ssid'] else 'Ethernet'}, {address}")
    real = [(name, state) for name, state in found if name != "lo"]
    up = [name for name, state in real if state in UP]
    if any(state == "up" for _, state in real):
        return ok(f"{', '.join(up)} up")
    if up:
        return warning(f"whether {', '.join(up)} is up is unknown", BRING_UP)
    if len(real) < len(found):
        return warning("no interface except loopback is up", "bring one up, unless the broker is on this machine")
    return failed(f"no network is up ({', '.join(name for name, _ in real)}), and the settings name none", BRING_UP)


def has_time_server(this: Examination) -> bool:
    """Whether the device asks a time server at all."""
    return bool(this.settings.get("ntp"))


def time_server(this: Examination) -> Finding:
    """The time server. It sets the clock if the clock is not set."""
    server = this.settings["ntp"]
    try:
        was_set, ahead = this.place.with_settings(probes.TIME, this.patience)
    except BoardError as error:
        if error.kind != "ClockError":
            raise
        text = error.text.removeprefix("the clock is not set, and ")
        hint = "is its name right? Does a firewall block UDP port 123?"
        return failed(text, hint) if this.found["clock"].status != "ok" else warning(text, hint)
    if was_set:
        return ok(f"{server} has set the clock")
    return ok(f"{server} answers; the clock is {abs(ahead)} s {'ahead' if ahead >= 0 else 'behind'}")


def name(this: Examination) -> Finding:
    """The address of the broker's name."""
    host = this.settings["host"]
    try:
        addresses = [_address(text) for text in this.place.with_settings(probes.NAME, this.patience)]
    except BoardError as error:
        if error.kind != "OSError":
            raise
        return failed(
            f"{host} is not resolved (error {error.text})",
            "is `host` spelled correctly, and does this network have a name server?",
        )
    if not addresses:
        return failed(f"{host} has no address", "is `host` spelled correctly?")
    return ok(f"{host} is an address" if addresses == [host] else f"{host} is {', '.join(dict.fromkeys(addresses))}")


def _address(text: str) -> str:
    """An address as boards give it, or from the struct sockaddr of the unix port."""
    if not re.fullmatch("[0-9a-f]{32,}", text):
        return text
    data = bytes.fromhex(text)
    return str(ipaddress.ip_address(data[8:24] if len(data) > 16 else data[4:8]))


def port(this: Examination) -> Finding:
    """A TCP connection to the broker."""
    where = f"{this.settings['host']} port {this.settings['port']}"
    try:
        this.place.with_settings(probes.PORT, this.patience)
    except BoardError as error:
        if error.kind not in ("NetworkError", "TimedOut"):
            raise
        number = re.search(r"\(error -?(\d+)", error.text)
        for numbers, reason, hint in REASONS:
            if number and int(number[1]) in numbers:
                return failed(f"{where} {reason}", hint)
        return told(error.text)
    return ok(f"{where} answers")
