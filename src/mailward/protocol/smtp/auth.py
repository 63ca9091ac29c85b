"""SASL PLAIN (RFC 4616) and LOGIN as AUTH carries them (RFC 4954): octets in, a username and password out.

Everything malformed is one error, decided before any credential is looked up, so it tells nothing about accounts.
"""

from __future__ import annotations

import binascii

from mailward.base.secret import Secret

USERNAME_MAX = 255  # octets
PASSWORD_MAX = 1024  # octets; more only feeds the password hash


class BadResponse(ValueError):
    """Not base64, not UTF-8, not of the mechanism's shape, or too long: 501."""


class WrongIdentity(ValueError):
    """An authorization identity other than the authentication identity; acting for somebody else is not offered."""


def decode(text: bytes) -> bytes:
    """Strict base64; "=" alone is the empty response (RFC 4954 section 4)."""
    if text == b"=":
        return b""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise BadResponse from None


def plain(text: bytes) -> tuple[str, Secret[str]]:
    """The username and password of a PLAIN response. Raises BadResponse or WrongIdentity."""
    fields = decode(text).split(b"\0")
    if len(fields) != 3:
        raise BadResponse
    name, password = username(fields[1]), secret(fields[2])
    if fields[0] and fields[0] != fields[1]:
        raise WrongIdentity
    return name, password


def username(raw: bytes) -> str:
    """A username: UTF-8 without control characters."""
    text = _text(raw, USERNAME_MAX)
    if not text.isprintable():
        raise BadResponse
    return text


def secret(raw: bytes) -> Secret[str]:
    """A password: UTF-8 without NUL."""
    return Secret(_text(raw, PASSWORD_MAX))


def _text(raw: bytes, limit: int) -> str:
    if not raw or len(raw) > limit or b"\0" in raw:
        raise BadResponse
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadResponse from None
