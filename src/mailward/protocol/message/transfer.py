"""Transfer encodings of one body (RFC 2045 section 6): chosen, made, and put into lines of 76 characters."""

from __future__ import annotations

import binascii
import re

IDENTITY = frozenset((b"", b"7bit", b"8bit", b"binary"))

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _ALPHABET)
_NOT_DIGITS = _NOT_BASE64 + b"="
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
    return _lines(binascii.b2a_base64(data, newline=False))


def mostly_high(data: bytes) -> bool:
    """Whether more than half the octets would take three each: no one reads that undecoded, and base64 is smaller."""
    return (len(data) - len(data.translate(None, _HIGH))) * 2 > len(data)


def base64_again(body: bytes) -> bytes:
    """The same base64 in short lines, without the characters that readers ignore (RFC 2045 section 6.8)."""
    return _lines(body.translate(None, _NOT_BASE64)) + (b"\r\n" if body.endswith(b"\r\n") else b"")


def base64_digits(body: bytes) -> bytes:
    """The characters of base64 that carry bits, without the padding."""
    return body.translate(None, _NOT_DIGITS)


def quoted_printable_decoded(body: bytes) -> bytes:
    """What quoted-printable stands for; characters that it should not hold stand for themselves."""
    return binascii.a2b_qp(body)


def _lines(encoded: bytes) -> bytes:
    return b"\r\n".join([encoded[i : i + 76] for i in range(0, len(encoded), 76)])
