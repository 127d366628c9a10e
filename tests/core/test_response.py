"""What a broker answers: both formats, both published forms, and every way to spoil them."""

import json
from check import CUT_JSON_IS_NOTICED, equal, raises
from encode import encode
from linkpulse.errors import ProtocolError
from linkpulse.report.response import MAX_SIZE, parse
from linkpulse.report import response_cbor, response_json
from microcbor import Writer

ID = 1700000000


def read(status, payload, is_cbor, expected):
    return parse(status, payload, (response_cbor if is_cbor else response_json).fields, (expected,))


def cbor(value):
    return bytes(encode(Writer(bytearray(1500)), value).result())


def text(value):
    return json.dumps(value).encode()


ACCEPTED = {"thingName": "thing-1", "reportId": ID, "status": "ACCEPTED", "timestamp": 1700000000123}
DETAILS = {"ErrorCode": "InvalidPayload", "ErrorMessage": "Invalid payload format"}
REJECTED = {
    "thingName": "thing-1",
    "reportId": ID,
    "status": "REJECTED",
    "statusDetails": DETAILS,
    "timestamp": 1700000000123,
}
BY_KEY = {"thingName": "thing-1", str(ID): 1700000000123, "status": "ACCEPTED"}


def both(status, value, expected=ID):
    """The fields of the response, which both formats must agree on."""
    found = [read(status, make(value), make is cbor, expected) for make in (text, cbor)]
    fields = [(r.status, r.report_id, r.code, r.message) for r in found]
    equal(fields[0], fields[1])
    assert not found[0].matches
    return fields[0]


def test_accepted():
    equal(both("accepted", ACCEPTED), ("accepted", ID, None, None))


def test_accepted_with_the_id_as_a_key():
    equal(both("accepted", BY_KEY), ("accepted", ID, None, None))
    equal(both("accepted", BY_KEY, ID + 1), ("accepted", None, None, None))
    equal(both("accepted", BY_KEY, None), ("accepted", None, None, None))


def test_accepted_for_another_report():
    equal(both("accepted", ACCEPTED, 5), ("accepted", ID, None, None))


def test_both_forms_in_one():
    value = dict(BY_KEY)
    value["reportId"] = 7
    equal(both("accepted", value), ("accepted", 7, None, None))


def test_rejected():
    equal(both("rejected", REJECTED), ("rejected", ID, "InvalidPayload", "Invalid payload format"))


def test_rejected_without_an_id():
    value = dict(REJECTED)
    del value["reportId"]
    equal(both("rejected", value), ("rejected", None, "InvalidPayload", "Invalid payload format"))


def test_rejected_without_details():
    equal(both("rejected", {"status": "REJECTED"}), ("rejected", None, None, None))
    equal(both("rejected", {}), ("rejected", None, None, None))
    for details in (None, 5, "text", [], {}, {"ErrorCode": 5, "ErrorMessage": []}, {"Other": {"ErrorCode": "no"}}):
        equal(both("rejected", {"reportId": 3, "statusDetails": details}), ("rejected", 3, None, None))


def test_a_code_that_nobody_has_seen_yet():
    details = {"ErrorCode": "Überlast\n", "ErrorMessage": "\u6c34"}
    equal(both("rejected", {"statusDetails": details}), ("rejected", None, "Überlast\n", "\u6c34"))


def test_codes_only_count_in_their_place():
    value = {"ErrorCode": "outside", "a": {"reportId": 5, "ErrorCode": "deep"}, "b": [{"reportId": 6}]}
    equal(both("rejected", value), ("rejected", None, None, None))


def test_an_acceptance_has_no_code():
    equal(both("accepted", REJECTED), ("accepted", ID, None, None))


def test_long_texts_are_cut():
    found = both("rejected", {"statusDetails": {"ErrorCode": "x" * 300, "ErrorMessage": "y" * 300}})
    equal(found, ("rejected", None, "x" * 200, "y" * 200))


def test_views_are_read_as_bytes_are():
    for make in (text, cbor):
        equal(read("accepted", memoryview(make(ACCEPTED)), make is cbor, ID).report_id, ID)


def test_an_id_that_is_no_integer():
    for bad in ("7", [7], {"a": 7}):
        for make in (text, cbor):
            raises(ProtocolError, read, "accepted", make({"reportId": bad}), make is cbor, ID)
    for bad in (b"1.5", b"true", b"1e3"):
        raises(ProtocolError, read, "accepted", b'{"reportId":' + bad + b"}", False, ID)


def test_what_is_not_a_map():
    for value in ([], [ACCEPTED], "text", 5):
        for make in (text, cbor):
            raises(ProtocolError, read, "accepted", make(value), make is cbor, ID)


def test_too_large():
    raises(ProtocolError, read, "accepted", b" " * (MAX_SIZE + 1), False, ID)
    raises(ProtocolError, read, "accepted", b"\xa0" + b" " * MAX_SIZE, True, ID)
    value = text(ACCEPTED)
    read("accepted", value + b" " * (MAX_SIZE - len(value)), False, ID)


def test_too_deep():
    for payload in (b"[" * 500 + b"]" * 500, b'{"a":' * 100 + b"1" + b"}" * 100):
        raises(ProtocolError, read, "accepted", payload, False, ID)
    for payload in (b"\xa1\x61a" + b"\x81" * 500 + b"\0", b"\xa1\x61a" + b"\xbf\0" * 400, b"\x9f" * 600):
        raises(ProtocolError, read, "accepted", payload, True, ID)


def test_indefinite_maps():
    payload = b"\xbf\x68reportId\x18\x2a\x6dstatusDetails\xbf\x69ErrorCode\x61x\xff\x01\x02\xff"
    r = read("rejected", payload, True, ID)
    equal((r.report_id, r.code), (42, "x"))


def test_keys_that_are_no_text():
    r = read("accepted", b"\xa3\x01\x02\x82\x03\x04\x05\x68reportId\x07", True, ID)
    equal(r.report_id, 7)


def test_a_repr_for_logs():
    assert "5" in repr(read("accepted", text({"reportId": 5}), False, ID))
    assert "InvalidPayload" in repr(read("rejected", text(REJECTED), False, ID))


def survives(payload, is_cbor):
    """True when it could be read; nothing but ProtocolError may come out."""
    try:
        r = read("rejected", payload, is_cbor, ID)
    except ProtocolError as e:
        assert str(e)
        return False
    assert r.report_id is None or isinstance(r.report_id, int)
    assert r.code is None or len(r.code) <= 200
    return True


def test_every_truncation():
    for make in (text, cbor):
        for value in (ACCEPTED, REJECTED, BY_KEY):
            whole = make(value)
            assert survives(whole, make is cbor)
            for n in range(len(whole)):
                read = survives(whole[:n], make is cbor)
                assert not read or (n and make is text and not CUT_JSON_IS_NOTICED), whole[:n]


SHORT = {"reportId": 9, "statusDetails": {"ErrorCode": "ab", "ErrorMessage": "\xfc"}, "t": [1, None]}


def test_every_change_of_one_byte():
    for make in (text, cbor):
        whole = bytearray(make(SHORT))
        read = 0
        for i in range(len(whole)):
            kept = whole[i]
            for value in range(256):
                whole[i] = value
                read += survives(whole, make is cbor)
            whole[i] = kept
        assert 256 < read < 256 * len(whole)


def test_a_number_that_this_runtime_cannot_hold():
    def fields(payload, expected):
        raise OverflowError("as from 64 bits on, where ints have no more")

    raises(ProtocolError, parse, "accepted", b"", fields, ())
