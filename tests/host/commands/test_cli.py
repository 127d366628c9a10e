"""The command, with a device that is not MicroPython: exit codes, what is shown, what is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from linkpulse_tools import cli, paths
from linkpulse_tools.build import firmware
from linkpulse_tools.commands import report
from linkpulse_tools.commands.run import Options
from linkpulse_tools.defender import display
from linkpulse_tools.defender.service import Service
from linkpulse_tools.device import interpreter, process
from linkpulse_tools.errors import ToolError
from tests.host.build.dist import gateway

FAKE = paths.ROOT / "tests" / "doubles" / "device_process.py"
# The command in a process of its own, its device replaced: arguments are the folder to work in and the command's own.
DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
from pathlib import Path
from linkpulse_tools import cli, paths
from linkpulse_tools.build import umqtt
from linkpulse_tools.commands import run
from linkpulse_tools.device import interpreter, process
folder = Path(sys.argv[1])
paths.FIRMWARE, paths.RUN, paths.CERTS = folder, folder / "run", folder / "certs"
interpreter.find = lambda wanted=None: interpreter.Interpreter(sys.executable, (1, 29, 0), None)
umqtt.ensure = lambda vendor: None
process.environment = lambda runtime: dict(__import__("os").environ)
run.TIMEOUT = 0.2
cli.main(sys.argv[2:])
"""


@pytest.fixture
def start(tmp_path):
    """start(mode, *arguments) -> the running command; what it leaves running is ended."""
    (tmp_path / "main.py").write_text(FAKE.read_text())
    started = []

    def begin(mode, *arguments):
        env = dict(os.environ, MODE=mode, PYTHONPATH=os.pathsep.join(map(str, (paths.ROOT / "tools", paths.ROOT))))
        command = [sys.executable, "-c", DRIVER, str(tmp_path), "run", *arguments]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield begin
    for running in started:
        running.kill()
        running.communicate()


def finish(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("fmt,tags", [("cbor", "short"), ("json", "long")])
def test_count_of_accepted_reports_ends_with_success(start, fmt, tags):
    code, out, err = finish(start("good", "--count", "2", "--limit", "0", "--format", fmt, "--tags", tags))
    assert code == 0, err
    assert out.count("ACCEPTED") == 2
    assert max(map(len, out.splitlines())) <= 80
    for text in ("1,234,567 bytes, 4 packets", "22, 8080@br-lan", "connections: 1234, 10 shown", "192.0.2.10:443"):
        assert text in out
    for text in (f"as {fmt} {tags};", "23,456 B in use", "nothing to compare with"):
        assert text in out
    assert "192.0.2.11:443" not in out


def test_json_prints_an_object_a_report(start):
    code, out, err = finish(start("good", "--count", "2", "--limit", "0", "--json"))
    assert code == 0, err
    first, second = map(json.loads, out.splitlines())
    assert (first["report_id"], second["report_id"], second["status"]) == (1, 2, "accepted")
    assert (first["heap"], first["tags"], first["format"]) == (23456, "short", "cbor")
    assert first["bytes_as_json_long"] > 2 * first["bytes"] > 0
    assert second["report"]["metrics"]["network_stats"]["bytes_in"] == 1234567


def test_two_runs_at_once_have_files_of_their_own(start, tmp_path):
    first = start("good", "--limit", "0", "--json", "--broker", "embedded")
    assert json.loads(first.stdout.readline())["status"] == "accepted"
    code, out, err = finish(start("good", "--count", "2", "--limit", "0", "--json", "--thing", "another"))
    assert code == 0 and [json.loads(line)["thing"] for line in out.splitlines()] == ["another"] * 2, err
    own = [json.loads((tmp_path / "run" / name / "settings.json").read_text()) for name in (".", "2")]
    for name in ("thing", "cert", "key", "state", "port"):
        assert own[0][name] != own[1][name]
    assert first.poll() is None


def test_mosquitto_serves_as_well(start, mosquitto_broker):
    code, out, err = finish(start("good", "--count", "1", "--broker", "mosquitto"))
    assert (code, out.count("ACCEPTED")) == (0, 1), err


def test_rejected_report_ends_with_its_reason(start):
    code, out, err = finish(start("malformed", "--count", "1"))
    assert code == 1
    assert "REJECTED" in out
    assert re.search(r"report 1 was rejected: InvalidPayload: .*total: an integer is needed, not null", err)


def test_report_that_comes_too_soon_is_throttled(start):
    code, _, err = finish(start("good", "--count", "2", "--limit", "100"))
    assert code == 1
    assert "report 2 was rejected: Throttled" in err


def test_device_that_ends_is_reported_with_its_last_words(start):
    code, _, err = finish(start("die", "--count", "1"))
    assert code == 1
    for text in ("ended with code 3", "tls: certificate expired", "a line for the log"):
        assert text in err
    assert "Traceback" not in err


def test_silence_is_bounded_and_reported(start):
    code, _, err = finish(start("silent", "--count", "1", "--interval", "1"))
    assert code == 1
    assert "no report was accepted in 2.6 s (0 of 1 before)" in err
    assert "timeout: no CONNACK" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_everything_without_a_stack_trace(start, tmp_path, number):
    process = start("good", "--limit", "0", "--json")
    assert json.loads(process.stdout.readline())["report_id"] == 1
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(number)
    code, _, err = finish(process)
    assert code == 130
    assert err.splitlines()[-1] == "stopped"
    assert "Traceback" not in err
    assert children
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def run_main(*arguments):
    with pytest.raises(SystemExit) as end:
        cli.main(list(arguments))
    return end.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--count", "0"),
        ("run", "--interval", "x"),
        ("run", "--format", "xml"),
        ("run", "--thing", "a/b"),
        ("run", "--thing", "x" * 65),
        ("run", "--broker", "none"),
        ("report", "--tags", "both"),
        ("nothing",),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    assert run_main(*arguments) == 2
    assert "Error" in capsys.readouterr().err


# What Ctrl-C interrupts in each command that has --json, and what else the command needs.
INTERRUPTED = {
    "deploy": ("linkpulse_tools.device.serial_board.transport", "/dev/ttyNONE", "--device", "{folder}"),
    "dist": ("linkpulse_tools.build.dist.mpy.build",),
    "doctor": ("linkpulse_tools.device.serial_board.transport", "/dev/ttyNONE"),
    "listen": ("linkpulse_tools.pki.authority.bundle",),
    "provision": ("linkpulse_tools.pki.keys.read_request", "thing-1", "--host", "localhost", "--csr", __file__),
    "run": ("linkpulse_tools.device.interpreter.find",),
    "settings": ("linkpulse_tools.device.interpreter.find",),
    "size": ("linkpulse_tools.build.size.measure",),
}


def has_json(name):
    return any("--json" in option.opts for option in cli.commands.get_command(None, name).params)


@pytest.mark.parametrize("name", list(filter(has_json, cli.commands.list_commands(None))))
def test_ctrl_c_prints_an_object_if_json_is_wanted(name, monkeypatch, tmp_path, capsys, certs):
    """A program that reads standard output finds an object there, whatever ends the command."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    where, *arguments = INTERRUPTED[name]
    files = {"ca": "ca.der", "cert": "cert.der", "key": "key.der"}
    gateway.write(tmp_path, certs, {"thing": "thing-1", "host": "localhost", **files})
    monkeypatch.setattr(where, interrupted)
    monkeypatch.chdir(tmp_path)
    assert run_main(name, "--json", *(text.format(folder=tmp_path) for text in arguments)) == 130
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == "stopped"
    assert err.splitlines()[-1] == "stopped"


def test_ctrl_c_while_the_modules_load_is_one_word():
    script = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "linkpulse_tools.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["run", "--json"]
from linkpulse_tools.__main__ import main
main()
"""
    environment = dict(os.environ, PYTHONPATH=str(paths.ROOT / "tools"))
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, '{"error": "stopped"}\n', "stopped\n")


def test_file_that_cannot_be_written_is_one_line(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(paths, "RUN", tmp_path / "file" / "run")
    assert run_main("report") == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"linkpulse: {tmp_path}/file/run: Not a directory\n")


def test_unusable_interpreter_is_exit_code_1(capsys, tmp_path, monkeypatch):
    (tmp_path / "main.py").write_text("")
    monkeypatch.setattr(paths, "FIRMWARE", tmp_path)
    assert run_main("run", "--micropython", "/nowhere/micropython") == 1
    assert "/nowhere/micropython" in capsys.readouterr().err


@pytest.fixture
def reporter(tmp_path, monkeypatch):
    """reporter(source, **settings) -> what `report` gives when firmware/report.py has this source."""
    monkeypatch.setattr(paths, "FIRMWARE", tmp_path)
    monkeypatch.setattr(paths, "RUN", tmp_path / "run")
    monkeypatch.setattr(process, "environment", lambda runtime: dict(os.environ))
    monkeypatch.setattr(interpreter, "find", lambda wanted: interpreter.Interpreter(sys.executable, (1, 29, 0), None))

    def run(source, **settings):
        (tmp_path / "report.py").write_text("import sys, json\n" + source)
        return report.report({"thing": "x", "format": "cbor", "tags": "short", "proc": "/proc", **settings})

    return run


def test_cbor_report_passes_byte_for_byte(reporter):
    assert reporter("sys.stdout.buffer.write(bytes(range(256)) + b'\\n\\n')") == bytes(range(256)) + b"\n\n"


def test_json_report_ends_with_one_newline(reporter):
    assert reporter("sys.stdout.write('{}')", format="json") == b"{}\n"


def test_report_gets_its_settings(reporter):
    source = "print(json.dumps(json.load(open(sys.argv[-1]))))"
    settings = json.loads(reporter(source, format="json", tags="long", loopback=True, proc="/proc/self"))
    assert settings == {
        "thing": "x",
        "format": "json",
        "tags": "long",
        "loopback": True,
        "proc": "/proc/self",
    }


@pytest.mark.parametrize(
    "source,reason",
    [
        ("sys.exit('no /proc')", "no /proc"),
        ("print('CollectError: none'), sys.exit(1)", "CollectError"),
        ("", "said nothing"),
    ],
)
def test_report_that_fails_says_why(reporter, source, reason):
    with pytest.raises(ToolError, match=reason):
        reporter(source)


def test_proc_root_that_is_not_there_is_named(reporter):
    with pytest.raises(ToolError, match="/nowhere has no folder net"):
        reporter("", proc="/nowhere")


@pytest.mark.parametrize("line", [b"", b"text", b"[1]", b"1", b"\xff\xfe", b'{"a":'])
def test_lines_that_are_no_status_are_ignored(line):
    assert process.parse_status(line) is None
    assert process.parse_status(b'{"outcome": "accepted"}\n') == {"outcome": "accepted"}


def test_service_throttles_a_little_under_the_interval():
    assert (Options(interval=5).service_limit, Options(interval=900).service_limit) == (4.0, 240.0)
    assert Options(limit=0).service_limit == 0


def test_broken_report_can_be_shown(capsys):
    shown = []
    service = Service(on_outcome=lambda outcome: shown.append(outcome))
    for payload in (b"\xff", b"\xa0", b"\xa1\x63met\x80", b"\xa1\x63met\xa1\x62tp\xa1\x63pts\x81\x01"):
        service.handle("$aws/things/x/defender/metrics/cbor", payload, 0)
    for outcome in shown:
        display.show_report(Console(width=80), outcome, None)
    assert capsys.readouterr().out.count("REJECTED InvalidPayload") == len(shown) == 4


def test_a_narrow_terminal_cuts_no_id(capsys):
    shown = []
    Service(on_outcome=shown.append).handle("$aws/things/x/defender/metrics/json", b'{"hed": {"rid": 1795550123}}', 0)
    display.show_report(Console(width=40), shown[0], None)
    assert "report 1795550123 of x" in capsys.readouterr().out


def test_firmware_is_made_in_a_checkout_only(tmp_path, monkeypatch):
    monkeypatch.setattr(firmware, "BOARD", tmp_path / "installed by pip")
    with pytest.raises(ToolError, match="clone the repository"):
        firmware.script("build")


@pytest.mark.parametrize("width", [40, 80])
def test_help_shows_every_command_with_its_whole_summary(width):
    shown = CliRunner().invoke(cli.commands, ["--help"], terminal_width=width).output
    assert "..." not in shown.partition("COMMAND [ARGS]...")[2]
    listed = re.findall(r"^  ([a-z]+)  +\S", shown, re.MULTILINE)
    assert sorted(listed) == cli.commands.list_commands(None)
