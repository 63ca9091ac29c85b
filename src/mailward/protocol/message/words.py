"""RFC 2047 encoded words, both ways. Our own, because the standard library turns
`=?UTF-8?Q?=0A?=Bcc: x@y` into a real line (CVE-2024-6923) and others are quadratic.
"""

from __future__ import annotations

import binascii
import re

from mailward.protocol.message import charset as charsets
from mailward.protocol.message.charset import UNPRINTABLE

# Every class excludes "?", so an attempt ends at the next one and the scan stays linear. Octets above ASCII have no
# place in a word, but there are senders who leave them there; they mean what the word's charset says.
_WORD = re.compile(rb"=\?([!->@-~]{1,60})\?([bBqQ])\?([!->@-~ \x80-\xff]{0,2000})\?=")
_BASE64_JUNK = re.compile(rb"[^A-Za-z0-9+/]+")
_Q_UNSAFE = re.compile(rb"[^A-Za-z0-9!*+/ -]")  # RFC 2047 section 5 (3): safe inside a phrase too

MAX_WORD = 75
_LINE = 76


def _payload(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    text = _BASE64_JUNK.sub(b"", text)
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def decode_raw(value: bytes, *, limit: int = 65536) -> str:
    """Text of an unfolded header value with its encoded words decoded, controls and all. For checks only.

    Tolerant: what does not decode stays as it is. At most `limit` bytes are read.
    """
    value = value[:limit]
    if b"=?" not in value:
        return value.decode("utf-8", "replace")
    out: list[str] = []
    position = 0
    pending, pending_charset = b"", ""  # neighbours of one charset join before decoding: some split a character
    for match in _WORD.finditer(value):
        between = value[position : match.start()]
        charset = match[1].partition(b"*")[0].decode("ascii").lower()  # RFC 2231 section 5: charset*language
        try:
            data = _payload(match[2], match[3])
        except ValueError:
            data = match[0]
        if pending_charset and not between.strip(b" \t\r\n") and position:
            between = b""  # section 6.2: white space between encoded words is not displayed
        if between or charset != pending_charset:
            if pending_charset:
                out.append(charsets.decode(pending, pending_charset))
            out.append(between.decode("utf-8", "replace"))
            pending, pending_charset = data, charset
        else:
            pending += data
        position = match.end()
    if pending_charset:
        out.append(charsets.decode(pending, pending_charset))
    out.append(value[position:].decode("utf-8", "replace"))
    return "".join(out)


def hides_break(value: bytes) -> bool:
    """Whether an encoded word holds the octet CR, LF or NUL: a line break to who reads it in another charset."""
    for match in _WORD.finditer(value):
        try:
            data = _payload(match[2], match[3])
        except ValueError:
            continue
        if b"\n" in data or b"\r" in data or b"\0" in data:
            return True
    return False


def decode(value: bytes, *, limit: int = 4096) -> str:
    """Text of an unfolded header value for display: encoded words decoded, every control and line break as U+FFFD."""
    text = decode_raw(value, limit=limit)
    if text.isprintable():
        return text
    return UNPRINTABLE.sub("\ufffd", text.replace("\t", " "))


def encode(text: str, first: int = 0) -> list[str]:
    """Encoded words of at most 75 characters, split between characters, to be joined by CRLF and a space.

    `first` is how many columns of the first line are taken already.
    """
    data = text.encode("utf-8")
    # Each unsafe byte costs 3 columns in Q, while base64 costs 4/3 on all.
    if len(_Q_UNSAFE.findall(data)) * 6 <= len(data):
        return _encode_q(text, first)
    out = []
    position, size = 0, len(data)
    room = _room(first)
    while position < size:
        end = min(position + (room - 12) // 4 * 3, size)
        while end < size and data[end] & 0xC0 == 0x80:
            end -= 1
        out.append("=?utf-8?b?" + binascii.b2a_base64(data[position:end], newline=False).decode("ascii") + "?=")
        position = end
        room = MAX_WORD
    return out


def _room(first: int) -> int:
    # Below 28 columns a word holds nothing worth it; a line a little over 76 is then the lesser evil.
    return max(28, min(MAX_WORD, _LINE - first))


def _encode_q(text: str, first: int) -> list[str]:
    out: list[str] = []
    line: list[str] = []
    used, room = 12, _room(first)
    for character in text:
        if character == " ":
            piece = "_"
        elif character.isascii() and (character.isalnum() or character in "!*+/-"):
            piece = character
        else:
            piece = "".join(f"={byte:02X}" for byte in character.encode("utf-8"))
        if used + len(piece) > room:
            out.append("=?utf-8?q?" + "".join(line) + "?=")
            line, used, room = [], 12, MAX_WORD
        line.append(piece)
        used += len(piece)
    if line:
        out.append("=?utf-8?q?" + "".join(line) + "?=")
    return out
