"""What deploy and doctor stand on: a board at a serial port, the unix port over a terminal and the one in QEMU."""

import hashlib
import os
import time
import types

import pytest

from linkpulse_tools.device import identity, serial_board
from linkpulse_tools.errors import ToolError
from tests.doubles.relay import Relay

DATA = bytes(range(256)) * 9


@pytest.fixture
def unix(tmp_path, micropython):
    with Relay(tmp_path, micropython) as relay:
        yield relay


@pytest.fixture(scope="module")
def qemu(make_board):
    with make_board("plain") as board:
        yield board


@pytest.fixture(params=["unix", "qemu"])
def board(request):
    """A board of each kind, at its raw REPL."""
    if request.param == "qemu":
        yield request.getfixturevalue("qemu")
    else:
        with serial_board.session(request.getfixturevalue("unix").terminal) as board:
            yield board


def test_files(board):
    pieces = []
    board.write("lib/deep/er/a b.bin", DATA, pieces.append)
    assert sum(pieces) == len(DATA) and len(pieces) > 1
    board.write("lib/deep/er/a b.bin", DATA[:-1])  # over the one that is there
    board.write("lib/empty", b"")
    assert board.files("lib") == {"lib/deep/er/a b.bin": len(DATA) - 1, "lib/empty": 0}
    assert board.read("lib/deep/er/a b.bin") == DATA[:-1]
    assert board.hashes(["lib/deep/er/a b.bin", "absent"]) == {
        "lib/deep/er/a b.bin": hashlib.sha256(DATA[:-1]).hexdigest()
    }
    board.remove("lib/empty")
    assert list(board.files("lib")) == ["lib/deep/er/a b.bin"]
    assert board.files("absent") == {} and board.read("absent") is None
    free, block = board.free()
    assert free > 100_000 and block in (512, 4096)


def test_hashes_without_hashlib(board):
    board.write("a", DATA)
    board.run("import sys\nsys.modules['hashlib'] = type('Empty', (), {})")
    assert board.hashes(["a", "absent"]) == {"a": hashlib.sha256(DATA).hexdigest()}
    board.run("del sys.modules['hashlib']")


def test_a_file_is_whole_or_not_there(board):
    board.write("whole", b"old")

    def stop(size):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.write("whole", DATA, stop)
    assert board.read("whole") == b"old"
    board.write("whole", b"new")
    assert board.read("whole") == b"new"


def test_the_boards_own_errors(board):
    with pytest.raises(serial_board.BoardError) as caught:
        board.run("{}['absent']")
    assert (caught.value.kind, caught.value.text) == ("KeyError", "absent")
    assert board.value("[1, None, 'x']") == [1, None, "x"]


def test_a_soft_reset_runs_boot_and_leave_runs_main(board):
    board.write("boot.py", b"print('booted')\nbooted = True\n")
    board.write("main.py", b"print('main')\nprint(booted)\n")
    board.run("kept = 1")
    board.soft_reset()
    assert board.value("('kept' in globals(), booted)") == (False, True)
    board.leave()
    said = [line.strip() for line in board.lines()]
    assert said[:3] == [b"booted", b"main", b"True"]
    board.soft_reset()
    board.remove("boot.py")
    board.remove("main.py")


def test_a_running_program_is_interrupted(unix, tmp_path):
    (tmp_path / "main.py").write_text("import time\nwhile True:\n    time.sleep(1)\n")
    with serial_board.session(unix.terminal) as board:
        board.leave()
    with serial_board.session(unix.terminal) as board:
        assert board.value("1 + 1") == 2


def test_what_a_board_is(board, request):
    found = identity.of(board)
    assert found.name == "micropython" and found.version >= (1, 24) and found.missing == ()
    assert 40_000 < found.heap < 300_000 and found.disk > 100_000
    assert (found.umqtt, found.frozen, found.wlan, found.radio) == (None, None, False, False)
    on_qemu = "qemu" in request.node.name
    assert found.platform == ("qemu" if on_qemu else "linux")
    assert found.arch == ("armv7em" if on_qemu else "x64") and found.as_dict()["arch"] == found.arch
    assert (found.lwipstat, found.network) == (on_qemu, on_qemu)
    assert board.set_clock() == on_qemu
    board.write("lib/umqtt/simple.py", b"")
    assert identity.of(board).umqtt == "file"
    board.write("lib/umqtt/simple.py", b"import absent\n")
    assert identity.of(board).umqtt is None
    board.remove("lib/umqtt/simple.py")


def test_what_is_frozen_in(make_board):
    with make_board("agent") as board:
        found = identity.of(board)
    assert found.umqtt == "frozen" and found.frozen == "0.1.0"


def test_a_hard_reset(make_board):
    with make_board("plain") as board:
        board.hard_reset()
        assert board.machine.wait() == 0  # that is how this one ends


def test_the_clock_is_the_hosts(qemu):
    qemu.run("import machine\nmachine.RTC().datetime((2000, 1, 1, 5, 0, 0, 0, 0))")
    assert qemu.set_clock()
    assert abs(qemu.value("__import__('time').time()") - time.time()) < 60


def test_a_port_that_is_none_or_not_yours(tmp_path, monkeypatch):
    """mpremote says of all of them that another program may use the port."""
    mine = tmp_path / "mine"
    mine.write_text("")
    for path, reason in ((tmp_path / "absent", "there is no port .*/absent"), (mine, ".*/mine is no serial port")):
        with pytest.raises(ToolError, match=reason), serial_board.session(str(path)):
            pass
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ToolError, match=f"sudo usermod -aG {mine.group()} "), serial_board.session(str(mine)):
        pass


def test_something_else_at_the_port(monkeypatch, capsys):
    monkeypatch.setattr(serial_board, "TRIES", 1)
    monkeypatch.setattr(serial_board.SerialTransport, "read_until", lambda self, *_, **__: b"login:")
    outer, inner = os.openpty()
    try:
        no_answer = pytest.raises(ToolError, match="does not answer as MicroPython does")
        with no_answer, serial_board.session(os.ttyname(inner)):
            pass
    finally:
        os.close(outer)
        os.close(inner)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "found,port,expected",
    [
        (["/dev/ttyACM0"], None, "/dev/ttyACM0"),
        (["/dev/ttyACM0", "/dev/ttyACM1"], "/dev/ttyACM1", "/dev/ttyACM1"),
        ([], "rfc2217://192.0.2.1:2217", "rfc2217://192.0.2.1:2217"),
    ],
)
def test_the_port(monkeypatch, found, port, expected):
    monkeypatch.setattr(serial_board, "ports", lambda: found)
    assert serial_board.find(port) == expected


def test_ports_on_usb_only(monkeypatch):
    port = types.SimpleNamespace
    listed = [port(device="/dev/ttyS0", vid=None, pid=None), port(device="/dev/ttyACM0", vid=0x2E8A, pid=5)]
    monkeypatch.setattr(serial_board.list_ports, "comports", lambda: listed)
    assert serial_board.ports() == ["/dev/ttyACM0"]


def test_no_board_and_several_boards(monkeypatch):
    monkeypatch.setattr(serial_board, "ports", list)
    with pytest.raises(ToolError, match="no board on USB"):
        serial_board.find()
    monkeypatch.setattr(serial_board, "ports", lambda: ["/dev/ttyACM0", "/dev/ttyACM1"])
    with pytest.raises(ToolError, match="several boards: /dev/ttyACM0, /dev/ttyACM1"):
        serial_board.find()
