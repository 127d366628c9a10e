"""Faults 36 and 37: power cuts, and files that cannot be used."""

import pytest

from tests.faults.programs import Programs

START = 1790000000


@pytest.fixture
def device(runtime, mpy_path, vendor):
    return Programs(runtime, mpy_path, vendor)


@pytest.mark.parametrize("part", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("clock", ["right", "never set", "lies"])
def test_fault_36_power_cut_at_every_block_write(device, clock, part, record_property):
    found = device.run("power", "cuts", clock, part, heap="1M")
    record_property("cuts", found["cuts"])
    assert found["cuts"] > 40 and found["ids"] > 500
    assert found["repeated"] == 0


def test_fault_36_power_cut_before_the_rename(device):
    for ids, repeated in device.run("power", "cut_before_the_rename", heap="1M"):
        assert ids > 1000 and repeated == 0


def test_fault_37_state_files_that_cannot_be_used(device, tmp_path):
    (tmp_path / "states").mkdir()
    found = device.run("power", "starts", tmp_path / "proc", tmp_path / "states")
    for name, (before, after, first, last, increase, content, next_is_above) in found.items():
        assert first >= START and increase and next_is_above, name
        assert after is None, (name, after)  # it is mended by the first report
        assert int(content.split()[0]) >= last, name
        usable = name in ("missing", "whole", "behind")
        assert (before is None) == usable, (name, before)
        assert usable or "is ignored" in before, name
    assert found["whole"][2] == START + 1000000 + 1


def test_fault_37_state_files_that_cannot_be_written(device, tmp_path):
    found = device.run("power", "impossible", tmp_path / "proc")
    assert set(found) == {"no folder", "a folder", "full", "read-only"}
    for name, (_, after, first, _, increase) in found.items():
        assert first >= START and increase, name
        assert "cannot be written" in after and "ids rest on the clock" in after, name


def test_fault_37_a_restart_loses_no_interval_and_doubles_none(device, tmp_path):
    found = device.run("power", "baselines", tmp_path / "proc", tmp_path)
    expected = {
        "first life": [None, 100],
        "same boot": [300, 50],
        "answers lost": [50, 150],
        "after them": [250],
        "at once again": [0],
        "a new interface": [100, 1],
        "a reset": [0, 20],
    }
    for name, differences in expected.items():
        assert found.pop(name) == [differences, None], name
    problem = found.pop("a folder")
    assert problem[0] == [None, 1] and "cannot be written" in problem[1]
    available, problem = found.pop("no boot id")
    assert available == [False] and "cannot be written" in problem
    assert len(found) == 10
    for name, (differences, problem) in found.items():
        assert differences == [None, 7] and problem is None, name
