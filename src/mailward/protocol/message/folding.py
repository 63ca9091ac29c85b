"""Folding a header field that someone else wrote, where and only where folding is legal (RFC 5322 section 2.2.3)."""

from __future__ import annotations

import re

MAX_LINE = 998
_WISHED = 78

# A run from its beginning only: one that ends the line fits nowhere, and would be tried from each of its octets.
_BREAK = re.compile(rb"(?<![ \t])[ \t]++(?=[^ \t])")
_NAME = re.compile(rb"[^:]*:[ \t]*")  # never right after the name: some read that as an empty field
_LEAD = re.compile(rb"[ \t]*")
# A quoted string, a comment, or one octet that may matter. Each alternative ends where it fails, so this is linear.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\\.|[(),;<>]', re.DOTALL)

_ADDRESSES = frozenset((
    b"from", b"sender", b"reply-to", b"to", b"cc", b"resent-from", b"resent-sender", b"resent-reply-to", b"resent-to",
    b"resent-cc", b"list-unsubscribe", b"list-help", b"list-post", b"list-subscribe", b"list-owner", b"list-archive",
))  # fmt: skip
_PARAMETERS = frozenset((b"content-type", b"content-disposition"))
_IDS = frozenset((b"references", b"in-reply-to"))


def fold(name: bytes, raw: bytes) -> bytes | None:
    """The raw field with every line at most 998 octets; the same object when it was so; None when it cannot be.

    `name` in lower case. A line that is too long is broken before white space, at 78 octets where it can be. Where
    white space does not suffice, white space is added after a comma between addresses, a semicolon between
    parameters, or between message ids, never inside quotes, comments or angle brackets.
    """
    lines = raw[:-2].split(b"\r\n")
    if all(len(line) <= MAX_LINE for line in lines):
        return raw
    out: list[bytes] = []
    for n, line in enumerate(lines):
        if len(line) > MAX_LINE:
            lead = (_LEAD if n else _NAME).match(line)
            out += _cut(line, [m.start() for m in _BREAK.finditer(line, lead.end() if lead else 0)])
        else:
            out.append(line)
    folded = b"\r\n".join(out)
    if any(len(line) > MAX_LINE for line in out):
        seams = _seams(name, folded)
        folded = b"\r\n ".join(_cut(folded, seams, soft=True))
    if any(len(line) > MAX_LINE for line in folded.split(b"\r\n")):
        return None
    return folded + b"\r\n"


def _cut(text: bytes, places: list[int], *, soft: bool = False) -> list[bytes]:
    """`text` cut at some of the places, so that pieces have 78 octets where the places allow it.

    `soft`: the text has line breaks already, and only what passes 998 needs a cut.
    """
    out: list[bytes] = []
    start = last = 0
    wished = MAX_LINE - 1 if soft else _WISHED
    for place in [*places, len(text)]:
        if place - start > wished and last > start:
            out.append(text[start:last])
            start = last
        last = place
    out.append(text[start:])
    return out


def _seams(name: bytes, raw: bytes) -> list[int]:
    """Where white space may be put in: positions after a separator that stands outside quotes and comments."""
    wanted = b"," if name in _ADDRESSES else b";" if name in _PARAMETERS else b">" if name in _IDS else b""
    if not wanted:
        return []
    found: list[int] = []
    comment = angle = 0
    start = raw.find(b":") + 1
    for token in _TOKEN.finditer(raw, start):
        mark = token[0]
        if mark == b"(":
            comment += 1
        elif mark == b")":
            comment = max(0, comment - 1)
        elif comment:
            continue
        elif mark == b"<":
            angle = 1
        elif mark == b">":
            angle = 0
            if wanted == b">" and raw[token.end() : token.end() + 1] == b"<":
                found.append(token.end())
        elif mark == wanted and not angle and token.end() < len(raw) and raw[token.end()] not in b"\r\n \t":
            found.append(token.end())
    return found
