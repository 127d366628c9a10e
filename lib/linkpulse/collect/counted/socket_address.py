# SPDX-License-Identifier: MIT
"""Reads the address of one end of a connection, in the forms that platforms use."""

_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"  # IPv4 in IPv6 (RFC 4291, 2.5.5.2)


def parts(address):
    """(family, port, bytes of the address). The family is 0 if it is neither IPv4 nor IPv6. ValueError for a name."""
    if isinstance(address, (tuple, list)):
        host = address[0]
        port = address[1]
        raw = _ipv6(host) if ":" in host else _ipv4(host)
    else:
        # The unix port's struct sockaddr. The family is in the host's byte order, the port in the network's.
        raw = bytes(address)
        family = raw[0] | raw[1]
        if family != 2 and family != 10:
            return 0, 0, b""
        port = raw[2] << 8 | raw[3]
        raw = raw[4:8] if family == 2 else raw[8:24]
    if raw[:12] == _MAPPED:
        raw = raw[12:]
    return 4 if len(raw) == 4 else 6, port, raw


def _ipv4(text):
    raw = bytes([int(part) for part in (text or "0.0.0.0").split(".")])
    if len(raw) != 4:
        raise ValueError(text)
    return raw


def _ipv6(text):
    head, gap, tail = text.split("%")[0].partition("::")
    raw = _groups(head)
    if gap:
        tail = _groups(tail)
        raw += bytes(16 - len(raw) - len(tail)) + tail
    if len(raw) != 16:
        raise ValueError(text)
    return raw


def _groups(text):
    raw = b""
    for group in text.split(":") if text else ():
        if "." in group:
            raw += _ipv4(group)
        else:
            n = int(group, 16)
            raw += bytes((n >> 8, n & 255))
    return raw
