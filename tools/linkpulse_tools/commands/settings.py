"""`linkpulse settings`: every key of settings.json, from the very table that the device checks them with."""

import json
import subprocess
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from linkpulse_tools import files
from linkpulse_tools.device import interpreter, process
from linkpulse_tools.errors import ToolError

SCHEMA = """
import json
from linkpulse.settings import _KEYS
print(json.dumps([[k, v[0], v[1].__name__.lstrip("_"), v[2], v[3]] for k, v in _KEYS.items()]))
"""
# What each key is for; its type, bounds and default are the device's own.
MEANING = {
    "thing": "the thing's name; also the client id",
    "host": "the broker's name or address",
    "port": "its port",
    "ca": "file with the CA of the broker's certificate, PEM or DER",
    "cert": "file with this device's certificate, PEM or DER",
    "key": "file with this device's private key, PEM or DER. On Linux its owner alone may read it",
    "client_id": "MQTT client id, where it is not the thing's name",
    "server_name": "the name that the broker's certificate must have, where it is not `host`",
    "topic": "where reports go, answers on `<topic>/accepted` and `<topic>/rejected`. Empty: the reserved topics",
    "interval": "seconds between reports. Under 300 is raised to 300, with a warning",
    "allow_short_interval": "lifts that, for brokers that are not AWS's and for tests",
    "timeout": "seconds that an operation on the network may take",
    "format": "of reports",
    "tags": "of reports: their key names",
    "connections": "most connections listed in a report; the total is true all the same",
    "buffer": "bytes for a report, 0 for as many as `connections` IPv4 rows need; what does not fit is listed in part",
    "loopback": "whether loopback counts",
    "include": 'interfaces to report; `"veth*"` means all that start so. Not where sockets are counted',
    "exclude": "interfaces not to report, in the same way",
    "proc": "on Linux, another root of proc, such as `/host_proc/1` in a container",
    "state": "file for the report ids. Empty: none, and ids rest on the clock",
    "baseline": "on Linux, a file in a tmpfs (`/run/linkpulse/baseline`): a restart then loses no interval",
    "ntp": "a time server, `name` or `name:port`, asked when the clock is not set",
    "wifi_ssid": "on a board: the WiFi network to bring up, and to bring up again when it is lost",
    "wifi_password": "its password",
    "ethernet": "on a board: Ethernet to bring up. `{}` where it knows its pins, else its driver's arguments by name, "
    'such as `{"mdc": 23, "mdio": 18, "phy_type": "PHY_LAN8720", "phy_addr": 1}`',
    "led": "on a board: the pin of a LED that shows how it goes (below)",
    "watchdog": "on a board: seconds without progress after which the watchdog resets it, 0 for none (below)",
}
KINDS = {
    "text": "text",
    "integer": "integer",
    "flag": "true, false",
    "map": "map, false",
    "pin": "pin",
    "names": "list of names",
}
BEGIN, END = "<!-- keys -->\n", "<!-- end of keys -->\n"
HEAD = "| key | type | default | |\n|---|---|---|---|\n"


def schema(micropython: str | None = None) -> list[dict]:
    """The keys in the order of MEANING: name, default (None: must be given), kind, low, high."""
    runtime = interpreter.find(micropython)
    command = [runtime.path, "-c", SCHEMA]
    done = subprocess.run(command, env=process.environment(runtime), capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise ToolError(f"the device's settings cannot be read:\n{done.stdout}{done.stderr}")
    rows = (dict(zip(("name", "default", "kind", "low", "high"), row, strict=True)) for row in json.loads(done.stdout))
    order = list(MEANING)
    return sorted(rows, key=lambda key: order.index(key["name"]))  # a map of MicroPython has none


def _type(key: dict) -> str:
    if key["kind"] == "choice":
        return f'"{key["low"]}", "{key["high"]}"'
    bounds = {"text": f", {key['low']} to {key['high']} bytes", "integer": f", {key['low']} to {key['high']}"}
    return KINDS[key["kind"]] + bounds.get(key["kind"], "")


def _default(key: dict) -> str:
    return "must be given" if key["default"] is None else json.dumps(key["default"])


def page(text: str, keys: list[dict]) -> str:
    """docs/settings.md with its table of keys as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ToolError(f"the page has no {BEGIN.strip()} and {END.strip()}")
    rows = (f"| `{key['name']}` | {_type(key)} | {_default(key)} | {MEANING[key['name']]} |\n" for key in keys)
    return before + BEGIN + HEAD + "".join(rows) + END + after


def _table(keys: list[dict]) -> Table:
    table = Table()
    for heading in ("key", "type", "default", ""):
        table.add_column(heading, no_wrap=heading == "key")
    for key in keys:
        table.add_row(key["name"], _type(key), _default(key), MEANING[key["name"]].replace("`", ""))
    return table


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
@click.option("--write", type=click.Path(path_type=Path, exists=True), help="A page whose table of keys is made anew.")
def command(as_json: bool, write: Path | None) -> None:
    """Every key of settings.json: type, default, meaning."""
    keys = schema()
    if as_json:
        click.echo(json.dumps([{**key, "meaning": MEANING[key["name"]]} for key in keys]))
    elif write:
        files.write(write, page(write.read_text(), keys).encode())
    else:
        Console().print(_table(keys))
