"""docs/getting-started.md, command by command, in two terminals, with the unix port as the board."""

import os
import re
import socket
import subprocess

import pytest

from linkpulse_tools import paths
from tests.doubles.relay import Relay

PAGE = paths.ROOT / "docs" / "getting-started.md"
HERE = {"PORT": None, "HOST": "127.0.0.1"}
# The second terminal's command in the background; on until its port answers.
SECOND = """( {} ) >second.txt 2>&1 &
second=$!
trap 'kill $second; wait $second || :' EXIT
for _ in $(seq 300); do (: </dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done
"""


def blocks():
    """[(terminal, commands)] of the page, in order."""
    return re.findall(r"^```sh ?([^\n]*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def script(terminal):
    """The page as one script, with this machine in place of the page's, and a port that is free here."""
    values, port = {**HERE, "PORT": terminal}, free_port()
    lines = ["set -e"]
    for second, commands in blocks():
        for name, value in values.items():
            commands = re.sub(rf"^{name}=.*$", f"{name}={value}", commands, flags=re.MULTILINE)
        commands = commands.replace("--host $HOST", f"--host $HOST --port {port}")
        lines.append(SECOND.format(commands.strip(), port=port) if second else commands)
    return "\n".join(lines)


@pytest.fixture(scope="module")
def done(runtime, tmp_path_factory):
    board, home = tmp_path_factory.mktemp("board"), tmp_path_factory.mktemp("home")
    with Relay(board, runtime.path, "256K") as relay:
        env = {**os.environ, "HOME": str(home), "COLUMNS": "120"}
        end = subprocess.run(
            ["bash", "-c", script(relay.terminal)], cwd=paths.ROOT, env=env, capture_output=True, text=True, timeout=180
        )
        said = (home / "second.txt").read_text() if (home / "second.txt").exists() else ""
        yield end, said, board, home


def test_every_command_works(done):
    end, said, _, _ = done
    assert end.returncode == 0, end.stdout + end.stderr + said


def test_the_boards_report_is_shown_and_accepted(done):
    end, said, board, _ = done
    assert "accepted" in end.stdout + end.stderr
    assert "of porch" in said and "ACCEPTED" in said
    assert (board / "main.py").exists()


def test_what_was_made_is_gone_at_the_end(done):
    home = done[3]
    assert not (home / "devices" / "porch").exists()
    assert (home / "devices" / "gateway-7" / "settings.json").exists()


def test_all_commands_of_the_tools_are_shown():
    text = "".join(commands for _, commands in blocks())
    for name in ("provision", "listen", "deploy", "doctor"):
        assert f"linkpulse {name}" in text
