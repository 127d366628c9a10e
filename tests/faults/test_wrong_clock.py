"""Faults 26 to 29: clocks, time servers and ticks."""

import contextlib
import socket

import pytest

from tests.doubles import time_server
from tests.faults.programs import Programs

YEAR = 31557600
NOW = 1790000000
BUILD = 1767225600
WRONG = {"2000": 946684800, "1970": 0, "2021": 1609459200}


@pytest.fixture
def device(runtime, mpy_path, vendor):
    return Programs(runtime, mpy_path, vendor)


@pytest.mark.parametrize("epoch", [1970, 2000])
@pytest.mark.parametrize("year", WRONG)
def test_fault_26_no_socket_before_the_clock_is_right(device, tmp_path, epoch, year):
    found = device.run("clocks", "untrusted", tmp_path / "proc", epoch, WRONG[year])
    assert found["trusted"] is None
    assert "the clock is not set" in found["last_error"]
    assert found["sockets"] == 0, "a socket was opened"
    assert not found["connected"]
    assert found["outcome"] == "error" and "the clock is not set" in found["last_error"]
    assert found["tries"] >= 2, "it must go on trying"
    assert found["report_id"] is None


@pytest.mark.parametrize("epoch", [1970, 2000])
@pytest.mark.parametrize("year", WRONG)
def test_fault_26_a_time_server_sets_it_first(device, tmp_path, epoch, year):
    with time_server.TimeServer(lambda question: time_server.packet(question, NOW)) as server:
        found = device.run("clocks", "set_first", tmp_path / "proc", epoch, WRONG[year], server.address)
    assert server.asked == 1
    assert found["connects"] and all(NOW <= at < NOW + 700 for at in found["connects"])
    assert found["accepted"] >= 1
    assert NOW <= found["report_id"] <= found["now"] < NOW + 701


LIES = {
    "true": (lambda q: time_server.packet(q, NOW), NOW),
    "30 years back": (lambda q: time_server.packet(q, NOW - 30 * YEAR), "an impossible time"),
    "30 years ahead": (lambda q: time_server.packet(q, NOW + 30 * YEAR), "an impossible time"),
    "just before the build": (lambda q: time_server.packet(q, BUILD - 1), "an impossible time"),
    "at the build": (lambda q: time_server.packet(q, BUILD), BUILD),
    "after 2036": (lambda q: time_server.packet(q, 2**32 - time_server.TO_1970 + 5), 2**32 - time_server.TO_1970 + 5),
    "in 2044": (lambda q: time_server.packet(q, NOW + 18 * YEAR), NOW + 18 * YEAR),
    "just too late": (lambda q: time_server.packet(q, BUILD + 20 * YEAR), "an impossible time"),
    "no time": (lambda q: time_server.packet(q, -time_server.TO_1970), "not answer with the time"),
    "short": (lambda q: time_server.packet(q, NOW)[:47], "not answer with the time"),
    "one byte": (lambda q: b"\x24", "not answer with the time"),
    "empty": (lambda q: b"", "not answer with the time"),
    "wrong nonce": (lambda q: time_server.packet(q, NOW, nonce=bytes(8)), "not answer with the time"),
    "kiss of death": (lambda q: time_server.packet(q, NOW, stratum=0), "not answer with the time"),
    "not synchronized": (lambda q: time_server.packet(q, NOW, stratum=16), "not answer with the time"),
    "a client": (lambda q: time_server.packet(q, NOW, mode=3), "not answer with the time"),
    "an echo": (lambda q: q, "not answer with the time"),
    "long": (lambda q: time_server.packet(q, NOW) + b"x" * 200, NOW),
    "silent": (lambda q: None, "does not answer ("),
}


def test_fault_27_answers_are_bounded(device):
    with contextlib.ExitStack() as stack:
        addresses = [stack.enter_context(time_server.TimeServer(answer)).address for answer, _ in LIES.values()]
        found = device.run("clocks", "servers", *addresses)
    for (name, (_, expected)), got in zip(LIES.items(), found, strict=True):
        if isinstance(expected, int):
            assert got == expected, name
        else:
            assert got[0] == "ClockError" and expected in got[1], (name, got)


def test_fault_27_ids_increase_after_a_lie(device, tmp_path):
    walls = [NOW, NOW + 19 * YEAR, NOW + 400, NOW + 30 * YEAR, NOW + 800, NOW - 30 * YEAR, BUILD, NOW + 19 * YEAR + 9]
    ids = device.run("clocks", "liar", tmp_path / "state", *walls)
    assert len(ids) == 300 * len(walls)
    assert all(b > a for a, b in zip(ids, ids[1:], strict=False))


def test_fault_28_the_clock_jumps(device, tmp_path):
    found = device.run("clocks", "jumps", tmp_path / "proc", tmp_path / "state")
    ids = found["ids"]
    assert len(ids) >= 19
    assert all(b > a for a, b in zip(ids, ids[1:], strict=False))
    assert all(300_000 <= ms <= 301_000 for ms in found["between"]), found["between"]
    assert found["status"]["accepted"] == len(ids) and found["status"]["errors"] == 0


@pytest.mark.parametrize("before", [1, 299_999, 300_001, 905_000, 1_815_000])
def test_fault_29_the_agents_ticks_wrap(device, tmp_path, before):
    found = device.run("clocks", "wrap", tmp_path / "proc", before)
    reports = found["reports"]
    assert found["accepted"] == len(reports) and len(reports) in (5, 6)
    assert reports[0] < 300_000
    assert all(300_000 <= b - a <= 301_000 for a, b in zip(reports, reports[1:], strict=False))
    # Three tries of 20 s on one connection, then it is given up and tried again.
    deaf = found["deaf"]
    assert [b - a for a, b in zip(deaf[:3], deaf[1:3], strict=False)] == [20_000, 20_000]
    assert "in time" in found["lost"]
    # Full jitter, doubling from 2 s to 600 s: in two hours not fewer than 12 tries and not more than 60.
    assert 12 <= found["retries"] <= 60 and found["outcome"] == "error"


@pytest.mark.parametrize("before", [1, 950_000, 14_000_000])
def test_fault_29_the_keep_alives_ticks_wrap(device, tmp_path, before):
    found = device.run("clocks", "wrap_quiet", tmp_path / "proc", before)
    assert found["connects"] == 1 and found["accepted"] >= 3
    between = [b - a for a, b in zip(found["pings"], found["pings"][1:], strict=False)]
    # Three quarters of 1200 s after the last packet, so before 1.5 times that is over.
    assert len(between) >= 40 and max(between) <= 1_800_000 and min(between) >= 899_000


@pytest.mark.parametrize("before", [100, 300, 5000])
def test_fault_29_the_links_deadline_wraps(device, before):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        waited = device.run("clocks", "wrap_link", silent.getsockname()[1], before)
    assert len(waited) == 4 and all(195 <= ms <= 600 for ms in waited), waited
