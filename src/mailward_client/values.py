"""Between JSON and typed values, both ways. Unknown fields are let pass: the API may grow."""

from __future__ import annotations

import base64
import dataclasses
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from mailward_client.errors import BadAnswer


class Omit(Enum):
    """The type of `OMIT`."""

    OMIT = "omit"


OMIT: Final = Omit.OMIT
"""A field that is not sent, where `None` would be sent as null and might mean something."""


def to_json(value: Any) -> Any:
    """A value as JSON takes it: bytes in base64, times in RFC 3339 with their offset, what is omitted left out."""
    match value:
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a time needs a time zone: datetime.now(UTC), not datetime.now()")
            return value.isoformat()
        case bytes() | bytearray():
            return base64.b64encode(value).decode("ascii")
        case str():
            return value
        case Mapping():
            return {name: to_json(item) for name, item in value.items() if item is not OMIT}
        case Sequence():
            return [to_json(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            named = {_named(f): getattr(value, f.name) for f in dataclasses.fields(value)}
            return to_json(named)
        case _:
            return value


def from_json(kind: Any, value: Any, where: str = "$") -> Any:
    """The value as `kind`, a type as `models` uses them. Raises BadAnswer, naming where, when it is of another."""
    if kind is Any:
        return value
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(inner, value, where)
    if origin is Literal:  # a value added since is let pass: only `str` is promised at run time
        return from_json(type(inner[0]), value, where)
    if origin is list:
        return [from_json(inner[0], v, f"{where}[{i}]") for i, v in enumerate(_kept(list, value, where))]
    if origin is dict:
        return {k: from_json(inner[1], v, f"{where}.{k}") for k, v in _kept(dict, value, where).items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _struct(kind, _kept(dict, value, where), where)
    if kind is datetime:
        return _read(datetime.fromisoformat, value, where)
    if kind is bytes:
        return _read(base64.b64decode, value, where)
    if kind is float and type(value) is int:
        return float(value)
    return _kept(kind, value, where)


def _kept(kind: type, value: Any, where: str) -> Any:
    if type(value) is not kind:
        raise BadAnswer(f"{where} should be {kind.__name__} and is {type(value).__name__}")
    return value


def _read(read: Any, value: Any, where: str) -> Any:
    try:
        return read(_kept(str, value, where))
    except ValueError as e:
        raise BadAnswer(f"{where} cannot be read: {e}") from e


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    last: BadAnswer | None = None
    for kind in kinds:
        if kind in (type(None), Omit):
            continue
        try:
            return from_json(kind, value, where)
        except BadAnswer as e:
            last = e
    raise last or BadAnswer(f"{where} should be absent")


@cache
def _plan(kind: type) -> tuple[tuple[str, str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, _named(f), hints[f.name], f.default is dataclasses.MISSING) for f in dataclasses.fields(kind))


def _named(field: dataclasses.Field[Any]) -> str:
    return str(field.metadata.get("json", field.name))


def _struct(kind: type, value: dict[str, Any], where: str) -> Any:
    found: dict[str, Any] = {}
    for name, key, hint, required in _plan(kind):
        if key in value:
            found[name] = from_json(hint, value[key], f"{where}.{key}")
        elif required:
            raise BadAnswer(f"{where}.{key} is missing")
    return kind(**found)
