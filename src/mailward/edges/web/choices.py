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
    """What the schema says of the form of the text at a path of msgspec's; "" where it says nothing."""
    types: list[inspect.Type] = [inspect.type_info(of)]
    for step in _STEP.findall(path):
        types = [t for outer in types for bare in _flat(outer) for t in _within(bare, step)]
    return next((form for t in types for form in _forms(t)), "")


def _forms(t: inspect.Type) -> Iterable[str]:
    """The description that stands beside a pattern, not one about the field around it."""
    if isinstance(t, inspect.UnionType):
        for one in t.types:
            yield from _forms(one)
    elif isinstance(t, inspect.Metadata):
        if isinstance(t.type, inspect.StrType):
            yield str((t.extra_json_schema or {}).get("description", ""))
        else:
            yield from _forms(t.type)


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
    """What lies one step further in, without annotations."""
    for found in _within(t, step):
        yield from _flat(found)


def _within(t: inspect.Type, step: str) -> Iterable[inspect.Type]:
    """What lies one step further in: an item of a list, a value of a mapping, or a field."""
    match t:
        case inspect.ListType() | inspect.CollectionType() if step.startswith("["):
            yield t.item_type
        case inspect.DictType() if step.startswith("["):
            yield t.value_type
        case inspect.StructType():
            for field in t.fields:
                if field.encode_name == step:
                    yield field.type
