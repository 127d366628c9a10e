"""The command: options in, a table or JSON out."""

import ipaddress
import json
import re
from pathlib import Path

import click
from rich.console import Console

from linkpulse_tools.cli import THING
from linkpulse_tools.errors import ToolError
from linkpulse_tools.provision import authority, keys, local, record, settings, wifi
from linkpulse_tools.provision.steps import Steps
from linkpulse_tools.provision.store import Store

HOST = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?")
TOPIC_BYTES = 220


def _thing(context, parameter, value: str) -> str:
    if not THING.fullmatch(value):
        raise click.BadParameter("1 to 64 of a-z A-Z 0-9 : _ - (it is the common name of a certificate)")
    if value == authority.FOLDER:
        raise click.BadParameter(f"{value} is the name of the CA's folder: take another")
    return value


def _host(context, parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if not HOST.fullmatch(value):
            raise click.BadParameter("a host's name or its IP address, without a port") from None
        return value


def _topic(context, parameter, value: str | None) -> str | None:
    if value is not None and (
        not 1 <= len(value.encode()) <= TOPIC_BYTES or value != value.strip() or re.search(r"[\x00-\x1f\x7f+#]", value)
    ):
        raise click.BadParameter(f"1 to {TOPIC_BYTES} bytes without control characters, + and #, no space at the ends")
    return value


def _time_server(context, parameter, value: str | None) -> str | None:
    name, _, port = (value or "").partition(":")
    if value is not None and not (HOST.fullmatch(name) and (port or "123").isdecimal()):
        raise click.BadParameter("a host's name, or name:port")
    return value


def _ssid(context, parameter, value: str | None) -> str | None:
    if value is not None and not 1 <= len(value.encode()) <= 32:
        raise click.BadParameter("1 to 32 bytes")
    return value


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("provision")
@click.argument("thing", callback=_thing)
@click.option("--host", callback=_host, help="The broker's name or address, as the device reaches it.")
@click.option("--port", type=click.IntRange(1, 65535), help="The broker's port.  [default: 8883]")
@click.option("--out", default="devices", show_default=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--csr", type=FILE, help="A certificate request of the device's own key, PEM or DER.")
@click.option("--key", metavar="NAME", help="With --csr: the device's own key file.  [default: key.der]")
@click.option("--interval", type=click.IntRange(1, 86400), help="Seconds between reports.")
@click.option("--format", type=click.Choice(["cbor", "json"]), help="Of the reports.")
@click.option("--tags", type=click.Choice(["long", "short"]), help="Of the reports.")
@click.option("--topic", callback=_topic, help="A topic of its own for the reports.")
@click.option("--ntp", callback=_time_server, help="A time server.")
@click.option("--wifi", metavar="SSID", callback=_ssid, help=f"The WiFi; its password: {wifi.VARIABLE}, or a prompt.")
@click.option("--wifi-password-file", type=FILE, help="A file with the WiFi's password.")
@click.option("--renew", is_flag=True, help="Renew certificates that have less than 30 days left.")
@click.option("--remove", is_flag=True, help="Undo what provision did for this thing.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(thing: str, out: Path, dry_run: bool, as_json: bool, remove: bool, **options) -> None:
    """Make what THING needs to be let in by a broker: key, certificates, settings; and what the broker needs.

    What is there stays as it is.
    """
    if options["key"] and not options["csr"]:
        raise click.UsageError("--key names the device's own key: it goes with --csr")
    if options["wifi_password_file"] and not options["wifi"]:
        raise click.UsageError("--wifi-password-file goes with --wifi")
    store, steps = Store(out, dry_run), Steps(dry_run)
    try:
        with store.lock():
            (_remove if remove else _provision)(store, steps, thing, **options)
    except OSError as error:
        raise ToolError(f"{error.filename or out}: {error.strerror}") from error
    _show(store, steps, thing, remove, as_json)


def _provision(store: Store, steps: Steps, thing: str, csr, key, renew, host, port, **options) -> None:
    request = keys.read_request(csr) if csr else None
    old = settings.read(store, thing)
    host, port = local.where(store, old, host, port)
    if host is None:
        raise click.UsageError("--host is needed the first time: the broker's name or address for the device")
    noted = record.load(store, thing)
    if noted and noted.key == "device":
        key = key or old.get("key")
    key = key or "key.der"
    values = {"thing": thing, "host": host, "port": port, "ca": "ca.der", "cert": "cert.der", "key": key}
    values.update(_given(options, old, store.rehearsal))
    local.provision(store, steps, thing, request, values, renew)


def _given(options: dict, old: dict, rehearsal: bool) -> dict:
    """The settings that options ask for."""
    given = {name: options[name] for name in ("interval", "format", "tags", "topic", "ntp")}
    if options["interval"] is not None and options["interval"] < 300:
        given["allow_short_interval"] = True
    if options["wifi"]:
        given.update(wifi.settings(options["wifi"], options["wifi_password_file"], old, ask=not rehearsal))
    return {name: value for name, value in given.items() if value is not None}


def _remove(store: Store, steps: Steps, thing: str, **options) -> None:
    noted = record.load(store, thing)
    if noted is None:
        left = store.names(thing)
        if left:
            raise ToolError(f"{store.path(thing)} was not made by provision: remove it by hand, if it is to go")
        return
    local.remove(store, steps, noted)


def _show(store: Store, steps: Steps, thing: str, removed: bool, as_json: bool) -> None:
    console = Console(soft_wrap=True)
    if as_json:
        shown = {"thing": thing, "folder": str(store.path(thing)), "dry_run": steps.rehearsal, "steps": steps.rows}
        console.out(json.dumps(shown), highlight=False)
        return
    if steps.rows:
        steps.show(console)
    if not steps.touched:
        console.print("nothing to do" + ("" if removed else ": all of it is there"), style="green")
    elif not removed and not steps.rehearsal:
        console.print(_next(store, thing), highlight=False, markup=False)


def _next(store: Store, thing: str) -> str:
    """What there is to do now."""
    values = settings.read(store, thing)
    ca, folder = store.path(authority.FOLDER), store.path(thing)
    return f"""
Broker   mosquitto -c {ca}/mosquitto.conf
         Its user must be able to read {ca}/server.key.pem. {ca}/ca.key.pem is for nobody else: it signs.
         Without mosquitto: linkpulse listen --broker --bind 0.0.0.0 --port {values["port"]}
Answers  linkpulse listen --port {values["port"]}, on the broker's machine, shows each report and answers it.
Device   linkpulse deploy copies {folder} to a board. On Linux: micropython main.py {folder}/{settings.NAME}"""
