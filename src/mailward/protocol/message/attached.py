"""The names of the files a message carries, read from the headers of its parts without decoding any of them.

A message that is plainly text costs one look at its Content-Type. For the others the
fields are found by one pass over the bytes; only when a name matters to the caller is the
whole structure read (`confirmed`), since a text may quote such a field without being one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailward.protocol.message import headers, parameters, structure
from mailward.protocol.message.headers import Parsed

_VALUE = rb"content-(?:type|disposition):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*"
_FIELD = re.compile(rb"\n" + _VALUE)
_WHOLE = re.compile(_VALUE, re.IGNORECASE)
_WINDOW = 1 << 18
_MOST = 500
_DEEPEST = 5


def names(content: bytes, parsed: Parsed) -> tuple[str, ...]:
    """Every file name in order, at most 500; `parsed` is the message's own header. Never raises."""
    kind = headers.first_value(parsed, b"content-type")
    if kind is None or kind[:5].lower() == b"text/":
        found = [name for raw in _own(parsed) if (name := _name(raw))]
        return tuple(found)
    if not any(b"name" in content[at : at + _WINDOW + 3].lower() for at in range(0, len(content), _WINDOW)):
        return ()
    out = []
    for raw in _naming(content):
        # Encoded words are base64: the name is read from the bytes as they came.
        if name := _name(raw.partition(b":")[2]):
            out.append(name)
            if len(out) >= _MOST:
                break
    return tuple(out)


def _naming(content: bytes) -> Iterator[bytes]:
    """The fields that hold "name", window by window: between two of them other threads get their turn."""
    at = 0
    while at >= 0:
        stop = content.find(b"\n", at + _WINDOW)  # whole lines: the next window begins with the line feed
        window = content[at : len(content) if stop < 0 else stop].lower()
        if not at:
            window = b"\n" + window
        base = at if at else -1
        for match in _FIELD.finditer(window):
            if stop >= 0 and match.end() >= len(window) - 1:  # the field may go on behind the window
                whole = _WHOLE.match(content, base + match.start() + 1)
                raw = whole[0] if whole else b""
                if b"name" in raw.lower():
                    yield raw
            elif b"name" in match[0]:
                yield content[base + match.start() + 1 : base + match.end()]
        at = stop


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
