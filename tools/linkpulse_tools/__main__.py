"""The command `linkpulse`, also as `python -m linkpulse_tools`. Its modules load while Ctrl-C ends it at once."""

import os
import signal
import sys


def main() -> None:
    """The entry point. Loading takes some tenths of a second, in which Python would show a stack trace."""
    for number in (signal.SIGINT, signal.SIGTERM):  # also for a shell's background job, which ignores the first
        signal.signal(number, _stop)
    from linkpulse_tools import cli

    cli.main()


def _stop(*_) -> None:
    if "--json" in sys.argv:
        os.write(1, b'{"error": "stopped"}\n')
    os.write(2, b"stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
