"""The text/html parts of a message that may be rewritten, by octets; or why none may be."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, multipart, parameters, transfer

MAX_DEPTH = 10
MAX_PARTS = 200
MAX_HTML = 2 * 1024 * 1024
_ENCODING = b"content-transfer-encoding"
# Character sets in which the octets of ASCII mean nothing else, wherever they stand.
_PLAIN = re.compile(r"us-ascii|utf-?8|iso-8859-\d{1,2}|windows-125\d|cp125\d|koi8-[ru]|macintosh|euc-(jp|kr)|gb2312")
_SIGNATURES = frozenset((b"dkim-signature", b"arc-message-signature", b"autocrypt-gossip"))


class Part(NamedTuple):
    """The body of one part, `content[start:end]`, and its transfer encoding in lower case."""

    start: int
    end: int
    encoding: bytes


class Sealed(Exception):
    """Nothing of this message may be changed; the text says why."""


def find(content: bytes) -> list[Part]:
    """The parts in order. Raises Sealed for what is signed or encrypted, and for what is unclear."""
    found: list[Part] = []
    _look(content, 0, len(content), "text/plain", 0, found, [0])
    if sum(part.end - part.start for part in found) > MAX_HTML:
        # All of it together is read in one go, while nothing else of this worker runs.
        raise Sealed("its HTML is larger than 2 MiB")
    return found


def _look(content: bytes, start: int, end: int, default: str, depth: int, found: list[Part], seen: list[int]) -> None:
    seen[0] += 1
    if seen[0] > MAX_PARTS or depth > MAX_DEPTH:
        raise Sealed("it has too many parts")
    try:
        parsed = headers.split(content[start : min(end, start + headers.READ_BYTES + 4)])
    except Invalid:
        raise Sealed("the header of a part cannot be read") from None
    names = [name for name, _ in parsed.fields]
    if depth == 0 and not _SIGNATURES.isdisjoint(names):
        raise Sealed("it is signed already")
    if names.count(b"content-type") > 1 or names.count(_ENCODING) > 1:
        raise Sealed("a part names two types or encodings")
    raw = headers.first_value(parsed, b"content-type")
    kind, given = parameters.parse(raw) if raw is not None else (default, {})
    if multipart.is_opaque(kind) or kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        raise Sealed("it is signed or encrypted")
    body = start + parsed.body_offset
    encoding = (headers.first_value(parsed, _ENCODING) or b"").strip().lower()
    if kind in ("multipart/alternative", "multipart/mixed", "multipart/related"):
        if encoding not in transfer.IDENTITY:
            raise Sealed("a multipart has a transfer encoding")
        boundary = given.get("boundary", "").encode("utf-8", "surrogateescape")
        marks = list(islice(multipart.delimiters(content, boundary, body, end), MAX_PARTS + 1)) if boundary else []
        if not marks or not marks[-1].closes:
            raise Sealed("a multipart does not end")
        for mark, following in pairwise(marks):
            if following.start > mark.stop:
                _look(content, mark.stop, following.start, "text/plain", depth + 1, found, seen)
        return
    if kind != "text/html" or not _PLAIN.fullmatch(given.get("charset", "us-ascii").lower()):
        return
    disposition = headers.first_value(parsed, b"content-disposition")
    shown, more = parameters.parse(disposition) if disposition is not None else ("", {})
    if shown == "attachment" or more.get("filename") or given.get("name"):
        return
    if encoding in transfer.IDENTITY or encoding in (b"quoted-printable", b"base64"):
        found.append(Part(body, end, encoding))
