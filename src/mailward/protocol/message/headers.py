"""Splitting a raw header into fields without losing a byte, and putting fields back (RFC 5322 section 2.2).

Order, case, folding and spacing of every field survive, because DKIM, ARC and
Received need them. Caps come first: what is handed in has up to 64 KiB of header and 1,000 fields (`admit`), and there
is room on top for what we add to it, so that what was taken can be read to its end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.protocol.newlines import only_crlf

MAX_HEADER_BYTES = 64 * 1024
MAX_FIELDS = 1000
# With what is added on the way: trace, results of authentication, identifiers, labels of another encoding.
READ_BYTES = MAX_HEADER_BYTES + 16 * 1024
_READ_FIELDS = MAX_FIELDS + 64

_NEXT_FIELD = re.compile(rb"\r\n(?![ \t])")
_BAD_NAME = re.compile(rb"[^!-9;-~]")


class Parsed(NamedTuple):
    """`fields`: (lower-case name, raw field with its folding and CRLF) in order; `body_offset`: where the body begins.

    A line that is no field (only with `tolerant`) has the empty name.
    """

    fields: list[tuple[bytes, bytes]]
    body_offset: int


def split(content: bytes, *, tolerant: bool = False) -> Parsed:
    """The header of `content`, split. What a stranger hands in is then given to `admit`.

    Raises Invalid `header_too_large`, `too_many_headers`, and unless `tolerant` also
    `header_malformed` for a line that is no field, a space before the colon, NUL, or a bare CR or LF.
    """
    if content[:2] == b"\r\n":
        return Parsed([], 2)
    end = content.find(b"\r\n\r\n", 0, READ_BYTES + 2)
    if end < 0:
        if len(content) > READ_BYTES:
            raise _too_large()
        block, body_offset = content, len(content)
        if block[-2:] == b"\r\n":
            block = block[:-2]
        elif not tolerant and block:
            raise Invalid("header_malformed", "The header does not end with a line break.", field="header")
        if not block:
            return Parsed([], body_offset)
    else:
        block, body_offset = content[:end], end + 4
    breaks = block.count(b"\n")
    if not tolerant and (b"\0" in block or not only_crlf(block)):
        raise Invalid("header_malformed", "The header holds NUL or a CR or LF on its own.", field="header")
    if breaks >= _READ_FIELDS and len(_NEXT_FIELD.findall(block)) >= _READ_FIELDS:
        raise _too_many()
    fields = []
    bad_name = _BAD_NAME.search
    for line in _NEXT_FIELD.split(block):
        name, colon, _ = line.partition(b":")
        if not colon or not name or bad_name(name):
            if not tolerant:
                raise Invalid("header_malformed", "A line of the header is not a header field.", field="header")
            name = name.rstrip(b" \t") if colon else b""  # obsolete syntax: space before the colon
            if bad_name(name):
                name = b""
        fields.append((name.lower(), line + b"\r\n"))
    return Parsed(fields, body_offset)


def admit(parsed: Parsed) -> Parsed:
    """The header as it is, if it may come in. Raises Invalid `header_too_large` and `too_many_headers`."""
    if parsed.body_offset > MAX_HEADER_BYTES + 2:
        raise _too_large()
    if len(parsed.fields) > MAX_FIELDS:
        raise _too_many()
    return parsed


def _too_large() -> Invalid:
    return Invalid("header_too_large", f"The header is larger than {MAX_HEADER_BYTES} bytes.", field="header")


def _too_many() -> Invalid:
    return Invalid("too_many_headers", f"The header has more than {MAX_FIELDS} fields.", field="header")


def find(parsed: Parsed, name: bytes) -> list[bytes]:
    """All raw fields of that lower-case name, top first."""
    return [raw for field, raw in parsed.fields if field == name]


def value(raw: bytes) -> bytes:
    """The unfolded value of a raw field, without the white space around it."""
    text = raw[raw.index(b":") + 1 :]
    return text.replace(b"\r\n", b"").strip(b" \t\r\n")


def first_value(parsed: Parsed, name: bytes) -> bytes | None:
    """The unfolded value of the first field of that lower-case name."""
    for field, raw in parsed.fields:
        if field == name:
            return value(raw)
    return None


def without(fields: Iterable[tuple[bytes, bytes]], names: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    """The fields whose lower-case name is not in `names`."""
    return [field for field in fields if field[0] not in names]


def assemble(prepend: bytes, fields: Iterable[tuple[bytes, bytes]], content: bytes, body_offset: int) -> bytes:
    """A message: raw lines to prepend, the fields, the blank line, and the body of `content` untouched."""
    return b"".join((prepend, *[raw for _, raw in fields], b"\r\n", memoryview(content)[body_offset:]))


def has_long_line(data: bytes, limit: int = 998, start: int = 0, end: int | None = None) -> bool:
    """Whether a line of `data[start:end]` is longer than `limit` bytes without its line break.

    Looks at about one byte in a thousand.
    """
    position, size = start, len(data) if end is None else end
    while size - position > limit:
        newline = data.rfind(b"\n", position, min(position + limit + 2, size))
        if newline < 0 or (newline - position == limit + 1 and data[newline - 1] != 13):
            return True
        position = newline + 1
    return False


def has_bare_newline(data: bytes) -> bool:
    """Whether a CR or LF stands alone anywhere."""
    return not only_crlf(data)
