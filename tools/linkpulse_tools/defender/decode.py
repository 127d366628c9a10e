"""Decodes the bytes of a report strictly, and refuses what a tolerant decoder would accept."""

import io
import json

import cbor2

FORMATS = ("cbor", "json")
MAX_DEPTH = 16


class DecodeError(Exception):
    """The bytes are not one well-formed value of their format. The message says why."""


def decode(payload: bytes, fmt: str):
    """(value, notes) of a payload in "cbor" or "json". The notes are remarks about what is legal but unusual."""
    if fmt == "cbor":
        return _cbor(payload)
    if fmt == "json":
        return _json(payload), []
    raise ValueError(f"unknown format {fmt!r}")


def _refuse_tag(decoder, *tag):
    raise DecodeError("CBOR: a tagged value")


_NO_TAGS = dict.fromkeys([*range(6), *range(21, 40), 100, 256, 258, 260, 261, 1004, 43000, 55799], _refuse_tag)


def _cbor(payload: bytes):
    notes = []
    try:
        value = _cbor_once(payload, allow_indefinite=False)
    except cbor2.CBORDecodeError:
        value = _cbor_once(payload, allow_indefinite=True, strict=True)
        notes.append("indefinite lengths")
    return value, notes


def _cbor_once(payload: bytes, allow_indefinite: bool, strict: bool = False):
    stream = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        stream,
        allow_duplicate_keys=False,
        allow_indefinite=allow_indefinite,
        max_depth=MAX_DEPTH,
        tag_hook=_refuse_tag,
        semantic_decoders=_NO_TAGS,
    )
    try:
        value = decoder.decode()
    except DecodeError:
        raise
    except Exception as error:
        if isinstance(error.__cause__, DecodeError):
            raise error.__cause__ from None
        if not strict and isinstance(error, cbor2.CBORDecodeError):
            raise
        raise DecodeError(f"CBOR: {error}") from None
    left = len(payload) - stream.tell()
    if left:
        raise DecodeError(f"CBOR: {left} bytes after the value")
    return value


def _json(payload: bytes):
    def pairs(items):
        result = dict(items)
        if len(result) != len(items):
            names = [name for name, _ in items]
            raise DecodeError(f"JSON: key {next(n for n in names if names.count(n) > 1)!r} occurs twice in one object")
        return result

    def constant(text):
        raise DecodeError(f"JSON: {text} is not JSON")

    try:
        text = payload.decode("utf-8")
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"JSON: {error}") from None
