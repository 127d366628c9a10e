"""Generated machines and documents: CBOR against cbor2, JSON against json, whole reports against a model."""

import ipaddress
import json
import math
import struct

import cbor2
import proc_root
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import microcbor
from linkpulse.errors import ProtocolError
from linkpulse.report import json_writer, response_cbor, response_json
from linkpulse.report.response import parse
from linkpulse.report.writer import ReportWriter
from linkpulse.sample.counters import Counters
from linkpulse_tools.defender.schema import validate

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6) | st.lists(st.sampled_from([0, 0, 1, 0xFFFF, 0x10]), min_size=8, max_size=8).map(
    lambda groups: ipaddress.ip_address(":".join(f"{group:x}" for group in groups))
)
v6 = v6.filter(lambda address: not address.ipv4_mapped)
mapped = v4.map(lambda address: ipaddress.ip_address(f"::ffff:{address}"))
port = st.integers(1, 65535)
state = st.sampled_from([1, 1, 1, 10, 10, 6, 8, 7])
interface = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=15).filter(
    lambda name: name != "lo"
)


def sockets(address):
    """(local address, port, remote address, port, state)"""
    return st.tuples(address, port, address, port, state)


def tables(*addresses):
    # Both ends of a socket are of one family.
    return st.lists(st.one_of([sockets(address) for address in addresses]), max_size=15)


machines = st.fixed_dictionaries(
    {
        "tcp": tables(v4),
        "tcp6": tables(v6, mapped),
        "udp": tables(v4),
        "udp6": tables(v6, mapped),
        "interfaces": st.dictionaries(v6, interface, max_size=5),
        "loopback": st.booleans(),
        "before": st.lists(st.integers(0, 2**53), min_size=4, max_size=4),
        "more": st.lists(st.integers(0, 2**52), min_size=4, max_size=4),
        "id": st.integers(1, 2**63 - 1),
    }
)


def plain(address):
    return getattr(address, "ipv4_mapped", None) or address


def own(m):
    """The IPv4 address of eth0, whose network is 128.0.0.0/1: one that a socket has."""
    found = (plain(local) for name in ("tcp", "tcp6", "udp", "udp6") for local, *_ in m[name])
    return next((a for a in found if a.version == 4 and 128 <= a.packed[0] < 224), None)


def files(m, totals):
    def rows(name):
        make = proc_root.row if name.startswith("tcp") else proc_root.udp
        return [make(a.exploded, p, b.exploded, q, s) for a, p, b, q, s in m[name]]

    found = {name: proc_root.table(proc_root.TCP, rows(name)) for name in ("tcp", "tcp6")}
    found.update({name: proc_root.table(proc_root.UDP, rows(name), 127) for name in ("udp", "udp6")})
    found["if_inet6"] = proc_root.inet6(*[(address.exploded, name) for address, name in m["interfaces"].items()])
    found["route"] = proc_root.route(("eth0", "128.0.0.0", "128.0.0.0"))
    addresses = [] if own(m) is None else [str(own(m))]
    found["fib_trie"] = proc_root.trie(*addresses) + b"  |-- 255.255.255.255\n     /32 link BROADCAST\n"
    found["dev"] = proc_root.dev(("eth0", *totals))
    return found


class Model:
    """The report by the rules of the specification, in Python's own terms."""

    def __init__(self, m):
        self.m = m

    def interface(self, address):
        if address.version == 6:
            return self.m["interfaces"].get(address)
        if address.packed[0] == 127:
            return "lo"
        return "eth0" if address == own(self.m) else None

    def rows(self, names, wanted):
        for name in names:
            for local, port, remote, remote_port, state in self.m[name]:
                local = plain(local)
                if state == wanted and (self.m["loopback"] or not local.is_loopback):
                    yield local, port, plain(remote), remote_port

    def ports(self, names, listen):
        found = set()
        for local, port, *_ in self.rows(names, listen):
            found.add((port, None if local.is_unspecified else self.interface(local)))
        return [{"port": port, **({"interface": name} if name else {})} for port, name in found]

    def connections(self):
        for local, port, remote, remote_port in self.rows(("tcp", "tcp6"), 1):
            name = self.interface(local)
            text = f"[{remote}]" if remote.version == 6 else str(remote)
            one = {"remote_addr": f"{text}:{remote_port}", "local_port": port}
            yield {**one, "local_interface": name} if name else one


def key(entry):
    return sorted((name, str(value)) for name, value in entry.items())


@settings(max_examples=120, deadline=None)
@given(machines)
def test_reports_of_generated_machines(m):
    before = m["before"]
    after = [a + b for a, b in zip(before, m["more"], strict=True)]
    c = proc_root.collector(files(m, before), loopback=m["loopback"])
    counters = Counters()
    c.counters(counters)
    c, table = proc_root.collect(files(m, after), 60, loopback=m["loopback"])
    c.counters(counters)
    assert c.skipped == 0
    reports = []
    for fmt in ("cbor", "json"):
        for tags in ("short", "long"):
            payload = bytes(ReportWriter(fmt, tags, 60, 20000).write(m["id"], counters, table))
            verdict = validate(payload, fmt)
            assert verdict.problems == [] and verdict.tags == tags
            reports.append(verdict.report)
            if fmt == "cbor":
                assert cbor2.loads(payload) == verdict.value
                assert cbor2.dumps(verdict.value) == payload  # definite lengths, shortest integers
            else:
                assert json.loads(payload) == verdict.value
                assert json.dumps(verdict.value, separators=(",", ":"), ensure_ascii=False).encode() == payload
    assert all(report == reports[0] for report in reports)
    report = reports[0]
    assert report["header"] == {"report_id": m["id"], "version": "1.0"}
    metrics = report["metrics"]
    bytes_in, packets_in, bytes_out, packets_out = m["more"]
    stats = {"bytes_in": bytes_in, "packets_in": packets_in, "bytes_out": bytes_out, "packets_out": packets_out}
    assert metrics["network_stats"] == stats
    model = Model(m)
    for block, ports in (
        ("listening_tcp_ports", model.ports(("tcp", "tcp6"), 10)),
        ("listening_udp_ports", model.ports(("udp", "udp6"), 7)),
    ):
        assert metrics[block]["total"] == len(ports)
        assert sorted(map(key, metrics[block]["ports"])) == sorted(map(key, ports))
        assert [p["port"] for p in metrics[block]["ports"]] == sorted(p["port"] for p in ports)
    connections = list(model.connections())
    established = metrics["tcp_connections"]["established_connections"]
    assert established["total"] == len(connections)
    assert sorted(map(key, established["connections"])) == sorted(map(key, connections))


integers = st.integers(-(2**64), 2**64 - 1) | st.sampled_from(
    [s * (2**n + d) for n in (5, 8, 16, 24, 30, 31, 32, 53, 63) for d in (-1, 0, 1) for s in (1, -1)]
)
documents = st.recursive(
    integers | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=30), inner, max_size=30),
    max_leaves=40,
)


def write(value, w, order=list):
    if isinstance(value, dict):
        w.map(len(value))
        for name in order(value):
            write(name, w)
            write(value[name], w, order)
    elif isinstance(value, list):
        w.array(len(value))
        for item in value:
            write(item, w, order)
    elif isinstance(value, str):
        w.text(value.encode())
    elif isinstance(value, float):
        w.float(value)
    elif value >= 0:
        w.uint(value)
    else:
        w.int(value)


def canonical(keys):
    """RFC 7049's order of keys, which cbor2 has: shorter ones first."""
    return sorted(keys, key=lambda name: (len(cbor2.dumps(name)), cbor2.dumps(name)))


def utf8(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


documents = documents.filter(utf8)


@settings(max_examples=200, deadline=None)
@given(documents)
def test_what_is_written_is_what_cbor2_writes(value):
    counting = microcbor.Writer()
    write(value, counting, canonical)
    w = microcbor.Writer(bytearray(counting.size))
    write(value, w, canonical)
    assert bytes(w.result()) == cbor2.dumps(value, canonical=True)


@settings(max_examples=200, deadline=None)
@given(documents)
@example({"a": [{}, [], [[]]], "b": {"": {}}})
def test_json_is_read_back(value):
    depth = 60
    counting = json_writer.Writer(None, depth)
    write(value, counting)
    w = json_writer.Writer(bytearray(counting.size), depth)
    write(value, w)
    assert json.loads(bytes(w.result())) == value


@settings(max_examples=200, deadline=None)
@given(st.floats())
@example(3.4028234663852886e38)
@example(3.4028235677973366e38)
@example(1.401298464324817e-45)
def test_floats_keep_their_value(x):
    w = microcbor.Writer(bytearray(9))
    w.float(x)
    payload = bytes(w.result())
    found = cbor2.loads(payload)
    assert (math.isnan(x) and math.isnan(found)) or (found == x and math.copysign(1, found) == math.copysign(1, x))
    exact = math.isnan(x) or (abs(x) <= 3.4028234663852886e38 or math.isinf(x)) and _narrow(x) == x
    assert len(payload) == (5 if exact else 9)


def _narrow(x):
    return struct.unpack(">f", struct.pack(">f", x))[0]


def read(r):
    """A document by the Reader's own methods."""
    kind = r.peek()
    if kind in (microcbor.UINT, microcbor.NEGATIVE):
        return r.int()
    if kind == microcbor.TEXT:
        return bytes(r.text()).decode()
    if kind == microcbor.ARRAY:
        return [read(r) for _ in range(r.array())]
    n = r.map()
    return {read(r): read(r) for _ in range(n)}


@settings(max_examples=200, deadline=None)
@given(documents)
def test_what_cbor2_writes_is_read(value):
    payload = cbor2.dumps(value)
    r = microcbor.Reader(payload)
    assert read(r) == value and r.pos == len(payload)
    r = microcbor.Reader(payload, 60)
    r.skip()
    assert r.pos == len(payload)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers() | st.text(max_size=9), inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(anything, st.booleans())
def test_anything_is_skipped_whole(value, indefinite):
    payload = cbor2.dumps(value, indefinite_containers=indefinite)
    r = microcbor.Reader(payload + b"\0", 60)
    r.skip()
    assert r.pos == len(payload)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_are_read_or_malformed(payload):
    for method in ("skip", "map", "array", "text", "int", "peek"):
        r = microcbor.Reader(payload)
        try:
            getattr(r, method)()
        except microcbor.Malformed:
            pass
        assert 0 <= r.pos <= len(payload) or method != "skip"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120) | anything.map(cbor2.dumps), st.booleans())
def test_any_payload_is_a_response_or_a_protocol_error(payload, is_cbor):
    try:
        parse("rejected", payload, (response_cbor if is_cbor else response_json).fields, (5,))
    except ProtocolError:
        pass


@pytest.mark.parametrize("value", [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1])
def test_boundaries_are_cbor2s(value):
    w = microcbor.Writer(bytearray(9))
    w.uint(value)
    assert bytes(w.result()) == cbor2.dumps(value)
