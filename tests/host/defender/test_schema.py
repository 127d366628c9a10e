"""The validator: valid reports pass, and every malformed one is refused for the right reason."""

import ipaddress
import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkpulse_tools.defender.schema import LONG, SHORT, validate
from tests.host.defender.reports import full, shorten

CONNECTIONS = "metrics.tcp_connections.established_connections"
FIRST = f"{CONNECTIONS}.connections.0"


def spoil(path: str, value):
    """The full report with the value at a dotted path replaced; ... removes it."""
    report = full()
    *parents, last = path.split(".")
    node = report
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    if value is ...:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return report


@pytest.mark.parametrize("fmt", ["cbor", "json"])
@pytest.mark.parametrize("tags", ["long", "short"])
def test_full_report_is_valid_and_read_back_with_long_tags(fmt, tags):
    report = full() if tags == "long" else shorten(full())
    payload = cbor2.dumps(report) if fmt == "cbor" else json.dumps(report).encode()
    verdict = validate(payload, fmt)
    assert verdict.problems == []
    assert (verdict.tags, verdict.report_id, verdict.report) == (tags, 1530304554, full())
    assert json.loads(verdict.long_json()) == full()


MALFORMED = [
    ("header", ..., "header is missing"),
    ("header", None, "header: a map is needed, not null"),
    ("header.report_id", ..., "report_id is missing"),
    ("header.report_id", 0, "0 is not between 1"),
    ("header.report_id", -5, "-5 is not between 1"),
    ("header.report_id", "7", "an integer is needed, not text"),
    ("header.report_id", 7.0, "an integer is needed, not a float"),
    ("header.report_id", True, "an integer is needed, not true or false"),
    ("header.report_id", 2**63, "is not between"),
    ("header.version", ..., "version is missing"),
    ("header.version", 1.0, "text is needed, not a float"),
    ("header.version", "1", "Major.Minor"),
    ("header.version", "1.0.0", "Major.Minor"),
    ("header.version", "1.0\n", "Major.Minor"),
    ("header.extra", 1, "unknown key 'extra'"),
    ("extra", 1, "unknown key 'extra'"),
    ("metrics", None, "metrics: a map is needed, not null"),
    ("metrics", [], "metrics: a map is needed, not an array"),
    ("metrics.cpu", 1, "unknown key 'cpu'"),
    ("metrics.header", {}, "unknown key 'header'"),
    ("metrics.network_stats", None, "a map is needed, not null"),
    ("metrics.network_stats.bytes_in", -1, "-1 is not between 0"),
    ("metrics.network_stats.bytes_in", 1.5, "not a float"),
    ("metrics.network_stats.bytes_out", None, "not null"),
    ("metrics.network_stats.total", 1, "unknown key 'total'"),
    (f"{CONNECTIONS}.total", 1, "total 1 is less than the 2 listed"),
    (f"{CONNECTIONS}.total", -1, "-1 is not between 0"),
    (f"{CONNECTIONS}.connections", {}, "an array is needed, not a map"),
    (FIRST, "192.0.2.7:443", "a map is needed, not text"),
    (f"{FIRST}.remote_addr", ..., "remote_addr is missing"),
    (f"{FIRST}.local_port", "47602", "an integer is needed, not text"),
    (f"{FIRST}.local_port", 65536, "65536 is not between 0 and 65535"),
    (f"{FIRST}.local_interface", None, "text is needed, not null"),
    (f"{FIRST}.local_interface", "", "not the name of an interface"),
    (f"{FIRST}.local_interface", "0.0.0.0", "not the name of an interface"),
    (f"{FIRST}.remote_port", 443, "unknown key 'remote_port'"),
    ("metrics.listening_tcp_ports.total", 1, "total 1 is less than the 2 listed"),
    ("metrics.listening_tcp_ports.ports.0.port", ..., "port is missing"),
    ("metrics.listening_tcp_ports.ports.0.port", 0, "0 is not between 1 and 65535"),
    ("metrics.listening_tcp_ports.ports.0.port", 65536, "65536 is not between"),
    ("metrics.listening_tcp_ports.ports.0.interface", "0.0.0.0", "not the name of an interface"),
    ("metrics.listening_tcp_ports.ports.0.interface", "::", "not the name of an interface"),
    ("metrics.listening_tcp_ports.ports.0.interface", None, "text is needed, not null"),
    ("metrics.listening_tcp_ports.ports.0", {"pt": 22}, "short tag 'pt' among long ones"),
    ("metrics.listening_udp_ports", {"t": 0}, "short tag 't' among long ones"),
    ("custom_metrics", [], "a map is needed, not an array"),
    ("custom_metrics.aws:x", [{"number": 1}], "not a name for a custom metric"),
    ("custom_metrics.a b", [{"number": 1}], "not a name for a custom metric"),
    ("custom_metrics.temperature", {"number": 1}, "an array of one map"),
    ("custom_metrics.temperature", [], "an array of one map"),
    ("custom_metrics.temperature", [{"number": 1}, {"number": 2}], "an array of one map"),
    ("custom_metrics.temperature", [{"number": 1, "number_list": []}], "an array of one map"),
    ("custom_metrics.temperature", [{"numbers": 1}], "unknown kind 'numbers'"),
    ("custom_metrics.temperature", [{"number": "1"}], "a finite number is needed"),
    ("custom_metrics.temperature", [{"number": True}], "a finite number is needed"),
    ("custom_metrics.temperature", [{"number": 10**15}], "more than 15 digits"),
    ("custom_metrics.names", [{"string_list": ["a", 1]}], "text is needed, not an integer"),
    ("custom_metrics.peers", [{"ip_list": ["192.0.2.1:80"]}], "not an address"),
    ("custom_metrics.peers", [{"ip_list": ["2001:DB8::"]}], "not an address"),
]


@pytest.mark.parametrize("fmt", ["cbor", "json"])
@pytest.mark.parametrize("path,value,problem", MALFORMED, ids=[f"{p}={v!r}"[:70] for p, v, _ in MALFORMED])
def test_malformed_report_is_refused_with_its_reason(fmt, path, value, problem):
    report = spoil(path, value)
    verdict = validate(cbor2.dumps(report) if fmt == "cbor" else json.dumps(report).encode(), fmt)
    assert any(problem in found for found in verdict.problems), verdict.problems
    assert len(verdict.problems) == 1


BAD_ENDPOINTS = [
    "192.0.2.7",
    "192.0.2.7:",
    "192.0.2.7:65536",
    "192.0.2.7:0443",
    "192.0.2.007:443",
    "192.0.2.256:443",
    "[192.0.2.7]:443",
    "2001:db8::1:443",
    "[2001:DB8::1]:443",
    "[2001:db8:0:0:0:0:0:1]:443",
    "[2001:0db8::1]:443",
    "[::ffff:192.0.2.7]:443",
    "[::ffff:c000:207]:443",
    "[fe80::1%eth0]:443",
    "example.com:443",
    "192.0.2.7:443 ",
    "",
]


@pytest.mark.parametrize("text", BAD_ENDPOINTS)
def test_remote_address_that_is_not_canonical_is_refused(text):
    verdict = validate(cbor2.dumps(spoil(f"{FIRST}.remote_addr", text)), "cbor")
    assert len(verdict.problems) == 1
    assert "remote_addr" in verdict.problems[0]


@pytest.mark.parametrize("text", ["192.0.2.7:0", "[::1]:65535", "[2001:db8::1:0:0:1]:1", "0.0.0.0:1", "[64:ff9b::1]:9"])
def test_canonical_remote_address_is_accepted(text):
    assert validate(cbor2.dumps(spoil(f"{FIRST}.remote_addr", text)), "cbor").ok


@pytest.mark.parametrize("long", sorted(SHORT))
def test_one_long_tag_in_a_short_report_is_refused_at_every_level(long):
    def lengthen(value):
        if isinstance(value, list):
            return [lengthen(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {long if LONG.get(k) == long else k: lengthen(v) for k, v in value.items()}

    verdict = validate(cbor2.dumps(lengthen(shorten(full()))), "cbor")
    assert verdict.problems
    assert all(f"long tag {long!r} among short ones" in problem for problem in verdict.problems)


def test_same_block_with_both_tags_is_refused():
    report = full()
    report["metrics"]["ns"] = {"bi": 1}
    assert any("twice" in problem for problem in validate(cbor2.dumps(report), "cbor").problems)


def test_report_without_any_metrics_is_refused():
    verdict = validate(cbor2.dumps({"header": {"report_id": 1, "version": "1.0"}}), "cbor")
    assert verdict.problems == ["report: neither metrics nor custom_metrics"]


def test_custom_metrics_alone_are_enough():
    assert validate(b'{"hed":{"rid":1,"v":"1.0"},"cmet":{"x":[{"number":1}]}}', "json").ok


HEADER = b'"header":{"report_id":1,"version":"1.0"}'
BROKEN = [
    ("json", b"", "JSON"),
    ("json", b"[]", "a map is needed"),
    ("json", b"null", "not null"),
    ("json", b"{" + HEADER + b',"metrics":{}} x', "Extra data"),
    ("json", b"{" + HEADER + b',"metrics":{},"metrics":{}}', "'metrics' occurs twice"),
    ("json", b"{" + HEADER + b',"custom_metrics":{"x":[{"number":NaN}]}}', "NaN is not JSON"),
    ("json", b"{" + HEADER + b',"custom_metrics":{"x":[{"number":-Infinity}]}}', "-Infinity is not JSON"),
    ("json", b"{" + HEADER + b',"custom_metrics":{"x":[{"number":1e999}]}}', "a finite number"),
    ("json", b"\xef\xbb\xbf{" + HEADER + b',"metrics":{}}', "BOM"),
    ("json", b'{"\xff":1}', "utf-8"),
    ("json", b"[" * 100_000, "JSON"),
    ("json", b'{"header":{"report_id":' + b"9" * 5000 + b"}}", "JSON"),
    ("cbor", b"", "CBOR"),
    ("cbor", b"\xff", "CBOR"),
    ("cbor", b"\x80", "a map is needed"),
    ("cbor", cbor2.dumps(full())[:-1], "CBOR"),
    ("cbor", cbor2.dumps(full()) + b"\x00", "1 bytes after the value"),
    ("cbor", bytes.fromhex("a2636d6574a0636d6574a0"), "duplicate"),
    ("cbor", bytes.fromhex("bf636d6574a0636d6574a0ff"), "duplicate"),
    ("cbor", b"\x81" * 1000, "CBOR"),
    (
        "cbor",
        bytes.fromhex("a1636865 64".replace(" ", ""))
        + bytes.fromhex("a2637269 64c24101 6176 63312e30".replace(" ", "")),
        "tag",
    ),
    ("cbor", cbor2.dumps({**full(), 1: 2}), "key 1 is not text"),
    ("cbor", cbor2.dumps({**full(), b"x": 2}), "is not text"),
    ("json", b" " * (128 * 1024 + 1), "at most 131072"),
]


@pytest.mark.parametrize("fmt,payload,problem", BROKEN, ids=range(len(BROKEN)))
def test_broken_bytes_are_refused_with_their_reason(fmt, payload, problem):
    verdict = validate(payload, fmt)
    assert any(problem.lower() in found.lower() for found in verdict.problems), verdict.problems


def test_indefinite_lengths_are_valid_but_noted():
    payload = bytes.fromhex("bf") + cbor2.dumps(full())[1:] + bytes.fromhex("ff")
    verdict = validate(payload, "cbor")
    assert (verdict.problems, verdict.notes) == ([], ["indefinite lengths"])


def test_every_problem_of_a_report_is_named():
    report = full()
    report["header"]["report_id"] = None
    report["metrics"]["network_stats"]["bytes_in"] = -1
    report["x"] = 1
    assert len(validate(cbor2.dumps(report), "cbor").problems) == 3


@given(st.binary(max_size=200), st.sampled_from(["cbor", "json"]))
def test_no_bytes_raise(payload, fmt):
    validate(payload, fmt)


ports = st.integers(1, 65535)
names = st.text("abz19.@-_", min_size=1, max_size=15)
four = st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n)))
six = st.integers(2**64, 2**128 - 1).map(lambda n: f"[{ipaddress.IPv6Address(n)}]")
connection = st.builds(
    lambda ip, port, rest: {"remote_addr": f"{ip}:{port}", **rest},
    four | six,
    st.integers(0, 65535),
    st.fixed_dictionaries({}, optional={"local_port": st.integers(0, 65535), "local_interface": names}),
)
listener = st.fixed_dictionaries({"port": ports}, optional={"interface": names})


def block(name, rows):
    def build(items, extra):
        return {name: items, **({} if extra is None else {"total": len(items) + extra})}

    return st.builds(build, st.lists(rows, max_size=5), st.none() | st.integers(0, 1000))


counts = st.integers(0, 2**63 - 1)
reports = st.fixed_dictionaries(
    {
        "header": st.fixed_dictionaries({"report_id": st.integers(1, 2**53), "version": st.just("1.0")}),
        "metrics": st.fixed_dictionaries(
            {},
            optional={
                "tcp_connections": st.fixed_dictionaries(
                    {}, optional={"established_connections": block("connections", connection)}
                ),
                "listening_tcp_ports": block("ports", listener),
                "listening_udp_ports": block("ports", listener),
                "network_stats": st.fixed_dictionaries(
                    {}, optional=dict.fromkeys(["bytes_in", "bytes_out", "packets_in", "packets_out"], counts)
                ),
            },
        ),
    }
)


@given(reports, st.booleans(), st.booleans())
def test_generated_report_is_accepted_in_every_writing(report, short, as_cbor):
    written = shorten(report) if short else report
    payload = cbor2.dumps(written) if as_cbor else json.dumps(written).encode()
    verdict = validate(payload, "cbor" if as_cbor else "json")
    assert verdict.problems == []
    assert verdict.report == report
