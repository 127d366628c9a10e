"""What can go wrong, by what a caller can do about it. Messages say what to do and never hold a secret."""


class LinkpulseError(Exception):
    """The root of all errors of this package."""


class SettingsError(LinkpulseError):
    """Settings, a key or a certificate that cannot be used as they are. Mend them; trying again does not help."""


class ClockError(LinkpulseError):
    """The clock is not set, so certificates cannot be checked."""


class CollectError(LinkpulseError):
    """The platform gave nothing to report."""


class NetworkError(LinkpulseError):
    """No way to the broker, or it is lost: name, route, refused, reset. Try again later."""


class TLSError(LinkpulseError):
    """The broker could not prove who it is, or TLS failed otherwise."""


class AuthError(LinkpulseError):
    """The broker refuses this device: its certificate, its client id or what it may do."""


class TimedOut(LinkpulseError):
    """The broker did not do in time what it had to."""


class ProtocolError(LinkpulseError):
    """The broker sent what MQTT does not allow here."""


class TooLarge(LinkpulseError):
    """A packet or a report is over its bound."""


def described(e):
    """The kind and the text of any exception, of one whose text fails too."""
    name = type(e).__name__
    try:
        return "%s %s" % (name, e)
    except Exception:
        return name
