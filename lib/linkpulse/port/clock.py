# SPDX-License-Identifier: MIT
"""Reads the wall clock, checks whether it can be right, and sets it."""

import os
import struct
from ..errors import ClockError
from . import const, set_wall_clock, wall_clock

# Boards start at 2000, 2015 or 2021. No build of this package is older than this day.
BUILD = 1767225600  # 2026-01-01
_LATEST = BUILD + 20 * 31557600  # a later time is as wrong as one before BUILD
_NTP_TO_1970 = const(2208988800)
_NTP_ERA = const(0x100000000)  # NTP's seconds start again in 2036


def epoch():
    """Seconds since 1970, or None if the clock cannot be right because it was not set, or was set wrong."""
    now = wall_clock()
    return now if BUILD <= now < _LATEST else None


def synchronize(server, timeout=5, setter=None):
    """Asks an NTP server for the time and sets the clock. Raises ClockError.

    It sends one packet, as a client does (RFC 5905). The answer must belong to this question, and its time must be
    between the build date and 20 years later. `server` is a name, or name:port. `setter(seconds since 1970)` sets the
    clock; by default it sets the board's real-time clock.
    """
    from . import socket

    host, _, port = server.partition(":")
    question = bytearray(48)
    question[0] = 0x23  # version 4, client
    nonce = os.urandom(8)
    question[40:48] = nonce
    s = None
    try:
        address = socket.getaddrinfo(host, int(port or 123), 0, socket.SOCK_DGRAM)[0]
        s = socket.socket(address[0], socket.SOCK_DGRAM)
        s.settimeout(timeout)
        s.connect(address[-1])
        s.send(question)
        answer = s.recv(48)
    except (OSError, IndexError, ValueError) as e:
        raise ClockError("the clock is not set, and the time server %s does not answer (%s)" % (server, e))
    finally:
        if s is not None:
            s.close()
    (setter or _set)(checked(answer, nonce, server))


def checked(answer, nonce, server):
    """Seconds since 1970 from a time server's answer. Raises ClockError if it does not answer this question."""
    # It must have mode 4 (server), stratum 1 to 15 (0 is a refusal), the timestamp of this question, and a time. Zero
    # means that there is no time (RFC 5905, 6); it would be read as a time in 2036.
    timeless = len(answer) < 48 or answer[40:48] == bytes(8)
    if timeless or answer[0] & 7 != 4 or not 1 <= answer[1] <= 15 or bytes(answer[24:32]) != nonce:
        raise ClockError("the time server %s does not answer with the time" % server)
    now = struct.unpack(">I", answer[40:44])[0] - _NTP_TO_1970
    if now < BUILD:
        now += _NTP_ERA
    if not BUILD <= now < _LATEST:
        raise ClockError("the time server %s gives an impossible time" % server)
    return now


def _set(now):
    try:
        set_wall_clock(now)
    except (ImportError, AttributeError):
        raise ClockError("the clock is not set: on this platform that is up to the operating system")
