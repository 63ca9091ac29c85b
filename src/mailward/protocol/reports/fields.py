"""Groups of `Name: value` lines, as reports carry them: divided by empty lines, folded like header fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailward.protocol.message import charset

MAX_GROUPS = 1001
MAX_BYTES = 512 * 1024
_MAX_VALUE = 8000

_LINE = re.compile(rb"\r\n|\r|\n")
Fields = dict[str, list[str]]


def groups(content: bytes) -> Iterator[Fields]:
    """Each group as lower-case names with their values in order; at most 1,001 groups and 512 KiB."""
    found: Fields = {}
    last: list[str] | None = None
    count = 0
    for raw in _LINE.split(content[:MAX_BYTES]):
        line = charset.decode(raw)
        if not line.strip():
            if found:
                yield found
                count += 1
                if count >= MAX_GROUPS:
                    return
            found, last = {}, None
        elif line[0] in " \t" and last is not None:
            if len(last[-1]) < _MAX_VALUE:
                last[-1] += " " + line.strip()[:_MAX_VALUE]
        else:
            name, colon, value = line.partition(":")
            name = name.strip().lower()
            if colon and name and " " not in name and len(name) <= 80:
                last = found.setdefault(name, [])
                last.append(value.strip()[:_MAX_VALUE])
    if found:
        yield found


def first(fields: Fields, *names: str) -> str:
    """The first value of the first of these names that is there, or ""."""
    for name in names:
        if found := fields.get(name):
            return found[0]
    return ""
