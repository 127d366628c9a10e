"""Settings: every mistake at once, and what to do about it."""

import json
import os
import sys
from check import CUT_JSON_IS_NOTICED, equal, raises
from linkpulse.errors import LinkpulseError, SettingsError
from linkpulse.settings import Settings, load

GOOD = {"thing": "thing-1", "host": "broker.example", "ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}


def settings(**changes):
    values = dict(GOOD)
    values.update(changes)
    return Settings(values)


def problems(**changes):
    return str(raises(SettingsError, lambda: settings(**changes)))


def test_defaults():
    s = settings()
    equal(
        (s.thing, s.client_id, s.host, s.server_name, s.port),
        ("thing-1", "thing-1", "broker.example", "broker.example", 8883),
    )
    equal((s.interval, s.format, s.tags, s.connections, s.buffer), (300, "cbor", "short", 50, 0))
    equal((s.loopback, list(s.include), list(s.exclude), s.proc, s.state), (False, [], [], "/proc", "linkpulse.state"))
    equal((s.warnings, s.timeout, s.topic), ([], 30, ""))


def test_what_is_given_is_taken():
    s = settings(client_id="c", server_name="n", port=1, format="json", tags="long", include=["eth*"], loopback=True)
    equal((s.client_id, s.server_name, s.port, s.format, s.tags), ("c", "n", 1, "json", "long"))
    equal((s.include, s.loopback), (["eth*"], True))


def test_paths_are_relative_to_the_file():
    s = Settings(GOOD, "/etc/linkpulse")
    equal((s.ca, s.state), ("/etc/linkpulse/ca.pem", "/etc/linkpulse/linkpulse.state"))
    values = dict(GOOD)
    values["ca"] = "/ca.pem"
    values["state"] = ""
    s = Settings(values, "conf")
    equal((s.ca, s.key, s.state), ("/ca.pem", "conf/key.pem", ""))


def test_all_that_is_missing_is_said_at_once():
    said = str(raises(SettingsError, Settings, {}))
    for name in GOOD:
        assert name + ": is missing" in said
    assert "port" not in said


def test_without_a_broker_only_the_thing_is_needed():
    s = Settings({"thing": "t"}, "", False)
    equal((s.host, s.ca, s.client_id), ("", "", "t"))
    said = str(raises(SettingsError, Settings, {"port": 0}, "", False))
    assert "thing: is missing" in said and "port: " in said and "host" not in said


def test_all_mistakes_are_said_at_once():
    said = problems(port=0, format="xml", loopback="yes", include="eth0", intervall=5, thing="", connections=501)
    for part in ("port: ", "format: ", "loopback: ", "include: ", "intervall: ", "thing: ", "connections: "):
        assert part in said, (part, said)
    equal(said.count(";"), 6)


def test_a_mistyped_key_gets_a_suggestion():
    for typed, meant in (
        ("intervall", "interval"), ("Port", "port"), ("formt", "format"), ("tag", "tags"), ("hots", "host"),
        ("client-id", "client_id"), ("exlude", "exclude"),
    ):  # fmt: skip
        assert "did you mean %s?" % meant in problems(**{typed: 1}), typed
    assert "did you mean" not in problems(frequency=1)
    assert "did you mean" not in problems(**{"": 1})


def test_ranges():
    for name, low, high in (
        ("port", 1, 65535), ("interval", 1, 86400), ("timeout", 1, 300), ("connections", 0, 500), ("buffer", 0, 131072),
    ):  # fmt: skip
        for value in (low, high):
            settings(allow_short_interval=True, **{name: value})
        for value in (low - 1, high + 1, -1, 1.5, str(low), True, [], 10**12):
            said = problems(**{name: value})
            assert name + ": must be an integer from %d to %d" % (low, high) in said


def test_texts():
    for name, high in (("thing", 128), ("host", 253), ("topic", 220)):
        settings(**{name: "x" * high})
        for value in ("x" * (high + 1), 5, [], True):
            assert name + ": must be a text" in problems(**{name: value})
    assert "thing" in problems(thing="\xfc" * 65)  # bytes count, not letters
    settings(thing="\xfc" * 64)


def test_a_thing_with_control_characters():
    for bad in ("a\nb", "\0", "a\x1f"):
        assert "control characters" in problems(thing=bad)


def test_choices_and_lists():
    for bad in ("CBOR", "", 1, None, True, []):
        assert "format" in problems(format=bad)
        assert "tags" in problems(tags=bad)
    for bad in ("eth0", [1], [""], {"a": 1}, 5, ["eth0", None]):
        assert "include: must be a list" in problems(include=bad)
    for bad in (0, 1, "true", []):
        assert "loopback: must be true or false" in problems(loopback=bad)


def test_null_is_no_value():
    assert "host" in problems(host=None)
    assert "port" in problems(port=None)


def test_a_short_interval_is_raised_with_a_warning():
    s = settings(interval=5)
    equal(s.interval, 300)
    assert len(s.warnings) == 1 and "5 s" in s.warnings[0] and "300 s" in s.warnings[0]
    s = settings(interval=5, allow_short_interval=True)
    equal((s.interval, s.warnings), (5, []))
    equal(settings(interval=300).warnings, [])


def written(text):
    with open("settings-test.json", "wb") as f:
        f.write(text)
    try:
        return load("settings-test.json")
    finally:
        os.remove("settings-test.json")


def test_a_file():
    s = written(json.dumps(GOOD).encode())
    equal((s.thing, s.ca), ("thing-1", "ca.pem"))


def test_files_that_cannot_be_used():
    for text in (b"", b"{", b"[]", b"5", b"null", b'"x"', b'{"thing": }', b"\xff\xfe", b"thing = 1"):
        e = raises(SettingsError, written, text)
        # MicroPython takes a missing value for an empty map.
        lenient = text == b'{"thing": }' or (text == b"{" and not CUT_JSON_IS_NOTICED)
        assert "settings-test.json" in str(e) or lenient, str(e)
    if sys.implementation.name == "micropython":  # CPython's reader is at the end of the file
        for text, line in ((b'{\n "thing": x,\n "port": 1\n}', 2), (b'{"thing": 1,\n\n "host": "h}\n', 3)):
            assert "near line %d:" % line in str(raises(SettingsError, written, text))
    e = raises(SettingsError, load, "no-such-file.json")
    assert "no-such-file.json" in str(e) and isinstance(e, LinkpulseError)


def test_no_error_shows_another_value():
    said = problems(key="SECRET" * 100, port=0)
    assert "SECRET" not in said


def test_a_thing_that_would_be_a_wildcard():
    for bad in ("a+", "#", "a#b"):
        assert "thing: must be without" in problems(thing=bad)
        assert "topic: must be without" in problems(topic=bad)


def test_null_is_not_a_value():
    assert "port: must be an integer" in problems(port=None)
