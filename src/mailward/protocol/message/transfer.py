"""Transfer encodings of one body (RFC 2045 section 6): chosen, made, and put into lines of 76 characters.

In C on pieces of a thousand lines: they stay close to the processor, and other threads get their turn between two.
"""

from __future__ import annotations

import binascii
import re
import struct

IDENTITY = frozenset((b"", b"7bit", b"8bit", b"binary"))

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _ALPHABET)
_NOT_DIGITS = _NOT_BASE64 + b"="
_LINES = 1024
_LINE = 76
_RAW = _LINE // 4 * 3 * _LINES  # octets that make so many lines
_cut = struct.Struct(f"{_LINE}s" * _LINES).unpack  # a third of the time of as many slices
_HIGH = bytes(range(128, 256))
_OVERFULL = re.compile(rb"=(?:20|09)(?<=[^\r\n]{77})(?=\r\n|\Z)")


def quoted_printable(data: bytes) -> bytes:
    """`data`, its lines ended by CRLF, as quoted-printable; what it decodes to is `data`, octet for octet."""
    encoded = binascii.b2a_qp(data, istext=True)
    if b"\r\n" not in data:  # with nothing to learn from, the encoder ends its own lines with LF
        encoded = encoded.replace(b"\n", b"\r\n")
    # It counts a space at the end of a line as one character and writes three.
    if b"=20" in encoded or b"=09" in encoded:
        encoded = _OVERFULL.sub(rb"=\r\n\g<0>", encoded)
    return encoded


def base64(data: bytes) -> bytes:
    """Base64 in lines of 76 characters joined by CRLF, without one at the end."""
    view = memoryview(data)
    return b"\r\n".join(
        [_broken(binascii.b2a_base64(view[i : i + _RAW], newline=False)) for i in range(0, len(data), _RAW)]
    )


def mostly_high(data: bytes) -> bool:
    """Whether more than half the octets would take three each: no one reads that undecoded, and base64 is smaller."""
    return (len(data) - len(data.translate(None, _HIGH))) * 2 > len(data)


def base64_again(body: bytes) -> bytes:
    """The same base64 in short lines, without the characters that readers ignore (RFC 2045 section 6.8)."""
    size = _LINE * _LINES
    digits = b"".join([body[i : i + size].translate(None, _NOT_BASE64) for i in range(0, len(body), size)])
    lines = b"\r\n".join([_broken(digits[i : i + size]) for i in range(0, len(digits), size)])
    return lines + (b"\r\n" if body.endswith(b"\r\n") else b"")


def base64_digits(body: bytes) -> bytes:
    """The characters of base64 that carry bits, without the padding."""
    return body.translate(None, _NOT_DIGITS)


def quoted_printable_decoded(body: bytes) -> bytes:
    """What quoted-printable stands for; characters that it should not hold stand for themselves."""
    return binascii.a2b_qp(body)


def _broken(encoded: bytes) -> bytes:
    """At most a thousand lines' characters, in lines."""
    if len(encoded) == _LINE * _LINES:
        return b"\r\n".join(_cut(encoded))
    return b"\r\n".join([encoded[i : i + _LINE] for i in range(0, len(encoded), _LINE)])
