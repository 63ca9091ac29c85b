"""Verifying the signatures of a message (RFC 6376 section 6)."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, cast

from mailward.protocol.dkim import canonical, publickey
from mailward.protocol.dkim.coverage import added, uncovered
from mailward.protocol.dkim.signature import Broken, Signature, parse
from mailward.protocol.dkim.tags import parse as parse_tags
from mailward.protocol.dns import DnsQuery, Lookup
from mailward.protocol.message import headers

MAX_SIGNATURES = 10
"""The topmost are looked at; further ones are reported without a look-up."""
MAX_KEY_RECORDS = 5

Result: TypeAlias = Literal["pass", "fail", "temperror", "permerror", "policy"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one signature is worth. `reason` is "" for pass; `testing` means the domain says it only tries (t=y).

    A signature says nothing of who sends the message now: whoever has it may send it again. What helps to see that is
    here: when it was made and how long it is meant to hold (Unix seconds), and in `uncovered` the fields that readers
    see and that could be added or changed under it. `value` is the beginning of b=, to tell them apart (RFC 6008).
    """

    result: Result
    reason: str
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    key_bits: int = 0
    testing: bool = False
    signed_at: int | None = None
    expires_at: int | None = None
    uncovered: tuple[str, ...] = ()
    value: str = ""


def verify(fields: Sequence[tuple[bytes, bytes]], body: bytes, now: datetime) -> Lookup[list[Verdict]]:
    """A verdict for each DKIM-Signature, topmost first; empty when there is none."""
    verdicts: list[Verdict] = []
    for each in lookups(fields, body, now):
        verdicts.append((yield from each))
    return verdicts


def lookups(fields: Sequence[tuple[bytes, bytes]], body: bytes, now: datetime) -> list[Lookup[Verdict]]:
    """One computation for each DKIM-Signature, topmost first: they do not depend on one another."""
    signatures = [raw for name, raw in fields if name == b"dkim-signature"]
    bodies: dict[bool, bytes] = {}
    wanted = [_one(raw, fields, body, bodies, now) for raw in signatures[:MAX_SIGNATURES]]
    return wanted + [_unread() for _ in range(min(len(signatures), 1000) - len(wanted))]


def _unread() -> Lookup[Verdict]:
    yield from ()
    return Verdict("policy", "too_many_signatures")


def _one(
    raw: bytes, fields: Sequence[tuple[bytes, bytes]], body: bytes, bodies: dict[bool, bytes], now: datetime
) -> Lookup[Verdict]:
    try:
        signature = parse(raw, now)
    except Broken as broken:
        return _unjudged(raw, cast(Result, broken.result), broken.code)
    result, reason, bits, testing = yield from _judge(signature, fields, body, bodies)
    if result == "pass" and added(signature.names, fields):
        # Which of two Subjects a reader sees depends on the program; the signature stands for one (RFC 6376 8.15).
        result, reason = "policy", "field_added"
    return Verdict(
        result,
        reason,
        signature.domain,
        signature.selector,
        signature.identity,
        signature.algorithm,
        bits,
        testing,
        signature.signed_at,
        signature.expires_at,
        uncovered(signature.names, fields),
        binascii.b2a_base64(signature.value, newline=False)[:8].decode("ascii"),
    )


def _unjudged(raw: bytes, result: Result, reason: str) -> Verdict:
    """A settled signature with what it says of itself where that can be read."""
    found = parse_tags(headers.value(raw)) or {}
    domain, selector = (found.get(name, b"").decode("ascii", "replace")[:253] for name in (b"d", b"s"))
    return Verdict(result, reason, domain.lower(), selector.lower())


def _judge(
    signature: Signature, fields: Sequence[tuple[bytes, bytes]], body: bytes, bodies: dict[bool, bytes]
) -> Lookup[tuple[Result, str, int, bool]]:
    relaxed = signature.body_relaxed
    if relaxed not in bodies:
        bodies[relaxed] = canonical.body_hash(body, relaxed=relaxed)
    if bodies[relaxed] != signature.body_hash:
        return "fail", "body_hash", 0, False  # before any look-up: a changed body costs no DNS
    answer = yield DnsQuery(f"{signature.selector}._domainkey.{signature.domain}", "TXT")
    if answer.status in ("servfail", "timeout"):
        return "temperror", "key_unavailable", 0, False
    if answer.status != "ok" or not answer.records:
        return "permerror", "key_missing", 0, False
    data = signed_data(signature, fields)
    outcome: tuple[Result, str, int, bool] = ("permerror", "key_syntax", 0, False)
    for record in answer.records[:MAX_KEY_RECORDS]:  # section 6.1.2 leaves several records to us: any may fit
        try:
            key = publickey.parse(record, signature.algorithm)
            publickey.check_identity(signature, key)
        except Broken as broken:
            outcome = (cast(Result, broken.result), broken.code, 0, False)
            continue
        if key.verifies(signature.value, data):
            return "pass", "", key.bits, key.testing
        outcome = ("fail", "signature", key.bits, key.testing)
    return outcome


def signed_data(signature: Signature, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """What the signature signs: the named fields from the bottom up, then itself with b= emptied (section 3.7)."""
    stacks: dict[bytes, list[bytes]] = {}
    for name, raw in fields:
        stacks.setdefault(name, []).append(raw)
    out = []
    for name in signature.names:
        stack = stacks.get(name)
        if stack:
            raw = stack.pop()
            out.append(canonical.relaxed_header(name, raw) if signature.header_relaxed else raw)
    own = without_value(signature.raw)
    if signature.header_relaxed:
        own = canonical.relaxed_header(b"dkim-signature", own)
    out.append(own[:-2] if own.endswith(b"\r\n") else own)
    return b"".join(out)


def without_value(raw: bytes) -> bytes:
    """The raw field with the value of b= taken out, everything else as it was."""
    start = raw.index(b":") + 1
    while start < len(raw):
        end = raw.find(b";", start)
        end = len(raw) if end < 0 else end
        name, equals, _ = raw[start:end].partition(b"=")
        if equals and name.strip(b" \t\r\n") == b"b":
            keep = start + len(name) + 1
            tail = raw[end:] if end < len(raw) else b"\r\n"
            return raw[:keep] + tail
        start = end + 1
    return raw
