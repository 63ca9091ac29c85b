"""Putting other text into a part in its own transfer encoding, so that all that was not replaced keeps its octets.

Only base64 has to be written anew, since its characters do not stand for octets one by one.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from mailward.protocol.message import headers, transfer

_ESCAPE = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*(?:\r\n|\Z))")
_CHUNK = 72
_LINE = 76


class Edit(NamedTuple):
    """`text` (ASCII) in the place of `start` to `end` of what the part stands for."""

    start: int
    end: int
    text: bytes


class Readable(NamedTuple):
    """What a part stands for, and for quoted-printable where its runs of octets begin in it and in the part."""

    text: bytes
    runs: tuple[Sequence[int], Sequence[int], Sequence[bool]] | None = None


def read(body: bytes, encoding: bytes) -> Readable | None:
    """The text of a part; None where the encoding is broken."""
    if encoding == b"base64":
        try:
            return Readable(binascii.a2b_base64(b"".join(body.split()), strict_mode=True))
        except binascii.Error:
            return None
    if encoding == b"quoted-printable":
        return _quoted(body)
    return Readable(body)


def _quoted(body: bytes) -> Readable:
    """Runs of octets that stand for themselves, and of `=XX` that stand for one; soft line breaks for none."""
    pieces: list[bytes] = []
    decoded: list[int] = [0]
    encoded: list[int] = [0]
    escape: list[bool] = [False]
    size = last = 0
    for match in _ESCAPE.finditer(body):
        pieces.append(body[last : match.start()])
        size += match.start() - last
        if match[1] is not None:
            decoded.append(size)
            encoded.append(match.start())
            escape.append(True)
            pieces.append(bytes((int(match[1], 16),)))
            size += 1
        last = match.end()
        decoded.append(size)
        encoded.append(last)
        escape.append(False)
    pieces.append(body[last:])
    return Readable(b"".join(pieces), (decoded, encoded, escape))


def write(body: bytes, encoding: bytes, readable: Readable, edits: Sequence[Edit]) -> bytes | None:
    """The part with the edits made, which are in order and apart; None where a line would become too long."""
    if encoding == b"base64":
        made = transfer.base64(_spliced(readable.text, edits))
        return made + (b"\r\n" if body.endswith(b"\r\n") else b"")
    if readable.runs is not None:
        return _spliced(body, [_in_quoted(body, edit, readable.runs) for edit in edits])
    out = _spliced(body, edits)
    if headers.has_long_line(out):
        # Between the parts of a tag a line break is a space.
        out = _spliced(body, [Edit(e.start, e.end, b"\r\n" + e.text + b"\r\n") for e in edits])
    return None if headers.has_long_line(out) else out


def _spliced(text: bytes, edits: Sequence[Edit]) -> bytes:
    out: list[bytes | memoryview] = []
    view, at = memoryview(text), 0
    for edit in edits:
        out += (view[at : edit.start], edit.text)
        at = edit.end
    out.append(view[at:])
    return b"".join(out)


def _in_quoted(body: bytes, edit: Edit, runs: tuple[Sequence[int], Sequence[int], Sequence[bool]]) -> Edit:
    """The edit in the octets of the part: in lines of its own, held together by soft line breaks."""
    decoded, encoded, escape = runs

    def place(at: int, *, after: bool) -> int:
        # `after`: behind the octet before `at`, so that a soft line break between the two stays.
        n = bisect_right(decoded, at - 1 if after else at) - 1
        if escape[n]:
            return encoded[n] + (3 if after else 0)
        return encoded[n] + at - decoded[n]

    text = edit.text.replace(b"=", b"=3D")
    lines = [text[i : i + _CHUNK] for i in range(0, len(text), _CHUNK)]
    # An "=3D" that a line break would cut is kept whole.
    for i in range(len(lines) - 1):
        cut = lines[i].rfind(b"=", -2)
        if cut >= 0:
            lines[i], lines[i + 1] = lines[i][:cut], lines[i][cut:] + lines[i + 1]
    start = place(edit.start, after=False)
    end = place(edit.end, after=True) if edit.end > edit.start else start
    before = b""
    if start - body.rfind(b"\n", 0, start) - 1 >= _LINE:
        # There is no room for the "=" that breaks the line: its last character goes with what follows.
        cut = start - (3 if body[start - 3 : start - 2] == b"=" else 1)
        start, before = cut, body[cut:start]
    return Edit(start, end, b"=\r\n" + before + b"=\r\n".join(lines) + b"=\r\n")
