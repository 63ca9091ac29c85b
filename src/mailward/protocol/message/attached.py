"""The names of the files a message carries, read from the headers of its parts without decoding any of them.

A message that is plainly text costs one look at its Content-Type. For the others the
fields are found by one pass over the bytes; only when a name matters to the caller is the
whole structure read (`confirmed`), since a text may quote such a field without being one.
"""

from __future__ import annotations

import re

from mailward.protocol.message import headers, parameters, structure
from mailward.protocol.message.headers import Parsed

_FIELD = re.compile(rb"^content-(?:type|disposition):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", re.MULTILINE)
_MOST = 500
_DEEPEST = 5


def names(content: bytes, parsed: Parsed) -> tuple[str, ...]:
    """Every file name in order, at most 500; `parsed` is the message's own header. Never raises."""
    kind = headers.first_value(parsed, b"content-type")
    if kind is None or kind[:5].lower() == b"text/":
        found = [name for raw in _own(parsed) if (name := _name(raw))]
        return tuple(found)
    lowered = content.lower()
    if b"name" not in lowered:
        return ()
    out = []
    for match in _FIELD.finditer(lowered):
        if b"name" not in match[0]:
            continue
        # Encoded words are base64: the name is read from the bytes as they came.
        if name := _name(content[match.start() : match.end()].partition(b":")[2]):
            out.append(name)
            if len(out) >= _MOST:
                break
    return tuple(out)


def confirmed(content: bytes, depth: int = 0) -> tuple[str, ...]:
    """The names of parts that really are parts, those of attached messages included."""
    out: list[str] = []
    for leaf in structure.read(content).leaves:
        if leaf.filename:
            out.append(leaf.filename)
        if leaf.content_type == "message/rfc822" and depth < _DEEPEST:
            out += confirmed(leaf.content, depth + 1)
    return tuple(out[:_MOST])


def _own(parsed: Parsed) -> list[bytes]:
    fields = [headers.first_value(parsed, name) for name in (b"content-type", b"content-disposition")]
    return [raw for raw in fields if raw is not None and b"name" in raw.lower()]


def _name(raw: bytes) -> str:
    _, given = parameters.parse(raw.strip())
    return given.get("filename") or given.get("name") or ""
