"""`linkpulse settings`: every key of settings.json, from the table with which the device checks them."""

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
from linkpulse.settings import KEYS
print(json.dumps([[k, v[0], v[1].__name__.lstrip("_"), v[2], v[3]] for k, v in KEYS.items()]))
"""
# The meaning of each key. Type, bounds and default come from the device's code.
MEANING = {
    "thing": "the thing's name. It is also the client id, unless `client_id` names another",
    "host": "the broker's name or address",
    "port": "the broker's port",
    "ca": "the file with the CA that signed the broker's certificate, as PEM or DER",
    "cert": "the file with this device's certificate, as PEM or DER",
    "key": "the file with this device's private key, as PEM or DER. On Linux only its owner may be able to read it",
    "client_id": "the MQTT client id, if it is not the thing's name",
    "server_name": "the name in the broker's certificate, if it is not `host`",
    "topic": "the topic for reports. Answers come on `<topic>/accepted` and `<topic>/rejected`. If it is empty, the "
    "reserved topics of AWS IoT are used",
    "interval": "seconds between reports. A value under 300 is raised to 300, with a warning",
    "allow_short_interval": "allows an `interval` under 300, for tests and for brokers other than AWS's",
    "timeout": "the most seconds that one operation on the network may take",
    "format": "the format of reports",
    "tags": "short or long names for the keys in a report",
    "connections": "the most connections that a report lists. The total in the report counts all of them",
    "buffer": "the most bytes of a report. With 0, the buffer grows with the reports, up to the size that "
    "`connections` rows "
    "with IPv4 addresses need. If not everything fits, the report lists a part of it",
    "loopback": "whether the loopback interface is reported",
    "include": 'the interfaces to report; `"veth*"` matches all names that begin with veth. It has no effect where the '
    "agent counts sockets",
    "exclude": "the interfaces to leave out, written like `include`",
    "proc": "on Linux: another root of proc, such as `/host_proc/1` in a container",
    "state": "the file for the report ids. If it is empty, ids are taken from the clock and none is stored",
    "baseline": "on Linux: a file in a tmpfs (`/run/linkpulse/baseline`) for the counters of the last accepted report, "
    "so that a restart loses no traffic",
    "ntp": "a time server, as `name` or `name:port`. It is asked if the clock is not set",
    "wifi_ssid": "on a board: the WiFi network to connect to, and to reconnect to after a failure",
    "wifi_password": "on a board: the password of the WiFi network",
    "ethernet": "on a board: bring up Ethernet. Use `{}` if the board knows its pins. Otherwise give the arguments of "
    'the driver by name, such as `{"mdc": 23, "mdio": 18, "phy_type": "PHY_LAN8720", "phy_addr": 1}`',
    "led": "on a board: the pin of an LED that shows the agent's state by flashing",
    "watchdog": "on a board: the watchdog resets it after this many seconds without progress. 0 means no watchdog",
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
NARROW = 60  # columns that the table needs
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
    return sorted(rows, key=lambda key: order.index(key["name"]))  # MicroPython's maps have no order


def _type(key: dict) -> str:
    if key["kind"] == "choice":
        return f'"{key["low"]}", "{key["high"]}"'
    bounds = {"text": f", {key['low']} to {key['high']} bytes", "integer": f", {key['low']} to {key['high']}"}
    return KINDS[key["kind"]] + bounds.get(key["kind"], "")


def _default(key: dict) -> str:
    return "must be given" if key["default"] is None else json.dumps(key["default"])


def page(text: str, keys: list[dict]) -> str:
    """The text of docs/settings.md with its table of keys made again."""
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.option("--write", type=click.Path(path_type=Path, exists=True), help="Update the table of keys in this page.")
def command(as_json: bool, write: Path | None) -> None:
    """Show every key of settings.json."""
    keys = schema()
    if as_json:
        click.echo(json.dumps([{**key, "meaning": MEANING[key["name"]]} for key in keys]))
    elif write:
        files.write(write, page(write.read_text(), keys).encode())
    elif Console().width < NARROW:
        for key in keys:
            name, meaning = key["name"], MEANING[key["name"]].replace("`", "")
            Console().print(f"{name} ({_type(key)}; {_default(key)})\n  {meaning}", markup=False, highlight=False)
    else:
        Console().print(_table(keys))
