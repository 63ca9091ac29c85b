"""Validating a chain (RFC 8617 section 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mailward.protocol.arc.sets import AAR, AMS, AS, ArcSet, BrokenChain, MessageSignature, Seal, collect, highest
from mailward.protocol.dkim import canonical, publickey
from mailward.protocol.dkim.signature import Broken
from mailward.protocol.dkim.verify import MAX_KEY_RECORDS, without_value
from mailward.protocol.dns import DnsAnswer, DnsQuery, Lookup

Result: TypeAlias = Literal["none", "pass", "fail"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the chain is worth.

    `sealers` are the d= of the seals, oldest first, and `results` what their ARC-Authentication-Results say: worth
    reading only when `result` is pass, and only as far as the sealers are trusted. `from_signed`: the newest message
    signature covers From. `terminated`: an earlier hand already sealed the chain as failed, so nobody adds to it.
    `temporary`: DNS did not answer, so the fail may not last.
    """

    result: Result
    reason: str
    instances: int = 0
    sealers: tuple[str, ...] = ()
    results: tuple[bytes, ...] = ()
    from_signed: bool = False
    terminated: bool = False
    temporary: bool = False


def validate(fields: Sequence[tuple[bytes, bytes]], body: bytes) -> Lookup[Verdict]:
    """Judge the chain of a message. Asks for each key of it once, 51 at most."""
    try:
        sets = collect(fields)
    except BrokenChain as broken:
        return Verdict("fail", broken.public, highest(fields))
    if not sets:
        return Verdict("none", "The message carries no ARC set.")
    sealers = tuple(each.seal.domain for each in sets)
    results = tuple(each.results for each in sets)
    if failed := [each.seal.domain for each in sets if each.seal.cv == "fail"]:
        reason = f"{failed[-1]} has sealed the chain as failed."
        return Verdict("fail", reason, len(sets), sealers, results, terminated=True)
    try:
        _check_order(sets)
        keys: dict[tuple[str, str], DnsAnswer] = {}
        yield from _check_message(sets[-1], fields, body, keys)
        for each in reversed(sets):
            yield from _check_key(each.seal, sealed_data(sets[: each.instance]), keys, f"seal {each.instance}")
    except BrokenChain as broken:
        return Verdict("fail", broken.public, len(sets), sealers, results, temporary=broken.temporary)
    whole = f"The newest message signature and all {len(sets)} seals of the chain hold."
    return Verdict("pass", whole, len(sets), sealers, results, from_signed=b"from" in sets[-1].signature.names)


def _check_order(sets: list[ArcSet]) -> None:
    for each in sets:
        expected = "none" if each.instance == 1 else "pass"
        if each.seal.cv != expected:
            raise BrokenChain(f"Seal {each.instance} says cv={each.seal.cv} where only {expected} can stand.")


def _check_message(
    newest: ArcSet, fields: Sequence[tuple[bytes, bytes]], body: bytes, keys: dict[tuple[str, str], DnsAnswer]
) -> Lookup[None]:
    signature = newest.signature
    if canonical.body_hash(body, relaxed=signature.body_relaxed) != signature.body_hash:
        raise BrokenChain(f"The body has been changed since {signature.domain} signed it.")
    yield from _check_key(signature, _signed_data(signature, fields), keys, "the newest message signature")


def _signed_data(signature: MessageSignature, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """As in DKIM: the named fields from the bottom up, then the signature itself without its value."""
    stacks: dict[bytes, list[bytes]] = {}
    for name, raw in fields:
        if raw is not signature.raw:
            stacks.setdefault(name, []).append(raw)
    out = []
    for name in signature.names:
        if stack := stacks.get(name):
            raw = stack.pop()
            out.append(canonical.relaxed_header(name, raw) if signature.header_relaxed else raw)
    own = without_value(signature.raw)
    if signature.header_relaxed:
        own = canonical.relaxed_header(AMS, own)
    out.append(own.removesuffix(b"\r\n"))
    return b"".join(out)


def sealed_data(sets: Sequence[ArcSet]) -> bytes:
    """What the seal of the last of `sets` signs: all fields of all sets in order, relaxed (section 5.1.1)."""
    out = []
    for each in sets:
        out.append(canonical.relaxed_header(AAR, each.results_raw))
        out.append(canonical.relaxed_header(AMS, each.signature.raw))
        out.append(canonical.relaxed_header(AS, each.seal.raw))
    out[-1] = canonical.relaxed_header(AS, without_value(sets[-1].seal.raw)).removesuffix(b"\r\n")
    return b"".join(out)


def _check_key(
    signed: Seal | MessageSignature, data: bytes, keys: dict[tuple[str, str], DnsAnswer], what: str
) -> Lookup[None]:
    """Raises BrokenChain unless a published key of the signer made this signature."""
    at = (signed.selector, signed.domain)
    if at not in keys:
        keys[at] = yield DnsQuery(f"{signed.selector}._domainkey.{signed.domain}", "TXT")
    answer = keys[at]
    if answer.status in ("servfail", "timeout"):
        raise BrokenChain(f"The key of {signed.domain} for {what} could not be asked for.", temporary=True)
    why = f"{signed.domain} publishes no key for {what}."
    for record in answer.records[:MAX_KEY_RECORDS]:
        try:
            key = publickey.parse(record, signed.algorithm)
        except Broken:
            why = f"The key of {signed.domain} for {what} cannot be used."
            continue
        if key.verifies(signed.value, data):
            return
        why = f"The signature of {signed.domain} does not hold: {what}."
    raise BrokenChain(why)
