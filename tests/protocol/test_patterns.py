"""Regular expressions mean the same on every interpreter we run on."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import mailward

_parser: Any = importlib.import_module("re._parser")
_constants: Any = importlib.import_module("re._constants")


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    for package in ("base", "protocol", "policy", "core", "edges", "adapters"):
        for found in pkgutil.walk_packages([f"{mailward.__path__[0]}/{package}"], f"mailward.{package}."):
            for name, value in vars(importlib.import_module(found.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{found.name}.{name}", value


def _possessive_groups(parsed: Any) -> bool:
    """Whether something of more than one character is repeated without giving back."""
    single = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY}
    for op, argument in parsed:
        if op is _constants.ATOMIC_GROUP:
            return True
        if op is _constants.POSSESSIVE_REPEAT:
            repeated = argument[2]
            if len(repeated) != 1 or repeated[0][0] not in single:
                return True
        parts = argument if isinstance(argument, list | tuple) else [argument]
        for part in parts:
            for inner in part if isinstance(part, list) else [part]:
                if isinstance(inner, _parser.SubPattern) and _possessive_groups(inner):
                    return True
    return False


def test_no_group_is_repeated_possessively() -> None:
    """CPython before 3.11.5 (Debian 12 has 3.11.2) keeps what such a group consumed before it failed: gh-106052."""
    found = dict(_patterns())
    assert len(found) > 100
    bad = [name for name, p in found.items() if _possessive_groups(_parser.parse(p.pattern, p.flags & ~re.UNICODE))]
    assert bad == []
    assert _possessive_groups(_parser.parse(r"(x(?:[a-z]++\.)*+)|y"))
    assert not _possessive_groups(_parser.parse(r"(x(?:[a-z]++\.)*)|y++"))
