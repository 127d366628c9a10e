"""The command `linkpulse`.

Exit codes: 0 success, 1 failure with the reason on standard error, 2 wrong usage, 130 Ctrl-C.
"""

import functools
import importlib
import json
import signal
import subprocess
import sys

import click
from rich.console import Console

from linkpulse_tools import __version__, paths
from linkpulse_tools.build import firmware, size
from linkpulse_tools.commands import report
from linkpulse_tools.commands.run import Options, run
from linkpulse_tools.errors import ToolError
from linkpulse_tools.options import thing_name

# Commands in modules of their own, each a click command named `command`. A module is loaded when it is needed.
MODULES: dict[str, str] = {
    "deploy": "deploy.command",
    "doctor": "doctor.cli",
    "listen": "commands.listen",
    "dist": "build.dist.command",
    "packages": "build.packages",
    "provision": "provision.cli",
    "settings": "commands.settings",
}
# The commands as --help shows them, in this order.
GROUPS = {
    "Daily use": ("provision", "deploy", "doctor", "listen", "run", "report", "settings"),
    "Building and developing": ("firmware", "qemu", "dist", "packages", "size"),
}


def _common(default_format: str, default_tags: str):
    """The options that run and report share."""

    def decorate(command):
        for option in (
            click.option(
                "--format",
                type=click.Choice(["cbor", "json"]),
                default=default_format,
                show_default=True,
                help="The format of the report.",
            ),
            click.option(
                "--tags",
                type=click.Choice(["long", "short"]),
                default=default_tags,
                show_default=True,
                help="Long or short names for the keys in the report.",
            ),
            click.option(
                "--thing",
                default="linkpulse-demo",
                show_default=True,
                callback=thing_name,
                help="The name of the thing.",
            ),
            click.option("--loopback", is_flag=True, help="Include the loopback interface."),
            click.option("--micropython", metavar="PATH", help="Use this MicroPython instead of the installed one."),
        ):
            command = option(command)
        return command

    return decorate


class Commands(click.Group):
    """The commands of this module and of MODULES."""

    def list_commands(self, context) -> list[str]:
        return sorted([*super().list_commands(context), *MODULES])

    def get_command(self, context, name: str):
        if name not in MODULES:
            return super().get_command(context, name)
        return importlib.import_module(f"linkpulse_tools.{MODULES[name]}").command

    def format_commands(self, context, formatter) -> None:
        for group, names in GROUPS.items():
            with formatter.section(group):
                found = ((name, self.get_command(context, name)) for name in names)
                # The whole sentence: a narrow terminal wraps it.
                formatter.write_dl([(name, command.get_short_help_str(formatter.width * 4)) for name, command in found])


@click.group(cls=Commands)
@click.version_option(__version__)
def commands() -> None:
    """Install linkpulse on a device, and run, check and show its reports."""


@commands.command("run")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many accepted reports.")
@click.option("--interval", type=click.IntRange(min=1), default=5, show_default=True, help="Seconds between reports.")
@click.option(
    "--broker",
    type=click.Choice(["embedded", "mosquitto"]),
    default="embedded",
    show_default=True,
    help="The broker to run.",
)
@click.option(
    "--limit",
    type=click.FloatRange(min=0),
    help="Refuse a report that comes sooner than this after the last.  [default: a little under --interval]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each report.")
@click.option(
    "--target",
    type=click.Choice(["unix", "qemu"]),
    default="unix",
    show_default=True,
    help="Where the agent runs: as a process here, or on a Cortex-M3 in QEMU.",
)
@click.option(
    "--heap", type=click.IntRange(16384, 1048576), help="The heap of the board in QEMU, in bytes.  [default: 65536]"
)
@_common("cbor", "short")
def run_command(**options) -> None:
    """Try it out: report this machine to a local broker.

    Runs a broker, the service and the agent on this machine, and shows each report with its response.
    """
    run(Options(**options), Console(), Console(stderr=True))


@commands.command("report")
@click.option("--proc", default="/proc", show_default=True, help="Read another proc root, such as /host_proc/1.")
@_common("json", "long")
def report_command(micropython, **settings) -> None:
    """Print one report of this machine.

    Nothing else is written to standard output, and nothing is published.
    """
    sys.stdout.buffer.write(report.report(settings, micropython))


@commands.command("firmware")
@click.option("--board", type=click.Choice(["qemu-mps2"]), default="qemu-mps2", show_default=True, help="The board.")
@click.option(
    "--heap", type=click.IntRange(16384, 1048576), default=firmware.HEAP, show_default=True, help="The heap in bytes."
)
def firmware_command(board: str, heap: int) -> None:
    """Build a board's firmware, plain and with the agent.

    It is built only if something in it changed. The agent is frozen in.
    """
    progress = functools.partial(click.echo, err=True)
    for kind in firmware.FOLDERS:
        click.echo(f"{kind}: {firmware.ensure(kind, heap, progress)}")


@commands.command("qemu")
@click.option("--heap", type=click.IntRange(16384, 1048576), help="The heap in bytes.  [default: 65536]")
@click.option("--forward", multiple=True, metavar="HERE:THERE", help="Make 127.0.0.1:HERE the board's port THERE.")
def qemu_command(heap: int | None, forward: tuple) -> None:
    """Start the board in QEMU and open its REPL.

    Prints the board's terminal. Ctrl-] ends the REPL and the board. Without a terminal, Ctrl-C ends it.
    """
    elf = firmware.ensure("agent", progress=functools.partial(click.echo, err=True))
    qemu = firmware.qemu()
    try:
        with qemu.Machine(elf, heap, dict(pair.split(":") for pair in forward)) as machine:
            click.echo(machine.terminal)
            if sys.stdin.isatty():
                subprocess.run([sys.executable, "-m", "mpremote", "connect", machine.terminal, "resume", "repl"])
            else:
                machine.wait()
    except qemu.QemuError as error:
        raise ToolError(str(error)) from error


@commands.command("size")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def size_command(as_json: bool) -> None:
    """Compare the size of the device code with its budgets."""
    result = size.summary(size.measure(paths.LIB, paths.MPY))
    size.show(Console(), result, as_json)
    if result["over"]:
        raise ToolError("over budget", printed=as_json)


def main(args=None, prog_name: str = "linkpulse") -> None:
    """Run the command. For an error that the user can solve, it shows one message and no stack trace."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        commands.main(args, prog_name, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(_end(error, "--json" in (sys.argv[1:] if args is None else args)))


def _end(error: BaseException, as_json: bool) -> int:
    """Show why the command ends, and return its exit code. Raises what no user can solve.

    With --json, a program that reads standard output finds an object there after a failure, too.
    """
    printed = getattr(error, "printed", False)
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()
        return 1
    if isinstance(error, click.ClickException):
        error.show()
        code, text = error.exit_code, error.format_message()
    elif isinstance(error, (click.Abort, KeyboardInterrupt)):
        code, text, printed = 130, "stopped", getattr(error.__cause__, "printed", False)
        click.echo(text, err=True)
    elif isinstance(error, (ToolError, OSError)):
        code, text = 1, str(error)
        if not isinstance(error, ToolError) and error.strerror:
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        click.echo(f"linkpulse: {text}", err=True)
    else:
        raise error
    if as_json and not printed:
        click.echo(json.dumps({"error": text}))
    return code
