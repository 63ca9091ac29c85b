"""Data written as template source, so that a template holds minijinja's own values and never an object of Python.

Handed over as Python's dictionaries, data would bring their methods with it. Strings are escaped to ASCII without a
line break, so the source they precede keeps its line numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(
    (
        "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "elif", "for",
        "loop", "self", "super", "caller", "content", "recursive", "with", "set", "as", "import", "ignore", "missing",
        "context", "_data",
    )
)  # fmt: skip


class DataError(ValueError):
    """Data that no template can hold."""


def preamble(data: dict[str, Any]) -> str:
    """Source that sets each name of the data, and all of it as `data` unless the data has a name like that."""
    names = [name for name in data if _NAME.fullmatch(name) and name not in _WORDS]
    sets = "".join([f"{{% set {name} = _data[{json.dumps(name)}] %}}" for name in names])
    whole = "" if "data" in data else "{% set data = _data %}"
    return f"{{% set _data = {literal(data)} %}}{whole}{sets}"


def literal(value: Any) -> str:
    """A JSON value in the template language. Raises DataError for numbers beyond 64 bits."""
    if value is None:
        return "none"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise DataError("A whole number in the data has more than 64 bits.")
    if isinstance(value, dict):
        return "{" + ", ".join([f"{json.dumps(k)}: {literal(v)}" for k, v in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([literal(v) for v in value]) + "]"
    return repr(value)
