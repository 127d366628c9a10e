"""What deploy decides without a board: which modules, in which form, what fits, what is whose."""

from dataclasses import replace

import pytest

from linkpulse_tools import __version__
from linkpulse_tools.build import mpy
from linkpulse_tools.deploy import contents, plan
from linkpulse_tools.device.identity import Identity
from linkpulse_tools.errors import ToolError

MPY_6_3 = 6 | 3 << 8
PICO_W = Identity(
    platform="rp2",
    name="micropython",
    version=(1, 27, 0),
    mpy=MPY_6_3 | 4 << 10,
    machine="Raspberry Pi Pico W with RP2040",
    heap=180_000,
    missing=(),
    lwipstat=False,
    network=True,
    wlan=True,
    radio=True,
    umqtt=None,
    frozen=None,
    disk=800_000,
    block=4096,
)
ESP32 = replace(PICO_W, platform="esp32", mpy=MPY_6_3 | 10 << 10, machine="ESP32", radio=False, umqtt="frozen")


@pytest.mark.parametrize(
    "board,expected",
    [
        (PICO_W, ("counted", "cyw43")),
        (ESP32, ("counted",)),
        (replace(PICO_W, lwipstat=True), ("lwip",)),
        (replace(ESP32, platform="linux"), ("linux",)),
    ],
)
def test_collectors(board, expected):
    assert contents.collectors(board) == expected


@pytest.mark.parametrize(
    "found,compiled,arch",
    [
        (PICO_W.mpy, True, "armv6m"),
        (ESP32.mpy, True, "xtensawin"),
        (MPY_6_3, True, None),
        (6 | 2 << 8 | 4 << 10, True, None),  # native code of another sub-version
        (5 | 4 << 10, False, None),
        (0, False, None),
    ],
)
def test_form(found, compiled, arch):
    assert contents.form(replace(PICO_W, mpy=found)) == contents.Form(compiled, arch)
    assert mpy.taken_by(found)[0] == compiled


@pytest.mark.parametrize(
    "changed,said",
    [
        ({"version": (1, 23, 0)}, "1.23.0 is too old, 1.24 is needed"),
        ({"name": "circuitpython"}, "this is circuitpython, not MicroPython"),
        ({"missing": ("tls", "select")}, "has no tls, select"),
        ({"frozen": "0.0.9"}, "linkpulse 0.0.9 is frozen into this firmware"),
    ],
)
def test_what_a_board_must_have(changed, said):
    contents.require(PICO_W)
    contents.require(replace(PICO_W, frozen=__version__))
    with pytest.raises(ToolError, match=said):
        contents.require(replace(PICO_W, **changed))


def found(files=(), hashes=None, texts=None, record=None):
    """A board with these files below lib/, each of 100 bytes."""
    sizes = dict.fromkeys((path for path in files if path.startswith("lib/")), 100)
    return plan.Found(sizes, {**dict.fromkeys(files, ""), **(hashes or {})}, texts or {}, record or {})


def test_space_is_reckoned_in_blocks():
    wanted = {"lib/a.mpy": bytes(4097), "settings.json": b"{}"}
    todo = plan.make(wanted, found())
    # the record, lib/ itself, two blocks of a.mpy, settings.json
    plan.check_space(todo, found(), 6 * 4096, 4096)
    with pytest.raises(ToolError, match="24,576 bytes are needed, 24,575 are free"):
        plan.check_space(todo, found(), 6 * 4096 - 1, 4096)


def test_what_is_removed_makes_room_first():
    board = found(["lib/linkpulse/report/tags.py", "lib/linkpulse/report/rows.py"])
    wanted = {"lib/linkpulse/report/tags.mpy": bytes(4096)}
    todo = plan.make(wanted, board)
    assert [step.action for step in todo.steps] == ["remove", "remove", "copy", "copy"]
    plan.check_space(todo, board, 0, 4096)


def test_a_new_file_is_whole_before_the_old_one_goes():
    board = found(["lib/linkpulse/report/tags.mpy", plan.RECORD])
    todo = plan.make({"lib/linkpulse/report/tags.mpy": bytes(4096)}, board)
    with pytest.raises(ToolError, match="too full"):
        plan.check_space(todo, board, 4096, 4096)
    plan.check_space(todo, board, 8192, 4096)


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"# boot.py -- run on boot-up\n",
        b'"""Nothing."""\nimport esp, gc\n',
        b"import gc\n#import webrepl\n#webrepl.start()\ngc.collect()\n",
    ],
)
def test_a_script_that_nobody_would_miss(source):
    assert plan.idle(source)


@pytest.mark.parametrize(
    "source", [b"import app\n", b"import webrepl\nwebrepl.start()\n", b"x = 1\n", b"not python", b"\xff", b"\0"]
)
def test_a_script_of_somebody(source):
    assert not plan.idle(source)


@pytest.mark.parametrize("data", [None, b"", b"[]", b"{}", b"\xff", b'{"files": 1}', b"not json"])
def test_a_record_that_cannot_be_read_is_none(data):
    assert plan.record(data) == {}


def test_a_record_does_not_name_the_devices_own_key():
    assert plan.record(b'{"files": ["a", "key.der"]}', "key.der")["files"] == ["a"]


def test_scripts_are_never_removed():
    board = found(["main.py", "boot.py"], record={"files": ["main.py", "boot.py", "old.der"]})
    assert plan.make({}, board).of("remove") == []
    board = found(["main.py", "old.der"], record={"files": ["main.py", "old.der"]})
    assert [step.path for step in plan.make({}, board).of("remove")] == ["old.der"]
