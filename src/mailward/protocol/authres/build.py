"""Writing our Authentication-Results (RFC 8601 section 2.2). Strangers' words go in as quoted printable ASCII."""

from __future__ import annotations

import re

from mailward.protocol.authres.model import AuthenticationResults, MethodResult

MAX_LINE = 78
MAX_VALUE = 320

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*@[A-Za-z0-9.-]+")
_UNSAFE = re.compile(r"[^ -~]+")


def build(found: AuthenticationResults) -> bytes:
    """The field, folded, with its CRLF."""
    return b"Authentication-Results: " + value(found, first=MAX_LINE - 24) + b"\r\n"


def value(found: AuthenticationResults, *, first: int = MAX_LINE) -> bytes:
    """What stands behind the colon, folded and without the last CRLF; the first line has room for `first` octets."""
    parts = [f"{_plain(found.authserv_id)};"]
    if not found.results:
        parts[0] += " none"
    parts += [_one(result) + ("" if result is found.results[-1] else ";") for result in found.results]
    lines: list[str] = []
    room = first
    for part in parts:
        line = ""
        for word in part.split(" "):
            if line and len(line) + 1 + len(word) > room:
                lines.append(line)
                line, room = word, MAX_LINE - 1
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
        room = MAX_LINE - 1
    return "\r\n ".join(lines).encode("ascii")


def _one(result: MethodResult) -> str:
    parts = [f"{_plain(result.method)}={_plain(result.result)}"]
    if result.reason:
        parts.append(f"reason={_quoted(result.reason)}")
    for each in result.properties:
        if each.value:
            parts.append(f"{_plain(each.ptype)}.{_plain(each.name)}={_value(each.value)}")
    return " ".join(parts)


def _plain(text: str) -> str:
    """A name of ours. ValueError for anything that is no token, which only a mistake of ours can be."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"not a token: {text!r}")
    return text


def _value(text: str) -> str:
    return text if len(text) <= MAX_VALUE and (_TOKEN.fullmatch(text) or _ADDRESS.fullmatch(text)) else _quoted(text)


def _quoted(text: str) -> str:
    """A quoted string; what is not printable ASCII becomes a question mark, runs of spaces one space (it may fold)."""
    text = " ".join(_UNSAFE.sub("?", text)[:MAX_VALUE].split(" "))
    text = re.sub(r"  +", " ", text).strip()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
