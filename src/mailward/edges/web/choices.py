"""What may stand at a place of a type where only some words may: for errors that name the choices."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"[^.\[\]]+|\[[^\]]*\]")


def choices(of: Any, path: str) -> list[str]:
    """The words of the enumeration at a path of msgspec's, such as `scopes[0]`; [] where there is none."""
    types = list(_flat(inspect.type_info(of)))
    for step in _STEP.findall(path):
        types = [t for outer in types for t in _inside(outer, step)]
    found: list[str] = []
    for t in types:
        if isinstance(t, inspect.LiteralType):
            found += map(str, t.values)
        elif isinstance(t, inspect.EnumType):
            found += [str(member.value) for member in t.cls]
    return found


def described(of: Any, path: str) -> str:
    """What the schema says of the field at a path of msgspec's; "" where it says nothing."""
    *outer, last = _STEP.findall(path) or [""]
    types = list(_flat(inspect.type_info(of)))
    for step in outer:
        types = [t for one in types for t in _inside(one, step)]
    for t in types:
        for field in t.fields if isinstance(t, inspect.StructType) else ():
            if field.encode_name == last and isinstance(field.type, inspect.Metadata):
                return str((field.type.extra_json_schema or {}).get("description", ""))
    return ""


def _flat(t: inspect.Type) -> Iterable[inspect.Type]:
    """A type without its annotations, and a union as its parts."""
    if isinstance(t, inspect.Metadata):
        yield from _flat(t.type)
    elif isinstance(t, inspect.UnionType):
        for one in t.types:
            yield from _flat(one)
    else:
        yield t


def _inside(t: inspect.Type, step: str) -> Iterable[inspect.Type]:
    """What lies one step further in: an item of a list, a value of a mapping, or a field."""
    match t:
        case inspect.ListType() | inspect.CollectionType() if step.startswith("["):
            yield from _flat(t.item_type)
        case inspect.DictType() if step.startswith("["):
            yield from _flat(t.value_type)
        case inspect.StructType():
            for field in t.fields:
                if field.encode_name == step:
                    yield from _flat(field.type)
