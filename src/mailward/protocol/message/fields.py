"""Writing header fields: refusing what could start another line, encoding, folding.

RFC 5322 section 2.2.3, RFC 2047, RFC 2231.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from mailward.base.errors import Invalid
from mailward.protocol.message import words
from mailward.protocol.message.charset import UNPRINTABLE
from mailward.protocol.message.mailbox import Mailbox

FOLD = 78
HARD = 998

_PLAIN = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_QUOTE = re.compile(r'(["\\])')
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]+")
_UNFOLDED_BREAK = re.compile(r"(?<![ \t])[ \t]++(?=[^ \t])")  # from a run's beginning only: see folding.py
_PERCENT_CONTROL = re.compile(r"%(?:0[0-9a-f]|1[0-9a-f]|7f|c2%85|e2%80%a[89])", re.IGNORECASE)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def check(text: str, field: str) -> str:
    """The text, once nothing in it can end a line: not as it stands, and not after decoding encoded words.

    Raises Invalid `header_injection`: CR, LF, NUL and other controls, U+0085, U+2028, U+2029, lone surrogates.
    """
    hostile = not text.isprintable() and UNPRINTABLE.search(text) is not None
    if not hostile and "=?" in text:
        raw = text.encode("utf-8")
        hostile = UNPRINTABLE.search(words.decode_raw(raw)) is not None or words.hides_break(raw)
    if hostile:
        raise Invalid("header_injection", "A header value holds a line break or a control character.", field=field)
    return text


def unstructured(name: str, text: str, field: str) -> str:
    """A free-text field such as Subject, exactly as the reader shall see it."""
    check(text, field)
    if text.isascii() and "=?" not in text:
        if len(name) + 2 + len(text) <= FOLD:
            return f"{name}: {text}\r\n"
        folded = fold(f"{name}: {text}")
        if folded is not None:
            return folded
    return f"{name}: " + "\r\n ".join(words.encode(text, len(name) + 2)) + "\r\n"


def given(name: str, text: str, field: str) -> str:
    """A caller's own field: ASCII stays as it is (it may be structured, or encoded already), the rest is encoded."""
    text = text.replace("\t", " ").strip(" ")
    check(text, field)
    if not text.isascii():
        return f"{name}: " + "\r\n ".join(words.encode(text, len(name) + 2)) + "\r\n"
    folded = fold(f"{name}: {text}")
    if folded is None:
        raise Invalid("header_too_long", f"A header line without spaces is longer than {HARD} bytes.", field=field)
    return folded


def fold(line: str) -> str | None:
    """One ASCII field folded at white space where it passes 78 columns; None when a piece passes 998."""
    if len(line) <= FOLD:
        return line + "\r\n"
    out: list[str] = []
    start = last = 0
    first = line.find(":") + 2  # never right after the name: some read that as an empty field
    for match in _UNFOLDED_BREAK.finditer(line, first):
        if match.start() - start > FOLD and last > start:
            out.append(line[start:last])
            start = last
        last = match.start()
    if len(line) - start > FOLD and last > start:
        out.append(line[start:last])
        start = last
    out.append(line[start:])
    if any(len(piece) > HARD for piece in out):
        return None
    return "\r\n".join(out) + "\r\n"


def mailboxes(name: str, boxes: Sequence[Mailbox], field: str) -> str:
    """An address field. Non-ASCII local parts stand as UTF-8 (RFC 6532)."""
    line = f"{name}: "
    column = len(line)
    out = [line]
    last = len(boxes) - 1
    for index, box in enumerate(boxes):
        pieces = _mailbox(box, field)
        for at, piece in enumerate(pieces):
            text = piece if index == last or at < len(pieces) - 1 else piece + ","
            if column + len(text) + 1 > FOLD and (index or at):
                out.append("\r\n ")
                column = 1
            elif index or at:
                out.append(" ")
                column += 1
            out.append(text)
            column += len(text)
    out.append("\r\n")
    return "".join(out)


def _mailbox(box: Mailbox, field: str) -> list[str]:
    local, domain, name = box.local, box.domain, box.name
    check(local, field)
    if not name:
        return [f"{local}@{domain}"]
    check(name, field)
    address = f"<{local}@{domain}>"
    if len(name) <= 60 and "=?" not in name:
        # Blanks around and between words count only within quotes.
        if _ATOMS.fullmatch(name) and "  " not in name and name == name.strip():
            return [name, address]
        if _PLAIN.fullmatch(name):
            return ['"' + _QUOTE.sub(r"\\\1", name) + '"', address]
    return [*words.encode(name, 12), address]


def parameter(name: str, text: str, field: str) -> list[str]:
    """A MIME parameter as `name=...` pieces: token, quoted string, or RFC 2231. Never two readings of one name.

    What looks like an encoded word is one to readers who know no better (RFC 2047 section 5 forbids them here), unless
    its octets are written as numbers.
    """
    check(text, field)
    if _PERCENT_CONTROL.search(text):
        raise Invalid("header_injection", "A file name holds an encoded control character.", field=field)
    if text.isascii() and len(text) <= 120 and "=?" not in text:
        if _TOKEN.fullmatch(text):
            return [f"{name}={text}"]
        return [f'{name}="' + _QUOTE.sub(r"\\\1", text) + '"']
    encoded = "utf-8''" + quote(text, safe="!#$&+-.^_`|~")
    if len(encoded) <= 66:
        return [f"{name}*={encoded}"]
    out: list[str] = []
    position = 0
    while position < len(encoded):
        end = position + 60
        if "%" in encoded[end - 2 : end]:  # never between the characters of one %XX
            end = encoded.rindex("%", end - 2, end)
        out.append(f"{name}*{len(out)}*={encoded[position:end]}")
        position = end
    return out


def fallback_parameter(name: str, text: str) -> str:
    """The same for readers older than RFC 2231: ASCII, shortened, in quotes."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "_" for c in text)[:120].replace("=?", "=_")
    return f'{name}="{plain}"'


def date(moment: datetime) -> str:
    """RFC 5322 date and time of a UTC moment."""
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} +0000"
    )
