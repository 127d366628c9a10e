"""The checks of options, each by itself and all together."""

import ipaddress
import re

import click

from linkpulse_tools.options import thing_name
from linkpulse_tools.pki import authority
from linkpulse_tools.provision import hardware

HOST = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?")
TOPIC_BYTES = 220


def thing(context, parameter, value: str) -> str:
    """A thing's name that AWS IoT takes."""
    thing_name(context, parameter, value)
    if value == authority.FOLDER:
        raise click.BadParameter(f"{value} is the name of the CA's folder: choose another name")
    return value


def host(context, parameter, value: str | None) -> str | None:
    """A broker's host name or address, without a port."""
    if value is None:
        return None
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if not HOST.fullmatch(value):
            raise click.BadParameter("it must be the name or IP address of a host, without a port") from None
        return value


def topic(context, parameter, value: str | None) -> str | None:
    """A prefix for topics that MQTT allows."""
    if value is not None and (
        not 1 <= len(value.encode()) <= TOPIC_BYTES or value != value.strip() or re.search(r"[\x00-\x1f\x7f+#]", value)
    ):
        raise click.BadParameter(
            f"it must have 1 to {TOPIC_BYTES} bytes, without control characters, + and #, and without a space "
            f"at either end"
        )
    return value


def time_server(context, parameter, value: str | None) -> str | None:
    """A time server as `host` or `host:port`."""
    name, _, port = (value or "").partition(":")
    if value is not None and not (HOST.fullmatch(name) and (port or "123").isdecimal()):
        raise click.BadParameter("it must be the name of a host, or name:port")
    return value


def metrics(context, parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Custom metrics, {name: kind}, from `name=kind` texts."""
    pairs = [value.rpartition("=") for value in values]
    if any(not name for name, _, _ in pairs):
        raise click.BadParameter("it must be NAME=TYPE, such as temperature=number")
    return {name: kind for name, _, kind in pairs}


def ssid(context, parameter, value: str | None) -> str | None:
    """The name of a wireless network."""
    if value is not None and not 1 <= len(value.encode()) <= 32:
        raise click.BadParameter("it must have 1 to 32 bytes")
    return value


def together(options: dict, in_aws: bool, remove: bool) -> None:
    """Refuse options that do not go together."""
    if remove and (options["csr"] or options["renew"]):
        raise click.UsageError("--remove cannot be used with --csr or --renew")
    if options["key"] and not options["csr"]:
        raise click.UsageError("--key names the device's own key, so it needs --csr")
    longest = hardware.LONGEST_WATCHDOG.get(options["board"])
    if longest is not None and (options["watchdog"] or 0) > longest:
        raise click.UsageError(f"the watchdog of {options['board']} allows {longest} s at most")
    if options["wifi_password_file"] and not options["wifi"]:
        raise click.UsageError("--wifi-password-file needs --wifi")
    wrong = [name for name in (("host", "port") if in_aws else ("ca", "profile", "custom_metric")) if options[name]]
    if wrong:
        where = "with AWS, which has its own endpoint" if in_aws else "without --aws"
        raise click.UsageError(f"--{wrong[0].replace('_', '-')} cannot be used {where}")
    topic = options["topic"] or ""
    if in_aws and (options["interval"] or 300) < 300:
        raise click.UsageError(
            "AWS refuses reports that come less than 300 s after the last: use an --interval of 300 or more"
        )
    if in_aws and (topic.startswith("$") or topic.count("/") > 6 or re.search(r"[*?]|\$\{", topic)):
        raise click.UsageError(
            "for AWS, a --topic must not begin with $, must not contain *, ? or ${, and may have at most 6 slashes"
        )
