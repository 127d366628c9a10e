"""The command line of `linkpulse provision`."""

import json
import shlex
from pathlib import Path

import click
from rich.console import Console

from linkpulse_tools.errors import ToolError
from linkpulse_tools.pki import authority, keys
from linkpulse_tools.pki.steps import Steps
from linkpulse_tools.pki.store import Store
from linkpulse_tools.provision import aws, checks, detect, hardware, local, record, settings, wifi
from linkpulse_tools.provision.account import Account
from linkpulse_tools.provision.record import Record

OUT = "devices"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("provision")
@click.argument("thing", callback=checks.thing)
@click.option("--host", callback=checks.host, help="The name or address by which devices reach the broker.")
@click.option("--port", type=click.IntRange(1, 65535), help="The broker's port.  [default: 8883]")
@click.option(
    "--out",
    default=OUT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that gets a folder for the CA and for each thing.",
)
@click.option("--csr", type=FILE, help="A certificate request for the device's own key, as PEM or DER.")
@click.option("--key", metavar="NAME", help="With --csr: the name of the key file on the device.  [default: key.der]")
@click.option(
    "--aws", "in_aws", is_flag=True, help="Use AWS IoT instead of a local CA. boto3 finds credentials and region."
)
@click.option("--ca", type=FILE, help="With --aws: a file with Amazon's root CA, as PEM or DER.")
@click.option(
    "--profile", type=FILE, help="With --aws: a security profile in the JSON of aws iot create-security-profile."
)
@click.option(
    "--custom-metric",
    multiple=True,
    metavar="NAME=TYPE",
    callback=checks.metrics,
    help="With --aws: a custom metric. Can be repeated.",
)
@click.option("--interval", type=click.IntRange(1, 86400), help="Seconds between reports.")
@click.option("--format", type=click.Choice(["cbor", "json"]), help="The format of reports.")
@click.option("--tags", type=click.Choice(["long", "short"]), help="Long or short names for the keys in reports.")
@click.option("--topic", callback=checks.topic, help="Publish reports to this topic instead of the reserved one.")
@click.option("--ntp", callback=checks.time_server, help="A time server that sets the device's clock.")
@click.option(
    "--wifi",
    metavar="SSID",
    callback=checks.ssid,
    help=f"The WiFi network. Its password comes from {wifi.VARIABLE} or a prompt.",
)
@click.option("--wifi-password-file", type=FILE, help="A file with the WiFi password.")
@click.option("--board", type=click.Choice(hardware.boards()), help="Use the settings that suit this kind of board.")
@click.option("--led", metavar="PIN", callback=hardware.pin, help="The pin of an LED that shows the agent's state.")
@click.option("--watchdog", type=click.IntRange(0, 3600), help="Seconds without progress until the board is reset.")
@click.option(
    "--ethernet",
    metavar="JSON",
    callback=hardware.ethernet,
    help="Bring up Ethernet. {} if the board knows its pins, or else the driver's arguments.",
)
@click.option("--renew", is_flag=True, help="Renew certificates that have less than 30 days left.")
@click.option("--remove", is_flag=True, help="Remove what provision made for this thing.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(thing: str, out: Path, dry_run: bool, as_json: bool, remove: bool, in_aws: bool, **options) -> None:
    """Make the key, certificate and settings of a device.

    THING is the device's name. The command also makes what the broker needs. It keeps everything that already exists.
    """
    store, steps = Store(out, dry_run), Steps(dry_run)
    try:
        noted = record.load(store, thing)
        in_aws = in_aws or bool(noted and noted.by == "aws")
        checks.together(options, in_aws, remove)
        with store.lock(make=not (remove or options["renew"])):
            if noted is None and options["renew"]:
                raise ToolError(_unknown(store, thing))
            if remove:
                _remove(store, steps, thing)
            else:
                (_provision_aws if in_aws else _provision)(store, steps, thing, **options)
    except OSError as error:
        raise ToolError(f"{error.filename or out}: {error.strerror}") from error
    _show(store, steps, thing, remove, as_json)


def _provision_aws(
    store: Store, steps: Steps, thing: str, csr, key, renew, ca, profile, custom_metric, **options
) -> None:
    request = keys.read_request(csr) if csr else None
    record.fitting(store, thing, "aws", "device" if csr else "host")
    wanted = aws.Wanted(aws.root(store, thing, ca), detect.read_profile(profile) if profile else None, custom_metric)
    detect.check_metrics(custom_metric)
    old = settings.read(store, thing)
    values = _values(store, thing, old, key, options) | {"port": aws.PORT}
    aws.provision(Account(store.rehearsal), store, steps, thing, request, values, wanted, renew)


def _provision(store: Store, steps: Steps, thing: str, csr, key, renew, host, port, **options) -> None:
    request = keys.read_request(csr) if csr else None
    old = settings.read(store, thing)
    host, port = local.where(store, old, host, port)
    if host is None:
        raise click.UsageError("--host is needed the first time: the name or address by which devices reach the broker")
    values = _values(store, thing, old, key, options) | {"host": host, "port": port}
    local.provision(store, steps, thing, request, values, renew)


def _values(store: Store, thing: str, old: dict, key: str | None, options: dict) -> dict:
    """The settings for both ways, without the broker's host and port. A device's own key keeps its name."""
    noted = record.load(store, thing)
    if noted and noted.key == "device":
        key = key or old.get("key")
    values = {"thing": thing, "host": "", "port": 0, "ca": "ca.der", "cert": "cert.der", "key": key or "key.der"}
    return values | _given(options, old, store.rehearsal)


def _given(options: dict, old: dict, rehearsal: bool) -> dict:
    """The settings that options ask for."""
    given = {
        name: options[name] for name in ("interval", "format", "tags", "topic", "ntp", "led", "watchdog", "ethernet")
    }
    if options["interval"] is not None and options["interval"] < 300:
        given["allow_short_interval"] = True
    if options["wifi"]:
        given.update(wifi.settings(options["wifi"], options["wifi_password_file"], old, ask=not rehearsal))
    chosen = {name: value for name, value in given.items() if value is not None}
    return hardware.defaults(options["board"]) | chosen


def _remove(store: Store, steps: Steps, thing: str) -> None:
    noted = record.load(store, thing)
    if noted is None:
        left = store.names(thing)
        if left:
            raise ToolError(f"{store.path(thing)} was not made by provision: remove it yourself if you do not need it")
        if thing in store.folders():
            store.remove_folder(thing)  # an earlier removal was cut off before its last step
            return
        raise ToolError(_unknown(store, thing))
    if noted.by == "aws":
        aws.remove(Account(store.rehearsal), store, steps, noted)
    else:
        local.remove(store, steps, noted)


def _unknown(store: Store, thing: str) -> str:
    """Says that there is no such thing, so that a mistyped name does not look like a removed thing."""
    known = [name for name in store.folders() if store.read(f"{name}/{record.NAME}") is not None]
    return f"{store.root} has no thing {thing}: it has {', '.join(known) or 'none'}"


def _show(store: Store, steps: Steps, thing: str, removed: bool, as_json: bool) -> None:
    console = Console(soft_wrap=True)
    if as_json:
        shown = {"thing": thing, "folder": str(store.path(thing)), "dry_run": steps.rehearsal, "steps": steps.rows}
        console.out(json.dumps(shown), highlight=False)
        return
    if steps.rows:
        steps.show(console)
    if not steps.touched:
        nothing = f": {store.path(thing)} does not exist" if removed else ": everything exists already"
        console.print(f"nothing to do{nothing}", style="yellow" if removed else "green", highlight=False)
    elif not removed and not steps.rehearsal:
        console.print(_next(store, record.load(store, thing)), highlight=False, markup=False)


def _next(store: Store, noted: Record) -> str:
    """The next steps for the user."""
    values = settings.read(store, noted.thing)
    listen = "linkpulse listen" + ("" if store.root == Path(OUT) else f" --out {shlex.quote(str(store.root))}")
    ca, folder = (shlex.quote(str(store.path(name))) for name in (authority.FOLDER, noted.thing))
    device = (
        f"a board on USB: linkpulse deploy --device {folder}\n"
        f"         this machine: linkpulse doctor --settings {folder}/{settings.NAME} checks the settings"
    )
    if noted.by == "aws":
        return f"\nDevice   {device}"
    return f"""
Broker   mosquitto -c {ca}/mosquitto.conf
         If root starts it, it runs as the user mosquitto, who must read the key: chown mosquitto {ca}/server.key.pem
         Keep {ca}/ca.key.pem secret: it signs certificates.
         Without mosquitto: {listen} --broker --bind 0.0.0.0 --port {values["port"]}
Answers  {listen} --port {values["port"]}, on the broker's machine shows each report and answers it.
Device   {device}"""
