"""The nouns of an Authentication-Results field (RFC 8601 section 2.2)."""

from __future__ import annotations

from typing import NamedTuple


class Property(NamedTuple):
    """`smtp.mailfrom=a@b.example`: ptype, property, value as plain text (quotes and escapes taken off)."""

    ptype: str
    name: str
    value: str


class MethodResult(NamedTuple):
    """`dkim=fail reason="..." header.d=...`."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[Property, ...] = ()


class AuthenticationResults(NamedTuple):
    """A whole field; no results stands for "none"."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
    version: int = 1
