"""`linkpulse listen`: takes the part of the service, on a broker of your own or on a built-in one."""

import contextlib
import ipaddress
import queue
from pathlib import Path

import click
from rich.console import Console

from linkpulse_tools.defender import display
from linkpulse_tools.defender.service import Service
from linkpulse_tools.errors import ToolError
from linkpulse_tools.mqtt.broker import HOST, EmbeddedBroker
from linkpulse_tools.mqtt.responder import Responder
from linkpulse_tools.pki import authority
from linkpulse_tools.pki.store import Store
from linkpulse_tools.provision import local, mosquitto


def _address(context, parameter, value: str | None) -> str | None:
    try:
        return value and str(ipaddress.IPv4Address(value))
    except ValueError:
        raise click.BadParameter("it must be an IPv4 address of this machine; 0.0.0.0 means all of them") from None


@click.command("listen")
@click.option("--host", help="The broker's name or address. It must be in its certificate.  [default: localhost]")
@click.option("--port", type=click.IntRange(1, 65535), help="The broker's port.  [default: the provisioned one]")
@click.option(
    "--out",
    default="devices",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that provision wrote to.",
)
@click.option("--broker", is_flag=True, help="Run a broker, too. It has no access rules, so use it for tests only.")
@click.option(
    "--bind",
    callback=_address,
    metavar="ADDRESS",
    help="With --broker: the address to listen on.  [default: 127.0.0.1]",
)
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many reports.")
@click.option(
    "--limit",
    type=click.FloatRange(min=0),
    default=0,
    help="Refuse a report that comes sooner than this after the thing's last one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each report.")
def command(host, port, out: Path, broker: bool, bind, count: int | None, limit: float, as_json: bool) -> None:
    """Show and answer every report on a broker.

    It runs until Ctrl-C.
    """
    if broker and host:
        raise click.UsageError("--host cannot be used with --broker, which runs the broker here")
    if bind and not broker:
        raise click.UsageError("--bind needs --broker")
    store, progress = Store(out), Console(stderr=True)
    bundle, outcomes = authority.bundle(store), queue.Queue()
    if not bundle.service.pem.exists():
        raise ToolError(f"{bundle.service.pem} does not exist: linkpulse provision THING makes it")
    port = port or mosquitto.port(store) or local.PORT
    with contextlib.ExitStack() as stack:
        if broker:
            host = stack.enter_context(EmbeddedBroker(bundle, bind or HOST, port)).host
        host = host or "localhost"
        topics = local.reports(
            store, lambda error: progress.print(f"left out: {error}", style="yellow", soft_wrap=True)
        )

        def note(text: str) -> None:
            progress.print(text, style="yellow", soft_wrap=True, highlight=False)

        stack.enter_context(Responder(host, port, bundle, Service(limit, outcomes.put, topics), note))
        where = f"{bind or HOST} port {port} with a broker" if broker else f"{host} port {port}"
        progress.print(f"listening on {where}; Ctrl-C ends", style="dim", soft_wrap=True)
        console = Console()
        while count is None or count > 0:
            display.show_report(console, outcomes.get(), None, as_json)
            count = count and count - 1
