"""Delimiter lines of a multipart (RFC 2046 section 5.1.1), found in place and in linear time.

One reading for all of us: what is shown (`structure`) and what is rewritten (`transport`) divide a body alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

_WINDOW = 1 << 18
_OPAQUE = frozenset(("multipart/signed", "multipart/encrypted"))


class Delimiter(NamedTuple):
    """`start` is where the CRLF before the line begins, which belongs to it; `stop` the first octet after its line."""

    start: int
    stop: int
    closes: bool


def delimiters(content: bytes, boundary: bytes, start: int, end: int) -> Iterator[Delimiter]:
    """The delimiter lines in `content[start:end]`, the closing one last.

    A line counts when it is the boundary, perhaps "--", and white space. The RFC would also take a line that
    goes on after the boundary; then a boundary that is the beginning of an inner one would cut the inner parts.
    """
    rest = rb"--" + re.escape(boundary) + rb"(--)?[ \t]*+(?=\r\n|\Z)"
    first = re.compile(rest).match(content, start, end)
    for match in chain((first,) if first else (), _found(boundary, rest, content, start, end)):
        closes = match[1] is not None
        yield Delimiter(match.start(), min(match.end() + 2, end), closes)
        if closes:
            return


def _found(boundary: bytes, rest: bytes, content: bytes, start: int, end: int) -> Iterator[re.Match[bytes]]:
    """The matches behind a CRLF, window by window: between two of them other threads get their turn."""
    # A plain CRLF in front, so that the engine looks for octets and not for a pattern.
    line = re.compile(rb"\r\n" + rest)
    begins = b"\r\n--" + boundary
    while (start := content.find(begins, start, end)) >= 0:
        # A window ends with a CRLF, which is the first of the next: no delimiter line is cut.
        stop = content.find(b"\r\n", start + _WINDOW, end)
        if stop < 0:
            yield from line.finditer(content, start, end)
            return
        yield from line.finditer(content, start, stop + 2)
        start = stop


def is_opaque(kind: str) -> bool:
    """Whether nothing inside may be altered (RFC 1847 sections 2.1 and 2.2, RFC 3156 section 3)."""
    return kind in _OPAQUE
