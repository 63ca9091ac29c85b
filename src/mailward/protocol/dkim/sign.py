"""Signing: both algorithms over one body hash and one canonical header (RFC 6376 section 5, RFC 8463)."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from mailward.protocol.dkim import canonical
from mailward.protocol.dkim.keys import SigningKey

# Signed once more than they occur, so that a second one added on the way breaks the signature.
OVERSIGNED = (
    b"from", b"subject", b"to", b"cc", b"reply-to", b"date", b"message-id", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"content-disposition", b"content-id", b"content-description",
    b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip
# Signed as often as they occur: relays and lists may add their own.
SIGNED = (
    b"sender", b"in-reply-to", b"references", b"resent-date", b"resent-from", b"resent-to", b"resent-cc",
    b"resent-sender", b"resent-message-id", b"list-id", b"list-help", b"list-subscribe", b"list-post",
    b"list-owner", b"list-archive", b"feedback-id", b"auto-submitted", b"precedence",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(OVERSIGNED + SIGNED)}
_OVERSIGNED_COUNT = len(OVERSIGNED)


class Signer(NamedTuple):
    """A key and where it is published: selector._domainkey.domain, all in A-labels."""

    domain: str
    selector: str
    key: SigningKey


@lru_cache(maxsize=1024)
def _names(ranks: tuple[int, ...]) -> tuple[bytes, bytes]:
    """h= for the signed fields given by rank: (folded for the wire, canonical)."""
    order = OVERSIGNED + SIGNED
    names = [order[rank] for rank in ranks]
    lines, line = [], b"h="
    for name in names:
        if len(line) + len(name) > 74:
            lines.append(line)
            line = b""
        line += name + b":"
    lines.append(line[:-1])
    return b"\r\n ".join(lines), b" ".join(lines)


class Unsigned(NamedTuple):
    """A DKIM-Signature field without what goes behind its b=."""

    key: SigningKey
    data: bytes
    """What `key` is to sign (section 3.7, not hashed yet)."""
    start: bytes

    def field(self, signature: bytes) -> bytes:
        """The whole field, with the raw signature of `data`."""
        text = binascii.b2a_base64(signature, newline=False)
        pieces = [text[i : i + 72] for i in range(0, len(text), 72)]
        return b"%b%b\r\n" % (self.start, b"\r\n ".join(pieces))


def sign(
    fields: Sequence[tuple[bytes, bytes]],
    body: bytes,
    signers: Sequence[Signer],
    now: datetime,
    *,
    lifetime: int | None = None,
) -> bytes:
    """The DKIM-Signature fields to prepend, one for each signer, in their order; for the arguments see `prepare`."""
    return b"".join([u.field(u.key.sign(u.data)) for u in prepare(fields, body, signers, now, lifetime=lifetime)])


def prepare(
    fields: Sequence[tuple[bytes, bytes]],
    body: bytes,
    signers: Sequence[Signer],
    now: datetime,
    *,
    lifetime: int | None = None,
) -> list[Unsigned]:
    """The fields to prepend, in the signers' order, each before its key is used: that may be for many messages at once.

    `fields` as `headers.split` gives them; `body` in canonical CRLF. `lifetime` in seconds sets x=.
    The caller makes sure there is exactly one From.
    """
    if not signers:
        return []
    body_hash = binascii.b2a_base64(canonical.body_hash(body, relaxed=True), newline=False)
    chosen: list[tuple[int, bytes, bytes]] = []
    rank_of = _RANK.get
    for name, raw in reversed(fields):  # section 5.4.2: the last one first
        rank = rank_of(name)
        if rank is not None:
            chosen.append((rank, name, raw))
    chosen.sort(key=_by_rank)
    relaxed = canonical.relaxed_header
    header = b"".join([relaxed(name, raw) for _, name, raw in chosen])
    # Names that stand for a field that does not exist add nothing to the data, so they may all come last.
    ranks = tuple([item[0] for item in chosen]) + tuple(range(_OVERSIGNED_COUNT))
    wire_names, canonical_names = _names(ranks)

    moment = int(now.timestamp())
    times = b"t=%d; x=%d" % (moment, moment + lifetime) if lifetime else b"t=%d" % moment
    last = b"bh=%b;" % body_hash
    out = []
    for domain, selector, key in signers:
        first = b"v=1; a=%b; c=relaxed/relaxed; d=%b;" % (key.algorithm.encode(), domain.encode())
        second = b"s=%b; %b;" % (selector.encode(), times)
        data = b"%bdkim-signature:%b %b %b; %b b=" % (header, first, second, canonical_names, last)
        start = b"DKIM-Signature: %b\r\n %b\r\n %b;\r\n %b\r\n b=" % (first, second, wire_names, last)
        out.append(Unsigned(key, data, start))
    return out


def _by_rank(item: tuple[int, bytes, bytes]) -> int:
    return item[0]
