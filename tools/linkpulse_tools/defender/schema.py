"""Checks strictly whether a report is valid for Device Defender: types, tags, addresses, totals, and unknown keys."""

import json
import math
import re
from dataclasses import dataclass, field

from linkpulse_tools.defender.address import is_address, is_endpoint, is_interface
from linkpulse_tools.defender.decode import DecodeError, decode

PAYLOAD_LIMIT = 128 * 1024
INTEGER_LIMIT = 2**63 - 1
NUMBER_LIMIT = 10**15  # custom numbers have up to 15 digits
SHORT = {
    "header": "hed",
    "report_id": "rid",
    "version": "v",
    "metrics": "met",
    "custom_metrics": "cmet",
    "tcp_connections": "tc",
    "established_connections": "ec",
    "connections": "cs",
    "remote_addr": "rad",
    "local_port": "lp",
    "local_interface": "li",
    "listening_tcp_ports": "tp",
    "listening_udp_ports": "up",
    "ports": "pts",
    "port": "pt",
    "interface": "if",
    "total": "t",
    "network_stats": "ns",
    "bytes_in": "bi",
    "bytes_out": "bo",
    "packets_in": "pi",
    "packets_out": "po",
}
LONG = {short: long for long, short in SHORT.items()}
VERSION = re.compile(r"[0-9]+\.[0-9]+", re.ASCII)
METRIC_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}", re.ASCII)


@dataclass
class Verdict:
    """The result: `problems` (empty if the report is valid), `notes`, and the readable parts of the report with long
    tags."""

    problems: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    value: object = None
    report: dict = field(default_factory=dict)
    tags: str | None = None

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def report_id(self) -> int | None:
        """The report's id if it has a usable one. An invalid report may have one, too."""
        header = self.report.get("header")
        return header.get("report_id") if isinstance(header, dict) else None

    def long_json(self) -> bytes:
        """The same report as compact JSON with long tags, to compare its size with."""
        return json.dumps(self.report, separators=(",", ":"), ensure_ascii=False).encode()


def validate(payload: bytes, fmt: str) -> Verdict:
    """Check one payload in "cbor" or "json". It raises nothing, whatever the payload contains."""
    verdict = Verdict()
    if len(payload) > PAYLOAD_LIMIT:
        verdict.problems.append(f"the payload has {len(payload)} bytes, at most {PAYLOAD_LIMIT} are allowed")
        return verdict
    try:
        verdict.value, verdict.notes = decode(bytes(payload), fmt)
    except DecodeError as error:
        verdict.problems.append(str(error))
        return verdict
    if not isinstance(verdict.value, dict):
        verdict.problems.append(f"report: a map is needed, not {_kind(verdict.value)}")
        return verdict
    verdict.tags = "short" if any(isinstance(k, str) and k in LONG for k in verdict.value) else "long"
    checker = Checker(verdict.problems, verdict.tags)
    verdict.report = checker.map(verdict.value, "", ROOT)
    if not {"metrics", "custom_metrics"} & verdict.report.keys():
        verdict.problems.append("report: neither metrics nor custom_metrics")
    return verdict


class Checker:
    """Goes through a value, collects problems, and returns the valid parts with long tags.

    A rule is a function f(checker, value, where).
    """

    def __init__(self, problems: list, tags: str):
        self.problems = problems
        self.tags = tags

    def bad(self, where: str, what: str) -> None:
        self.problems.append(f"{where or 'report'}: {what}")

    def map(self, value, where: str, rules: dict):
        """Check a map with these long names. Returns {long name: checked value}."""
        if not isinstance(value, dict):
            return self.bad(where, f"a map is needed, not {_kind(value)}")
        result = {}
        for key, item in value.items():
            name = self.name(key, where, rules)
            if name in result:
                self.bad(where, f"{name} occurs twice, with a long and a short tag")
            elif name:
                result[name] = rules[name](self, item, f"{where}.{name}" if where else name)
        for name in REQUIRED & rules.keys():
            if name not in result:
                self.bad(where, f"{name} is missing")
        if "total" in rules:
            self.total(result, where)
        return {name: item for name, item in result.items() if item is not None}

    def name(self, key, where: str, rules: dict) -> str | None:
        """The long name of a key, or None if the key does not belong here."""
        if not isinstance(key, str):
            return self.bad(where, f"key {key!r} is not text")
        long = LONG.get(key, key)
        if long not in rules:
            return self.bad(where, f"unknown key {key!r}")
        if (key in LONG) != (self.tags == "short"):
            self.bad(where, f"{'short' if key in LONG else 'long'} tag {key!r} among {self.tags} ones")
        return long

    def total(self, result: dict, where: str) -> None:
        rows = result.get("ports", result.get("connections"))
        total = result.get("total")
        if isinstance(rows, list) and total is not None and total < len(rows):
            self.bad(where, f"total {total} is less than the {len(rows)} listed")


def _integer(minimum: int, maximum: int = INTEGER_LIMIT):
    def rule(checker, value, where):
        if type(value) is not int:
            return checker.bad(where, f"an integer is needed, not {_kind(value)}")
        if not minimum <= value <= maximum:
            return checker.bad(where, f"{str(value)[:24]} is not between {minimum} and {maximum}")
        return value

    return rule


def _text(check, what: str):
    def rule(checker, value, where):
        if not isinstance(value, str):
            return checker.bad(where, f"text is needed, not {_kind(value)}")
        return value if check(value) else checker.bad(where, f"{value[:64]!r} is {what}")

    return rule


def _map(**rules):
    return lambda checker, value, where: checker.map(value, where, rules)


def _array(rule):
    def check(checker, value, where):
        if not isinstance(value, list):
            return checker.bad(where, f"an array is needed, not {_kind(value)}")
        return [rule(checker, item, f"{where}[{index}]") for index, item in enumerate(value)]

    return check


def _number(checker, value, where):
    if type(value) not in (int, float) or not math.isfinite(value):
        return checker.bad(where, f"a finite number is needed, not {_kind(value)}")
    return value if abs(value) < NUMBER_LIMIT else checker.bad(where, "a number of more than 15 digits")


def _custom(checker, value, where):
    """Check {"name": [{"number": 1}], ...}. Short tags do not change these names."""
    if not isinstance(value, dict):
        return checker.bad(where, f"a map is needed, not {_kind(value)}")
    result = {}
    for name, item in value.items():
        if not isinstance(name, str) or not METRIC_NAME.fullmatch(name) or name.startswith("aws:"):
            checker.bad(where, f"{name!r} is not a name for a custom metric")
        elif not isinstance(item, list) or len(item) != 1 or not isinstance(item[0], dict) or len(item[0]) != 1:
            checker.bad(f"{where}.{name}", "an array of one map with one key is needed")
        else:
            (kind, inner), *_ = item[0].items()
            if kind in CUSTOM_KINDS:
                result[name] = [{kind: CUSTOM_KINDS[kind](checker, inner, f"{where}.{name}.{kind}")}]
            else:
                checker.bad(f"{where}.{name}", f"unknown kind {kind!r}")
    return result


def _kind(value) -> str:
    """The name of a value's kind, for a message."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "an integer", float: "a float", str: "text", bytes: "bytes"}
    return names.get(type(value)) or {dict: "a map", list: "an array"}.get(type(value), type(value).__name__)


REQUIRED = {"header", "report_id", "version", "remote_addr", "port"}
_count = _integer(0)
_interface = _text(is_interface, "not the name of an interface")
_address = _text(is_address, "not an address in canonical form")
_ports = _map(ports=_array(_map(port=_integer(1, 65535), interface=_interface)), total=_count)
_connection = _map(
    remote_addr=_text(is_endpoint, 'not a canonical "ip:port" or "[ip]:port"'),
    local_port=_integer(0, 65535),
    local_interface=_interface,
)
CUSTOM_KINDS = {
    "number": _number,
    "number_list": _array(_number),
    "string_list": _array(_text(lambda text: True, "")),
    "ip_list": _array(_address),
}
ROOT = {
    "header": _map(report_id=_integer(1), version=_text(VERSION.fullmatch, 'not "Major.Minor"')),
    "metrics": _map(
        tcp_connections=_map(established_connections=_map(connections=_array(_connection), total=_count)),
        listening_tcp_ports=_ports,
        listening_udp_ports=_ports,
        network_stats=_map(bytes_in=_count, bytes_out=_count, packets_in=_count, packets_out=_count),
    ),
    "custom_metrics": _custom,
}
