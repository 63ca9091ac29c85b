"""Where a link leads: the address as an HTML attribute holds it, as a browser would read it, fit for a header field."""

from __future__ import annotations

import html
import re
from html.entities import html5
from urllib.parse import quote

_REFERENCE = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z][A-Za-z0-9]*;?)(=?)")
_ABSOLUTE = re.compile(r"(?i:https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?=[/?#]|\Z)[!-~]*")
_AUTHORITY = re.compile(r"(?i:https?)://[^/?#]*")
_SAFE = "".join(chr(c) for c in range(0x21, 0x7F))


def read(value: bytes) -> str:
    """The absolute http or https address that the value of an href stands for, in ASCII; "" for anything else.

    Read as browsers do (HTML, section 13.2.5.80: in an attribute a name without a semicolon is a character only when
    no letter, digit or "=" follows; URL Standard section 4.4: space around it, and line breaks within, are left out).
    With a user name in it, or a host that is not ASCII, it is left alone: nobody should have to guess where it leads.
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    text = _REFERENCE.sub(_character, text) if "&" in text else text
    text = text.strip("".join(map(chr, range(0x21))))
    for gone in "\t\r\n":
        text = text.replace(gone, "")
    authority = _AUTHORITY.match(text)
    if authority is None:
        return ""
    text = authority[0] + quote(text[authority.end() :], safe=_SAFE)
    return text if fit(text) else ""


def fit(target: str) -> bool:
    """Whether a browser may be sent there: http or https, a host, nothing but visible ASCII."""
    return _ABSOLUTE.fullmatch(target) is not None


def _character(match: re.Match[str]) -> str:
    name, equals = match[1], match[2]
    if name[0] == "#":
        # Zeros in front mean nothing, and no character has eight digits: what has is none, however many follow.
        mark = "#x" if name[1] in "xX" else "#"
        digits = name[len(mark) :].rstrip(";").lstrip("0")[:8]
        return html.unescape(f"&{mark}{digits or '0'};") + equals
    if name in html5 and (name[-1] == ";" or not equals):
        return html.unescape("&" + name) + equals
    return match[0]
