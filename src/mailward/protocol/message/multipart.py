"""Delimiter lines of a multipart (RFC 2046 section 5.1.1), found in place and in linear time.

One reading for all of us: what is shown (`structure`) and what is rewritten (`transport`) divide a body alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

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
    rest = rb"--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)"
    first = re.compile(rest).match(content, start, end)
    # A plain CRLF in front, so that the engine looks for octets and not for a pattern.
    for match in chain((first,) if first else (), re.compile(rb"\r\n" + rest).finditer(content, start, end)):
        closes = match[1] is not None
        yield Delimiter(match.start(), min(match.end() + 2, end), closes)
        if closes:
            return


def is_opaque(kind: str) -> bool:
    """Whether nothing inside may be altered (RFC 1847 sections 2.1 and 2.2, RFC 3156 section 3)."""
    return kind in _OPAQUE
