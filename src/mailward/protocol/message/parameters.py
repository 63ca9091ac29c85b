"""Reading `value; name=value` fields tolerantly, RFC 2231 continuations and charsets included. Never raises."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from mailward.protocol.message import charset, words

MAX_PARAMETERS = 100

_PARAMETER = re.compile(r';\s*([^\s=;"]{1,80})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;"\s]*))', re.DOTALL)
_COMMENT = re.compile(r"\([^()]*\)")
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_UNQUOTE = re.compile(r"\\(.)", re.DOTALL)


def parse(raw: bytes) -> tuple[str, dict[str, str]]:
    """(lower-case value, parameters by lower-case name). The first of two equal names counts; RFC 2231 wins."""
    text = raw[:16384].decode("utf-8", "surrogateescape")
    value, _, _ = text.partition(";")
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, match in enumerate(_PARAMETER.finditer(text, len(value))):
        if count >= MAX_PARAMETERS:
            break
        name = match[1].lower()
        given = _UNQUOTE.sub(r"\1", match[2]) if match[2] is not None else match[3]
        section = _SECTION.fullmatch(name)
        if section is None or (section[2] is None and section[3] is None):
            plain.setdefault(name, words.decode(given.encode("utf-8", "surrogateescape")) if "=?" in given else given)
        else:
            number = int(section[2]) if section[2] is not None else 0
            sections.setdefault(section[1], {}).setdefault(number, (section[3] is not None, given))
    for name, pieces in sections.items():
        plain[name] = _join(pieces)
    return _COMMENT.sub("", value).strip().lower(), plain


def _join(pieces: dict[int, tuple[bool, str]]) -> str:
    data = b""
    label = "utf-8"
    for number in range(len(pieces)):
        if number not in pieces:
            break
        encoded, text = pieces[number]
        if encoded:
            if number == 0 and text.count("'") >= 2:
                label, _, text = text.split("'", 2)
            data += unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
        else:
            data += text.encode("utf-8", "surrogateescape")
    return charset.decode(data, label or "utf-8")
