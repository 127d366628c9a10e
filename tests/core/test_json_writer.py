"""The JSON writer: what it writes is what a JSON reader reads, byte for byte where there is one way only."""

import json
from check import DOUBLES, equal, raises, refused
from encode import encode
from linkpulse.report.json_writer import Writer
from linkpulse.errors import TooLarge
from microcbor import Writer as CborWriter


def text(value, size=400):
    return bytes(encode(Writer(bytearray(size)), value).result()).decode()


VALUES = (
    {}, [], 0, "", [[]], [{}], [[], []], [{}, {}, []], {"a": {}}, {"a": []}, {"a": {}, "b": []}, {"a": [], "b": 1},
    [1, [2, [3, [4, [5]]]], 6], {"a": {"b": {"c": [{"d": 1}, {"e": []}]}}, "f": [[], 1, {}]}, [[[[[[[]]]]]]],
    [{"a": 1}, {"a": 2, "b": [1, 2, 3]}, {}], {"a": [{}, {"b": {}}], "c": "d"},
)  # fmt: skip


def test_structures_are_read_back():
    for value in VALUES:
        equal(json.loads(text(value)), value)


def test_no_byte_more_than_needed():
    for value in VALUES:
        assert " " not in text(value) and "\n" not in text(value)
    equal(text([1, {}, [], "x", {"a": []}]), '[1,{},[],"x",{"a":[]}]')


def test_what_comes_after_a_closed_level():
    equal(text([[[]], 1]), "[[[]],1]")
    equal(text([{"a": [{}]}, 1]), '[{"a":[{}]},1]')


def test_every_control_character_is_escaped():
    for c in range(0x20):
        equal(text(chr(c)), '"\\u00%02x"' % c)
        equal(json.loads(text("a" + chr(c) + "b")), "a" + chr(c) + "b")
    equal(text('a"b'), '"a\\"b"')
    equal(text("a\\b"), '"a\\\\b"')
    equal(text('a"b\\c'), '"a\\"b\\\\c"')
    equal(text("\x7f \xfc \u6c34/"), '"\x7f \xfc \u6c34/"')


def test_keys_are_escaped_too():
    equal(json.loads(text({'a"\n': 1, "\\": [2]})), {'a"\n': 1, "\\": [2]})


def test_long_texts():
    for n in (31, 32, 33, 200):
        equal(text("x" * n), '"' + "x" * n + '"')


NUMBERS = (
    0, 1, 9, 10, 11, 99, 100, 65535, 0x3FFFFFFF, 0x40000000, 999999999, 1000000000, 0x7FFFFFFF, 0x80000000,
    0xFFFFFFFF, 0x100000000, 10**15, 0xFFFFFFFFFFFFFFFF,
)  # fmt: skip


def test_integers():
    for n in NUMBERS:
        equal(text(n), str(n))
        if n:
            equal(text(-n), str(-n))
    equal(text([-1, 0, 1]), "[-1,0,1]")


def test_int_of_a_positive_number():
    w = Writer(bytearray(20))
    w.int(1234567890)
    equal(bytes(w.result()), b"1234567890")


def test_floats():
    for x in (0.5, -1.5, 1e30, 2.0, 1e-9):
        found = json.loads(text(x))
        assert abs(found - x) <= abs(x) * (1e-12 if DOUBLES else 1e-5), (found, x)
    equal(json.loads(text([0.5, 0.25])), [0.5, 0.25])


def test_floats_that_json_does_not_have():
    for x in (float("inf"), float("-inf"), float("nan")):
        assert "leave" in str(raises(ValueError, Writer(bytearray(20)).float, x))


def everything(w):
    encode(w, {"a": [1, -2, {"b": "c\n", "d": []}], "e": "x" * 40, "f": 0.5})


def test_every_buffer_that_is_too_small_says_what_is_needed():
    for needed, room, e in refused(Writer, everything, TooLarge):
        equal(str(e), "%d bytes do not fit in a buffer of %d" % (needed, room))


def test_reset_starts_over_in_the_middle_of_a_level():
    w = Writer(bytearray(40))
    w.map(2)
    w.text(b"a")
    w.reset()
    w.array(2)
    w.uint(1)
    w.uint(2)
    equal(bytes(w.result()), b"[1,2]")


def test_it_has_the_methods_of_the_cbor_writer():
    for name in dir(CborWriter):
        if not name.startswith("_"):
            assert hasattr(Writer, name), name
