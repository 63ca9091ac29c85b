"""Reading Authentication-Results fields, and telling which of them claim to be ours (RFC 8601 sections 2.2 and 5)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

import idna

from mailward.protocol.authres.model import AuthenticationResults, MethodResult, Property
from mailward.protocol.message import headers

NAME = b"authentication-results"
MAX_FIELD = 16 * 1024
"""Octets of a field that is read; longer ones are no results anybody wrote."""
MAX_RESULTS = 100

_INTEREST = re.compile(r'[()"\\;]')
_HEAD = re.compile(r'[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^ \t"=/;]++))(?:[ \t]++([0-9]{1,3}))?[ \t]*')
_METHOD = re.compile(
    r"[ \t]*([A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:[ \t]*/[ \t]*[0-9]+)?[ \t]*=[ \t]*([A-Za-z0-9-]+)"
)
_PROPERTY = re.compile(
    r"[ \t]+([A-Za-z][A-Za-z0-9-]*)(?:[ \t]*\.[ \t]*([A-Za-z][A-Za-z0-9_-]*))?[ \t]*=[ \t]*"
    r'(?:"((?:[^"\\]|\\.)*)"|([^ \t";]++))'
)
_UNQUOTE = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f]+")
_NOISE = re.compile(r'[ \t"\\]+')


def parse(raw: bytes) -> AuthenticationResults | None:
    """A raw field, read strictly; None when it is malformed or longer than 16 KiB."""
    if len(raw) > MAX_FIELD:
        return None
    segments = _segments(headers.value(raw).decode("utf-8", "replace"))
    if segments is None:
        return None
    head = _HEAD.fullmatch(segments[0])
    if head is None or head[3] not in (None, "1") or len(segments) > MAX_RESULTS:
        return None
    authserv_id = head[2] if head[1] is None else _UNQUOTE.sub(r"\1", head[1])
    results = []
    for segment in segments[1:]:
        text = segment.strip(" \t")
        if text and text != "none":
            result = _result(segment)
            if result is None:
                return None
            results.append(result)
    return AuthenticationResults(authserv_id, tuple(results))


def _result(segment: str) -> MethodResult | None:
    match = _METHOD.match(segment)
    if match is None:
        return None
    position, end = match.end(), len(segment.rstrip(" \t"))
    reason, properties = "", []
    while position < end:
        each = _PROPERTY.match(segment, position)
        if each is None:
            return None
        value = each[4] if each[3] is None else _UNQUOTE.sub(r"\1", each[3])
        if each[2] is not None:
            properties.append(Property(each[1].lower(), each[2].lower(), value))
        elif each[1].lower() == "reason":
            reason = value
        else:
            return None
        position = each.end()
    return MethodResult(match[1].lower(), match[2].lower(), reason, tuple(properties))


def _segments(text: str) -> list[str] | None:
    """The parts between semicolons, comments replaced by a space; None when a quote or comment does not end."""
    out: list[str] = []
    current: list[str] = []
    depth, position, quoted = 0, 0, False
    while match := _INTEREST.search(text, position):
        if not depth:
            current.append(text[position : match.start()])
        position = match.end()
        character = match[0]
        if character == "\\":
            if not depth:
                current.append(text[match.start() : position + 1])
            position += 1
        elif quoted:
            current.append(character)
            quoted = character != '"'
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                return None
            if not depth:
                current.append(" ")
        elif not depth and character == '"':
            quoted = True
            current.append(character)
        elif not depth:
            out.append("".join(current))
            current = []
    if depth or quoted:
        return None
    current.append(text[position:])
    out.append("".join(current))
    return out


def strip(fields: Sequence[tuple[bytes, bytes]], ours: Collection[str]) -> list[tuple[bytes, bytes]]:
    """The fields without those that claim to be Authentication-Results of one of `ours` (A-labels, lower case)."""
    return [field for field in fields if field[0] != NAME or not claims(field[1], ours)]


def claims(raw: bytes, ours: Collection[str]) -> bool:
    """Whether some reader could take this field for ours.

    More is taken away than RFC 8601 section 5 demands: our name anywhere before the results counts, in any case,
    quoted, escaped, folded, commented, with a version, in U-labels or look-alike forms that normalise to it; and
    so does a field whose beginning cannot be read, or that is too long to be read.
    """
    if len(raw) > MAX_FIELD:
        return True
    text = _CONTROLS.sub(" ", headers.value(raw).decode("utf-8", "replace"))
    segments = _segments(text)
    if segments is None:
        return True
    shown = text.partition(";")[0]  # what a reader sees that knows nothing of comments
    return any(_names(head, name.lower().rstrip(".")) for head in (segments[0], shown) for name in ours)


def _names(head: str, name: str) -> bool:
    text = unicodedata.normalize("NFKC", head).casefold().replace("\u3002", ".")
    if not text.isascii():
        text = " ".join(_a_labels(word) for word in text.split())
    joined = _NOISE.sub("", text).rstrip(".")
    if joined == name or (joined.startswith(name) and joined[len(name) :].lstrip(".").isdigit()):
        return True
    return (
        re.search(rf"(?<![a-z0-9.-]){re.escape(name)}\.?(?![a-z0-9-])(?!\.[a-z0-9])", text.replace("\\", ""))
        is not None
    )


def _a_labels(word: str) -> str:
    bare = word.strip('"().')
    try:
        return idna.encode(bare[:300], uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return word
