"""Faults 30 to 33: counters and the kernel's tables."""

import ctypes

import pytest

from linkpulse_tools import paths
from tests.faults.programs import Programs

ALL = ["listening_tcp_ports", "listening_udp_ports", "network_stats", "tcp_connections"]
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


@pytest.fixture(params=["sources", "compiled"])
def device(request, runtime, mpy_path, vendor):
    return Programs(runtime, paths.LIB if request.param == "sources" else mpy_path, vendor)


@pytest.fixture
def compiled(runtime, mpy_path, vendor):
    return Programs(runtime, mpy_path, vendor)


def test_fault_30_counters_wrap_reset_appear_and_disappear(device, tmp_path):
    found = device.run("tables", "counters", tmp_path / "proc")
    assert [(what, block and tuple(block)) for what, block in found] == [
        ("first", None),
        ("over 2^32", (300, 300, 300, 300)),
        ("lost", (100, 100, 100, 100)),
        ("after the lost one", (150, 150, 150, 150)),
        ("reset", (0, 0, 0, 0)),
        ("after the reset", (20, 20, 20, 20)),
        ("reset of bytes in only", (0, 0, 0, 0)),
        ("after that", (10, 1, 2, 3)),
        ("appears", (0, 0, 0, 0)),
        ("both", (2, 1, 1, 1)),
        ("disappears", (2, 0, 0, 0)),
        ("comes back", (1, 0, 0, 0)),
        ("both again", (7, 7, 7, 7)),
        ("none", (0, 0, 0, 0)),
        ("eth0 again", (0, 0, 0, 0)),
        ("huge", ((1 << 54) - 101, 0, 0, 0)),  # counted modulo 2**54
        ("64 bits wrap", (10, 0, 0, 0)),
    ]


def test_fault_30_a_wrap_is_believed_only_where_the_width_is_known(device):
    for width, before, now, difference, resets in device.run("tables", "widths"):
        assert difference >= 0
        if width == 32 and now >= 2**54:
            continue  # no such counter
        if now >= before:
            expected = now - before
        elif before < 2**32 and now + 2**32 - before < 2**31:
            expected = now + 2**32 - before
        elif now % 2**54 + 2**54 - before < 2**53:
            expected = now + 2**54 - before if width == 64 else None
        else:
            expected = None
        assert (difference, resets) == ((0, 1) if expected is None else (expected, 0)), (width, before, now)


def test_fault_31_the_first_report_after_boot_has_no_network_stats(device, tmp_path):
    for blocks, second in device.run("tables", "boots", tmp_path / "proc"):
        assert len(blocks) == 3 and "network_stats" not in blocks and "ns" not in blocks
        assert second == [5, 5, 10, 15]


def test_fault_32_bad_rows_are_skipped_and_counted(device, tmp_path):
    for name, file, skipped, kept, ports, read in device.run("tables", "malformed", tmp_path / "proc"):
        assert read, (name, file)
        assert skipped == 1, (name, file, skipped)
        assert kept == (0 if file == "udp" else 1), (name, file)
        assert ports == [[8080, "eth0"]], (name, file)


def test_fault_32_unusual_tables(device, tmp_path):
    found = device.run("tables", "shapes", tmp_path / "proc")
    usual = [[[8080, "eth0"]], [], [["203.0.113.9:443", 50000, "eth0"]], True]
    for name in ("a huge number", "extra columns", "no padding", "cut in a row"):
        assert found[name] == [0, *usual], name
    for name in ("header only", "empty", "other states", "udp connected", "no header's end"):
        assert found[name] == [0, [], [], [], True], name
    assert found["cut before the state"] == [1, usual[0], [], [], True]
    assert found["a line without end"] == [1, *usual]
    assert found["a long line between"] == [1, *usual]
    assert found["wildcards"] == [0, [[22, None], [80, None]], [], [], True]
    assert found["udp state 07"] == [0, [], [[53, None], [5353, "eth0"]], [], True]
    assert found["udp6"] == [0, [], [[547, "eth0"], [5683, None]], [], True]
    assert found["tcp6"] == [0, [[443, None]], [], [["[2001:db8::9]:443", 50000, "eth0"]], True]
    assert found["mapped"] == [0, [], [], [["203.0.113.9:443", 50000, "eth0"]], True]


def test_fault_32_bad_lines_of_counters(device, tmp_path):
    for bad, skipped, difference in device.run("tables", "devices", tmp_path / "proc"):
        assert skipped == 2, bad
        assert difference == [300, 300, 300, 300], bad


WITHOUT = {
    "tcp": ["listening_udp_ports", "network_stats"],
    "tcp6": ["listening_udp_ports", "network_stats"],
    "udp": ["listening_tcp_ports", "network_stats", "tcp_connections"],
    "udp6": ["listening_tcp_ports", "network_stats", "tcp_connections"],
    "dev": ["listening_tcp_ports", "listening_udp_ports", "tcp_connections"],
    "if_inet6": ALL,
    "route": ALL,
}


def check(found, gone=False):
    for file, (without, _, back) in found.items():
        # A kernel without IPv6 has no tcp6 and udp6: that is not a block that could not be read.
        assert without == (ALL if gone and file.endswith("6") else WITHOUT[file]), file
        assert back == ALL, file


@pytest.mark.parametrize("kind", ["gone", "folder"])
def test_fault_32_a_file_gone_and_back(device, tmp_path, kind):
    check(device.run("tables", "unreadable", tmp_path / "proc", kind), kind == "gone")


def test_fault_32_permission_denied(compiled, tmp_path):
    # Root may read everything, so there the program is started without the capabilities that let it.
    check(compiled.run("tables", "unreadable", tmp_path / "proc", "mode", preexec_fn=ordinary))


def ordinary():
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def test_fault_32_nothing_at_all(device, tmp_path):
    error, blocks = device.run("tables", "nothing", tmp_path / "proc")
    assert "there are neither sockets nor counters" in error
    assert blocks == ["listening_tcp_ports", "listening_udp_ports", "tcp_connections"]


@pytest.mark.parametrize("tags", ["long", "short"])
@pytest.mark.parametrize("format", ["cbor", "json"])
def test_fault_33_ten_thousand_connections(compiled, tmp_path, format, tags):
    found = compiled.run("tables", "many", tmp_path / "proc", 10_000, format, tags, 0, heap="4M")
    assert found["total"] == 10_000 and found["listed"] == 50
    assert found["bytes"] <= found["room"]
    check_uniform(found["parts"], 120 * 50)


def test_fault_33_a_small_buffer_takes_what_fits(compiled, tmp_path):
    found = compiled.run("tables", "many", tmp_path / "proc", 10_000, "cbor", "short", 1000, heap="4M")
    assert found["total"] == 10_000 and found["room"] == 1000
    assert 600 < found["bytes"] <= 1000 and 10 < found["listed"] < 50
    check_uniform(found["parts"], 120 * 50)


def check_uniform(parts, picks):
    """Pearson's chi-squared over ten equal parts: 9 degrees of freedom, under 37.3 but for one run in 40,000."""
    expected = picks / len(parts)
    assert sum(parts) == picks
    assert sum((part - expected) ** 2 / expected for part in parts) < 37.3, parts
