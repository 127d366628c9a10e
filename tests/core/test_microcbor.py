"""microcbor against RFC 8949: its own examples (appendix A), boundaries, and what a reader must refuse."""

import binascii
import struct
from check import DOUBLES, equal, raises, refused
from microcbor import ARRAY, INDEFINITE, MAP, NEGATIVE, SIMPLE, TEXT, UINT, Malformed, NoRoom, Reader, Writer


def write(call, value, size=64):
    w = Writer(bytearray(size))
    getattr(w, call)(value)
    return binascii.hexlify(bytes(w.result())).decode()


INTEGERS = (
    (0, "00"), (1, "01"), (10, "0a"), (23, "17"), (24, "1818"), (25, "1819"), (100, "1864"), (255, "18ff"),
    (256, "190100"), (1000, "1903e8"), (65535, "19ffff"), (65536, "1a00010000"), (1000000, "1a000f4240"),
    (0x3FFFFFFF, "1a3fffffff"), (0x40000000, "1a40000000"), (0x7FFFFFFF, "1a7fffffff"), (0x80000000, "1a80000000"),
    (0xFFFFFFFF, "1affffffff"), (0x100000000, "1b0000000100000000"), (1000000000000, "1b000000e8d4a51000"),
    (0xFFFFFFFFFFFFFFFF, "1bffffffffffffffff"),
)  # fmt: skip
NEGATIVES = (
    (-1, "20"), (-10, "29"), (-24, "37"), (-25, "3818"), (-100, "3863"), (-256, "38ff"), (-257, "390100"),
    (-1000, "3903e7"), (-65536, "39ffff"), (-65537, "3a00010000"), (-0x100000000, "3affffffff"),
    (-0x100000001, "3b0000000100000000"), (-0x10000000000000000, "3bffffffffffffffff"),
)  # fmt: skip


def test_integers_take_their_shortest_form():
    for n, expected in INTEGERS:
        equal(write("uint", n), expected)
        equal(write("int", n), expected)


def test_negative_integers():
    for n, expected in NEGATIVES:
        equal(write("int", n), expected)


def test_integers_read_back():
    for n, expected in INTEGERS + NEGATIVES:
        r = Reader(binascii.unhexlify(expected))
        equal(r.peek(), UINT if n >= 0 else NEGATIVE)
        equal(r.int(), n)
        equal(r.pos, len(expected) // 2)


def test_heads_of_maps_and_arrays():
    for n, expected in INTEGERS:
        if n < 0x100000000:
            equal(write("array", n), "%02x" % (int(expected[:2], 16) | 0x80) + expected[2:])
            equal(write("map", n), "%02x" % (int(expected[:2], 16) | 0xA0) + expected[2:])


def test_text_of_every_length_around_the_heads():
    for n, head in (
        (0, "60"),
        (1, "61"),
        (23, "77"),
        (24, "7818"),
        (32, "7820"),
        (33, "7821"),
        (255, "78ff"),
        (256, "790100"),
    ):
        text = bytes([97 + i % 26 for i in range(n)])
        equal(write("text", text, 300), head + binascii.hexlify(text).decode())


def test_text_of_the_rfc():
    for text, expected in (
        (b"", "60"), (b"a", "6161"), (b"IETF", "6449455446"), (b'"\\', "62225c"), (b"\xc3\xbc", "62c3bc"),
        (b"\xe6\xb0\xb4", "63e6b0b4"), (b"\xf0\x90\x85\x91", "64f0908591"),
    ):  # fmt: skip
        equal(write("text", text), expected)
        equal(bytes(Reader(binascii.unhexlify(expected)).text()), text)


def test_floats_that_four_bytes_hold():
    for x, expected in (
        (0.0, "fa00000000"), (-0.0, "fa80000000"), (1.0, "fa3f800000"), (1.5, "fa3fc00000"), (100000.0, "fa47c35000"),
        (-4.0, "fac0800000"), (float("inf"), "fa7f800000"), (float("-inf"), "faff800000"), (5, "fa40a00000"),
    ):  # fmt: skip
        equal(write("float", x), expected)


def test_nan_is_the_same_on_every_platform():
    infinity = float("inf")
    for x in (float("nan"), -float("nan"), infinity - infinity):
        equal(write("float", x), "fa7fc00000")


def test_floats_that_need_eight_bytes():
    if DOUBLES:
        for x, expected in (
            (1.1, "fb3ff199999999999a"), (-4.1, "fbc010666666666666"), (1.0e300, "fb7e37e43c8800759c"),
            (3.5e38, None), (1e-320, None),
        ):  # fmt: skip
            found = write("float", x)
            equal(found[:2], "fb")
            assert expected is None or found == expected, found


def test_the_largest_float_of_four_bytes():
    if DOUBLES:
        largest = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]  # some runtimes read the decimals one bit off
        equal(write("float", largest), "fa7f7fffff")
        equal(write("float", -largest), "faff7fffff")
        equal(write("float", 3.4028235e38)[:2], "fb")


def test_nested_items_of_the_rfc():
    w = Writer(bytearray(64))
    w.array(3)
    w.uint(1)
    for a, b in ((2, 3), (4, 5)):
        w.array(2)
        w.uint(a)
        w.uint(b)
    equal(bytes(w.result()), binascii.unhexlify("8301820203820405"))
    w.reset()
    w.map(2)
    w.text(b"a")
    w.uint(1)
    w.text(b"b")
    w.array(2)
    w.uint(2)
    w.uint(3)
    equal(bytes(w.result()), binascii.unhexlify("a26161016162820203"))
    w.reset()
    w.array(25)
    for i in range(1, 26):
        w.uint(i)
    equal(bytes(w.result()), binascii.unhexlify("98190102030405060708090a0b0c0d0e0f101112131415161718181819"))


def everything(w):
    w.map(3)
    w.text(b"numbers")
    w.array(6)
    for n in (0, 24, 256, 65536, 0x100000000):
        w.uint(n)
    w.int(-1000)
    w.text(b"floats")
    w.array(2)
    w.float(1.5)
    w.float(0.1)
    w.text(b"a text that is longer than thirty-two bytes")
    w.raw(b"\xf6")


def test_every_buffer_that_is_too_small_says_what_is_needed():
    for needed, room, e in refused(Writer, everything, NoRoom):
        equal((e.needed, e.room), (needed, room))
        assert str(needed) in str(e) and str(room) in str(e)
        assert isinstance(e, ValueError)


def test_a_writer_is_used_again_after_it_overflowed():
    w = Writer(bytearray(2))
    w.uint(1000)
    raises(NoRoom, w.result)
    w.reset()
    w.uint(24)
    equal(bytes(w.result()), b"\x18\x18")


# Appendix A, all of it that is one item, and what it is.
ITEMS = (
    "00 17 1818 1903e8 1a000f4240 1b000000e8d4a51000 1bffffffffffffffff c249010000000000000000 "
    "3bffffffffffffffff c349010000000000000000 20 3903e7 f90000 f98000 f93c00 fb3ff199999999999a f97bff fa47c35000 "
    "fa7f7fffff fb7e37e43c8800759c f90001 f97c00 f97e00 f9fc00 fa7f800000 fb7ff8000000000000 f4 f5 f6 f7 f0 f8ff "
    "c074323031332d30332d32315432303a30343a30305a c11a514b67b0 c1fb41d452d9e8200000 d74401020304 d818456449455446 "
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d 40 4401020304 60 6161 6449455446 62225c 62c3bc 63e6b0b4 "
    "64f0908591 80 83010203 8301820203820405 98190102030405060708090a0b0c0d0e0f101112131415161718181819 a0 "
    "a201020304 a26161016162820203 826161a161626163 a56161614161626142616361436164614461656145 5f42010243030405ff "
    "7f657374726561646d696e67ff 9fff 9f018202039f0405ffff 9f01820203820405ff 83018202039f0405ff 83019f0203ff820405 "
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff bf61610161629f0203ffff 826161bf61626163ff "
    "bf6346756ef563416d7421ff"
).split()


def test_every_item_of_the_rfc_is_skipped_whole():
    for item in ITEMS:
        r = Reader(binascii.unhexlify(item + "00"))
        r.skip()
        equal((item, r.pos), (item, len(item) // 2))


def test_every_truncation_is_malformed():
    for item in ITEMS:
        whole = binascii.unhexlify(item)
        for n in range(len(whole)):
            raises(Malformed, Reader(whole[:n]).skip)


def test_views_are_read_as_bytes_are():
    r = Reader(memoryview(b"\xa1\x61a\x18\x2a"))
    equal(r.map(), 1)
    equal(bytes(r.text()), b"a")
    equal(r.int(), 42)
    raises(Malformed, r.peek)


def test_hostile_lengths_are_refused_before_they_are_used():
    for head in (0x40, 0x60, 0x80, 0xA0):
        for length in ("18ff", "19ffff", "1affffffff", "1b7fffffffffffffff", "1bffffffffffffffff"):
            item = bytes([head | int(length[:2], 16)]) + binascii.unhexlify(length[2:]) + b"\0" * 20
            raises(Malformed, Reader(item).skip)
            raises(Malformed, Reader(item).text)
            raises(Malformed, Reader(item).array)
            raises(Malformed, Reader(item).map)


def test_a_map_that_promises_more_pairs_than_bytes():
    raises(Malformed, Reader(b"\xa2\0\0\0").map)
    equal(Reader(b"\xa2\0\0\0\0").map(), 2)
    raises(Malformed, Reader(b"\x83\0\0").array)


def test_nesting_is_bounded():
    for opener in (b"\x81", b"\x9f", b"\xc1", b"\xa1\0", b"\xbf\0"):
        raises(Malformed, Reader(opener * 8 + b"\0" * 9).skip)
        raises(Malformed, Reader(opener * 5000).skip)
    Reader(b"\x81" * 7 + b"\0").skip()
    Reader(b"\x81\x81\0", 3).skip()
    raises(Malformed, Reader(b"\x81\x81\0", 2).skip)


def test_indefinite_lengths():
    r = Reader(b"\x9f\x01\xbf\x61a\x02\xff\xff")
    equal(r.peek(), ARRAY)
    equal(r.array(), INDEFINITE)
    assert not r.at_break()
    equal(r.int(), 1)
    equal(r.peek(), MAP)
    equal(r.map(), INDEFINITE)
    equal(bytes(r.text()), b"a")
    equal(r.int(), 2)
    assert r.at_break() and r.at_break() and not r.at_break()
    raises(Malformed, Reader(b"\x7f\x61a\xff").text)


def test_heads_that_are_not_defined():
    for major in range(8):
        for low in (28, 29, 30):
            raises(Malformed, Reader(bytes([major << 5 | low]) + b"\0" * 16).skip)
    for item in (b"\x1f", b"\x3f", b"\xdf\0", b"\xff", b"\x82\x01\xff"):
        raises(Malformed, Reader(item).skip)


def test_another_type_than_the_one_asked_for():
    for item, kind in ((b"\x00", UINT), (b"\x61a", TEXT), (b"\x80", ARRAY), (b"\xa0", MAP), (b"\xf6", SIMPLE)):
        r = Reader(item)
        equal(r.peek(), kind)
        for name, wanted in (("int", UINT), ("text", TEXT), ("array", ARRAY), ("map", MAP)):
            if wanted != kind:
                raises(Malformed, getattr(r, name))
                equal(r.pos, 0)
