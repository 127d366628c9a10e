"""`make run TARGET=qemu` and what it stands on: the agent frozen in, in 64 KB of heap, its firmware made once."""

import json
import os
import subprocess
import sys
import types

import pytest

from linkpulse_tools import paths
from linkpulse_tools.build import firmware
from linkpulse_tools.device.qemu_board import HOST
from linkpulse_tools.errors import ToolError
from tests.bench import qemu as bench


@pytest.fixture(scope="module")
def elf(make_board):
    with make_board("agent") as board:  # skips where it cannot be made
        assert board.value("(__import__('gc').mem_free() + __import__('gc').mem_alloc()) // 1000") == 64
    return firmware.FOLDERS["agent"] / "firmware.elf"


@pytest.mark.parametrize("more", [[], ["--format", "json", "--tags", "long"]])
def test_three_reports_are_accepted(elf, more):
    command = [sys.executable, "-m", "linkpulse_tools", "run", "--target", "qemu", "--count", "3", "--interval", "1"]
    env = {**os.environ, "PYTHONPATH": str(paths.ROOT / "tools")}
    done = subprocess.run([*command, "--json", *more], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["status"] for one in told] == ["accepted"] * 3
    ids = [one["report_id"] for one in told]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    for one in told:
        metrics = one["report"]["metrics"]
        connections = metrics["tcp_connections"]["established_connections"]
        assert connections["total"] == 1 and connections["connections"][0]["remote_addr"].startswith(HOST + ":")
        assert connections["connections"][0]["local_interface"] == "en1"
        assert [port["port"] for port in metrics["listening_udp_ports"]["ports"]] == [68]
        assert metrics["listening_tcp_ports"]["total"] == 0
        # They count from the board's start, so that the first report has them: what DHCP and the handshake took.
        assert metrics["network_stats"]["bytes_out"] > 100 and metrics["network_stats"]["packets_in"] > 1
        assert 40000 < one["heap"] < firmware.HEAP
    assert told[0]["report"]["metrics"]["network_stats"]["bytes_in"] > 1500
    assert "lwipstat" in told[0]["device"].get("source", "lwipstat")


def test_twenty_connections_in_60_kb(elf, tmp_path):
    with bench.Host(tmp_path) as host:
        assert bench.passes(host, elf, 60 * 1024)


def test_heap_does_not_grow(elf, tmp_path):
    with bench.Host(tmp_path) as host:
        found = bench.phases(host, elf, 300, lambda text: None)
    used, largest = ([one[name] for one in found["rounds"]] for name in ("used", "largest"))
    assert used[-1] <= used[0] and largest[-1] >= largest[0]
    assert found["steady"] <= bench.STEADY


def test_firmware_is_made_once(elf, monkeypatch):
    def never(*_):
        raise AssertionError("it was built again")

    monkeypatch.setattr(firmware, "script", never)
    assert firmware.ensure("agent") == elf


def test_firmware_whose_sources_were_just_fetched_is_made_once(monkeypatch, tmp_path):
    def sources():
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src/fetched").write_text("1.25")

    def build(out, *_):
        out.mkdir(exist_ok=True)
        (out / "firmware.elf").touch()
        return out / "firmware.elf"

    fake = types.SimpleNamespace(install=lambda: None, sources=sources, build=build, BuildError=OSError)
    monkeypatch.setattr(firmware, "script", lambda name: fake)
    monkeypatch.setattr(firmware, "FOLDERS", {"plain": tmp_path / "plain"})
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    said = []
    for _ in range(2):
        firmware.ensure("plain", progress=said.append)
    assert said == ["building the firmware (plain)"]


def test_without_a_checkout_nothing_is_said_to_be_built(monkeypatch, tmp_path):
    monkeypatch.setattr(firmware, "BOARD", tmp_path / "none")
    monkeypatch.setattr(firmware, "FOLDERS", {"plain": tmp_path / "plain"})
    said = []
    with pytest.raises(ToolError, match="needs a checkout"):
        firmware.ensure("plain", progress=said.append)
    assert said == []


def test_without_the_tools_it_is_unavailable(monkeypatch, tmp_path):
    build = firmware.script("build")
    monkeypatch.setattr(build, "install", lambda: (_ for _ in ()).throw(build.BuildError("the firmware needs a gcc")))
    monkeypatch.setattr(firmware, "script", lambda name: build)
    monkeypatch.setattr(firmware, "FOLDERS", {"plain": tmp_path})
    with pytest.raises(firmware.Unavailable, match="needs a gcc"):
        firmware.ensure("plain")


def test_without_qemu_it_is_unavailable(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(firmware.Unavailable, match="qemu-system-arm"):
        firmware.qemu()
