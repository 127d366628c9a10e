# SPDX-License-Identifier: MIT
"""The errors, by what a caller can do about them. Messages say what to do and never contain a secret.

`category` says where to look: settings, clock, platform, network, trust (between device and broker) or size. A
`lasting` error does not go away by trying again soon.
"""


class LinkpulseError(Exception):
    """The root of all errors of this package."""

    category = "network"
    lasting = False


class SettingsError(LinkpulseError):
    """Settings, a key or a certificate cannot be used. Correct them, or wait until their files are whole."""

    category = "settings"


class ClockError(LinkpulseError):
    """The clock is not set, so the dates of certificates cannot be checked."""

    category = "clock"


class CollectError(LinkpulseError):
    """The platform gave nothing to report."""

    category = "platform"


class NetworkError(LinkpulseError):
    """The broker cannot be reached (name, route, refused), or the connection is lost. Try again later."""


class TLSError(LinkpulseError):
    """The broker could not prove its identity, or TLS failed for another reason."""

    category = "trust"


class AuthError(LinkpulseError):
    """The broker refuses this device: its certificate, its client id or what it may do."""

    category = "trust"
    lasting = True


class TimedOut(LinkpulseError):
    """The broker did not do in time what it must do."""


class ProtocolError(LinkpulseError):
    """The broker sent something that MQTT does not allow here."""


class TooLarge(LinkpulseError):
    """A packet or a report is too large."""

    category = "size"


def described(e):
    """The class name and the text of any exception, even if making its text fails."""
    name = type(e).__name__
    try:
        return "%s %s" % (name, e)
    except Exception:
        return name
