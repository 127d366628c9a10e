"""Addresses and names as a report writes them."""

import ipaddress
import re

ENDPOINT = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(0|[1-9][0-9]{0,4})", re.ASCII)
WILDCARDS = ("0.0.0.0", "::", "*")


def is_interface(text: str) -> bool:
    """Whether it is the name of an interface: printable text that is not a wildcard address."""
    return bool(text.strip()) and text.isprintable() and text not in WILDCARDS


def is_address(text: str) -> bool:
    """An address in its canonical form: dotted IPv4, IPv6 as in RFC 5952, mapped addresses as IPv4, without a zone."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return str(address) == text and not getattr(address, "ipv4_mapped", None) and "%" not in text


def is_endpoint(text: str) -> bool:
    """An address and a port, "ip:port" or "[ipv6]:port", both canonical."""
    match = ENDPOINT.fullmatch(text)
    if not match or int(match[3]) > 65535:
        return False
    six, four = match[1], match[2]
    return is_address(six or four) and (":" in six if six else True)
