"""Bytes to typed values: one pass with a prebuilt decoder, and errors that name field and limit."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from mailward.base.errors import Invalid
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.choices import choices, described
from mailward.edges.web.problems import Answer

# Which limit a list or object of that name ran into.
_LIMIT_CODES = {
    "attachments": "too_many_attachments",
    "bcc": "too_many_recipients",
    "cc": "too_many_recipients",
    "headers": "too_many_custom_headers",
    "messages": "too_many_messages",
    "metadata": "too_many_metadata",
    "reply_to": "too_many_recipients",
    "tags": "too_many_tags",
    "to": "too_many_recipients",
}
_WHERE = re.compile(r" - at `(?:key in |key` in `)?\$\.?([^`]*)`$")
_TOO_LONG = re.compile(r"Expected `(\w+)` of length <= (\d+)$")
_SUBJECT = "998"  # characters of a message's subject, and of no other text
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_INTEGER = re.compile(r"-?[0-9]{1,18}")


# A body below this is decoded in a moment whatever is in it.
_LARGE = 1 << 20
# Names and values of one request: each is an object of ours, which costs half a microsecond and some 60 octets.
_MOST = 500_000
_STRING = re.compile(rb'"[^"]*+"')  # of a body without its escapes


def decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """The typed value of a JSON body.

    Raises Answer (400) for what is not JSON in UTF-8, names a key twice, or holds more than any request, and
    Invalid (422, with the field) for JSON of another shape. msgspec itself refuses NaN, numbers out
    of range, lone surrogates and whatever is nested deeper than the type. The order keeps hostile input cheap:
    depth, size and types fail in C before the look for duplicate keys reads it again.
    """
    if not body:
        raise Answer("missing_body")
    if len(body) > _LARGE:
        _refuse_crowds(body)
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError as error:
        _refuse_bombs(body)
        raise invalid(str(error), of=decoder.type) from None
    except UnicodeError:
        raise Answer("invalid_encoding") from None
    except RecursionError:
        raise Answer("invalid_json", "The JSON is nested too deeply.") from None
    except msgspec.DecodeError:
        raise _undecodable(body) from None
    refuse_duplicates(body)
    return value


def _refuse_bombs(body: bytes) -> None:
    """Raise Answer for a body that went wrong by its shape before its end was seen, and is worse than misshapen.

    Whatever comes here is refused anyway; this only finds the better name for it, in C and without keeping anything.
    """
    try:
        if len(body) > _LARGE:
            msgspec.json.decode(body, type=msgspec.Raw)
        else:
            msgspec.json.decode(body)
    except UnicodeError:
        raise Answer("invalid_encoding") from None
    except RecursionError:
        raise Answer("invalid_json", "The JSON is nested too deeply.") from None
    except msgspec.ValidationError:
        raise Answer("invalid_json", "The JSON holds a number that is out of range.") from None
    except msgspec.DecodeError:
        raise _undecodable(body) from None


def _undecodable(body: bytes) -> Answer:
    """Half of a surrogate pair is JSON to the letter, but no text (RFC 8259 section 8.2)."""
    if len(body) <= _LARGE and _SURROGATE.search(body):
        with contextlib.suppress(ValueError, RecursionError):
            json.loads(body)
            return Answer("invalid_encoding")
    return Answer("invalid_json")


def _refuse_crowds(body: bytes) -> None:
    """Refuse a million keys before they are made: a decoder counts them only when all of them are there.

    Wherever they stand, however they are spelt, and named twice or not. A large body is mostly one long text, whose
    commas are no more than that; it is looked at again without its texts.
    """
    if _separators(body) <= _MOST // 2:  # a name and a value to each
        return
    bare, texts = _STRING.subn(b"", body.replace(rb"\\", b"").replace(rb"\"", b""), _MOST)
    if texts == _MOST or _separators(bare) > _MOST:
        raise Answer("too_many_values")


def _separators(text: bytes) -> int:
    """Commas and openings of arrays and objects: of values there are hardly more. Counted up to a little over _MOST."""
    return sum(len(text.split(mark, _MOST + 1)) - 1 for mark in (b",", b"[", b"{"))


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Answer("duplicate_key")


# Values are dropped as soon as they are read; only the shape matters here.
_scan: Callable[[str], tuple[Any, int]] = json.JSONDecoder(object_pairs_hook=_unique).raw_decode


def refuse_duplicates(body: bytes) -> None:
    """Raise Answer `duplicate_key` when an object of a valid JSON text names a key twice (RFC 8259 section 4)."""
    try:
        _scan(body.decode().lstrip(" \t\r\n"))
    except (RecursionError, ValueError):
        raise Answer("invalid_json") from None


def invalid(text: str, prefix: str = "", *, of: Any = None) -> Invalid:
    """A schema error as ours: code by the limit or by kind, field as a path, no value of the caller repeated.

    `of` is the type that was asked for: an error about one word of several names them.
    """
    where = _WHERE.search(text)
    path = (where.group(1) if where else "").replace("[...]", "[*]")
    told = text[: where.start()] if where else text
    field = f"{prefix}.{path}".strip(".") if prefix else path
    if told.startswith("Invalid enum value"):
        may = choices(of, path) if of is not None else []
        told = f"Choose from: {', '.join(may)}." if may else "There is no such choice."
        return Invalid("invalid_field", told, field=field)
    if told.startswith("Expected `str` matching regex") and of is not None and (form := described(of, path)):
        return Invalid("invalid_field", f"Not of the form that is asked for: {form}", field=field)
    if told.startswith("Object contains unknown field"):
        name = told.partition("`")[2].rstrip("`")[:64]
        return Invalid("unknown_field", "There is no such field.", field=f"{field}.{name}".strip("."))
    if told.startswith("Object missing required field"):
        name = told.partition("`")[2].rstrip("`")
        return Invalid("missing_field", f"The field '{name}' is required.", field=f"{field}.{name}".strip("."))
    if long := _TOO_LONG.search(told):
        kind, most = long.groups()
        code = "too_long"
        if kind != "str":
            code = _LIMIT_CODES.get(path.rpartition(".")[2], code)
        elif most == _SUBJECT and path.endswith("subject"):
            code = "subject_too_long"
        if code != "too_long":
            return Invalid(code, CATALOGUE[code][1], field=field)
        what = "A name in it" if where and where.group().startswith(" - at `key") else "It"
        return Invalid(code, f"{what} may have {most} {'characters' if kind == 'str' else 'entries'}.", field=field)
    return Invalid("invalid_field", f"{told.replace('`', chr(39))[:200]}.", field=field)


class QueryReader:
    """Reads the query string into a struct: no unknown, repeated or half-typed parameters."""

    __slots__ = ("_bools", "_ints", "_names", "_type")

    def __init__(self, query: type[msgspec.Struct]) -> None:
        fields = msgspec.structs.fields(query)
        self._type = query
        self._names = frozenset(f.encode_name for f in fields)
        self._ints = frozenset(f.encode_name for f in fields if "int" in _kinds(f.type))
        self._bools = frozenset(f.encode_name for f in fields if "bool" in _kinds(f.type))

    def read(self, query_string: bytes) -> Any:
        """The typed query; Invalid with the parameter's name as field."""
        if not query_string:
            pairs: list[tuple[str, str]] = []
        else:
            pairs = self._split(query_string)
        values: dict[str, Any] = {}
        for name, value in pairs:
            if name not in self._names:
                raise Invalid("unknown_parameter", "The operation has no such query parameter.", field=name[:64])
            if name in values:
                raise Invalid("duplicate_parameter", "The parameter was given twice.", field=name)
            values[name] = self._typed(name, value)
        try:
            return msgspec.convert(values, self._type)
        except msgspec.ValidationError as error:
            wrong = invalid(str(error), of=self._type)
            raise Invalid("invalid_parameter", wrong.public, field=wrong.field) from None

    @staticmethod
    def _split(query_string: bytes) -> list[tuple[str, str]]:
        try:
            return parse_qsl(query_string.decode("ascii"), True, True, errors="strict", max_num_fields=32)
        except ValueError:
            raise Invalid("invalid_parameter", "The query string is not readable.") from None

    def _typed(self, name: str, value: str) -> Any:
        if name in self._ints and _INTEGER.fullmatch(value):
            return int(value)
        if name in self._bools and value in ("true", "false"):
            return value == "true"
        return value


def _kinds(annotation: Any) -> set[str]:
    info = msgspec.inspect.type_info(annotation)
    types = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    inner = [t.type if isinstance(t, msgspec.inspect.Metadata) else t for t in types]
    return {
        "int" if isinstance(t, msgspec.inspect.IntType) else "bool" if isinstance(t, msgspec.inspect.BoolType) else ""
        for t in inner
    }
