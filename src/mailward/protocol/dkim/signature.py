"""Reading one DKIM-Signature field (RFC 6376 sections 3.5 and 6.1.1)."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from datetime import datetime

from mailward.base.errors import MailwardError
from mailward.protocol.dkim import tags
from mailward.protocol.message import headers

_DOMAIN = re.compile(rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)+")
_SELECTOR = re.compile(
    rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
_NUMBER = re.compile(rb"[0-9]{1,12}")
_CANON = {b"simple": False, b"relaxed": True}

MAX_SIGNED_FIELDS = 1000
CLOCK_SKEW = 300
"""Seconds a signature may lie in the future before t= counts as wrong."""


class Broken(MailwardError):
    """A signature that is settled already: `result` is "permerror" or "fail", `code` the reason."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason, reason)
        self.result = result


@dataclass(frozen=True, slots=True)
class Signature:
    """The tags of one field, read. `header_relaxed`, `body_relaxed`: which canonicalisation.

    `signed_at` and `expires_at`: t= and x=, Unix seconds.
    """

    raw: bytes
    algorithm: str
    domain: str
    selector: str
    identity: str
    names: tuple[bytes, ...]
    header_relaxed: bool
    body_relaxed: bool
    body_hash: bytes
    value: bytes
    signed_at: int | None = None
    expires_at: int | None = None


def parse(raw: bytes, now: datetime) -> Signature:
    """Read a raw field. Raises Broken when it can only end in permerror or fail."""
    found = tags.parse(headers.value(raw))
    if found is None:
        raise Broken("permerror", "syntax")
    if found.get(b"v") != b"1":
        raise Broken("permerror", "version")
    for name in (b"a", b"b", b"bh", b"d", b"h", b"s"):
        if name not in found:
            raise Broken("permerror", "tag_missing")
    domain, selector = found[b"d"], found[b"s"]
    if not _DOMAIN.fullmatch(domain) or not _SELECTOR.fullmatch(selector) or len(domain) + len(selector) > 240:
        raise Broken("permerror", "domain_invalid")
    header, _, body = found.get(b"c", b"simple/simple").partition(b"/")
    body = body or b"simple"
    if header not in _CANON or body not in _CANON:
        raise Broken("permerror", "canonicalization_unknown")
    if found.get(b"q", b"dns/txt") != b"dns/txt" and b"dns/txt" not in tags.squeeze(found[b"q"]).split(b":"):
        raise Broken("permerror", "query_unknown")
    names = tuple(tags.squeeze(found[b"h"]).lower().split(b":"))
    if b"" in names or len(names) > MAX_SIGNED_FIELDS:
        raise Broken("permerror", "header_list_invalid")
    if b"from" not in names:
        raise Broken("permerror", "from_not_signed")
    identity = _identity(found, domain)
    times = _check_times(found, now)
    algorithm = found[b"a"].decode("ascii", "replace")
    if algorithm == "rsa-sha1":
        raise Broken("fail", "sha1")  # RFC 8301 section 3.1
    if algorithm not in ("rsa-sha256", "ed25519-sha256"):
        raise Broken("permerror", "algorithm_unknown")
    if b"l" in found:
        raise Broken("fail", "body_length")  # text may follow what is signed: worth no more than none
    return Signature(
        raw=raw,
        algorithm=algorithm,
        domain=domain.decode("ascii").lower(),
        selector=selector.decode("ascii").lower(),
        identity=identity,
        names=names,
        header_relaxed=_CANON[header],
        body_relaxed=_CANON[body],
        body_hash=_base64(found[b"bh"]),
        value=_base64(found[b"b"]),
        signed_at=times.get(b"t"),
        expires_at=times.get(b"x"),
    )


def _identity(found: dict[bytes, bytes], domain: bytes) -> str:
    """i= must lie in d= or below it (section 3.5)."""
    given = found.get(b"i", b"@" + domain)
    _, at, host = given.rpartition(b"@")
    host, domain = host.lower(), domain.lower()
    if not at or (host != domain and not host.endswith(b"." + domain)):
        raise Broken("permerror", "identity_outside_domain")
    return given.decode("utf-8", "replace")


def _check_times(found: dict[bytes, bytes], now: datetime) -> dict[bytes, int]:
    moment = now.timestamp()
    times: dict[bytes, int] = {}
    for name in (b"t", b"x"):
        if name in found:
            if not _NUMBER.fullmatch(found[name]):
                raise Broken("permerror", "time_invalid")
            times[name] = int(found[name])
    if b"x" in times:
        if b"t" in times and times[b"x"] <= times[b"t"]:
            raise Broken("permerror", "time_invalid")
        if times[b"x"] < moment:
            raise Broken("fail", "expired")
    if times.get(b"t", 0) > moment + CLOCK_SKEW:
        raise Broken("fail", "from_the_future")
    return times


def _base64(value: bytes) -> bytes:
    try:
        raw = binascii.a2b_base64(tags.squeeze(value), strict_mode=True)
    except binascii.Error as error:
        raise Broken("permerror", "base64_invalid") from error
    if not raw:
        raise Broken("permerror", "base64_invalid")
    return raw
