"""Collecting the ARC sets of a message and reading their tags (RFC 8617 sections 4.1 and 4.2)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailward.base.errors import MailwardError
from mailward.protocol.dkim import tags
from mailward.protocol.message import headers

MAX_SETS = 50  # section 4.2.1

AAR, AMS, AS = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
NAMES = (AAR, AMS, AS)
ALGORITHMS = (b"rsa-sha256", b"ed25519-sha256")

_INSTANCE = re.compile(rb"[1-9][0-9]?")
_ANY_INSTANCE = re.compile(rb"[:;][ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})")
_AAR = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;(.*)", re.DOTALL)
_DOMAIN = re.compile(rb"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,250}[A-Za-z0-9_])?")
_CANON = {b"simple": False, b"relaxed": True}


class BrokenChain(MailwardError):
    """The chain fails; `public` is the reason as a sentence. `temporary` when DNS did not answer."""

    def __init__(self, reason: str, *, temporary: bool = False) -> None:
        super().__init__("arc_fail", reason)
        self.temporary = temporary


@dataclass(frozen=True, slots=True)
class Seal:
    """One ARC-Seal."""

    raw: bytes
    algorithm: str
    cv: str
    domain: str
    selector: str
    value: bytes


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """One ARC-Message-Signature."""

    raw: bytes
    algorithm: str
    domain: str
    selector: str
    names: tuple[bytes, ...]
    header_relaxed: bool
    body_relaxed: bool
    body_hash: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields of one instance; `results` is what follows "i=N;" in its ARC-Authentication-Results."""

    instance: int
    results: bytes
    results_raw: bytes
    signature: MessageSignature
    seal: Seal


def collect(fields: Sequence[tuple[bytes, bytes]]) -> list[ArcSet]:
    """The sets in order, instance 1 first; empty when there is none. Raises BrokenChain."""
    found: dict[bytes, dict[int, tuple[bytes, dict[bytes, bytes] | bytes]]] = {name: {} for name in NAMES}
    count = 0
    for name, raw in fields:
        if name not in NAMES:
            continue
        count += 1
        if count > 3 * MAX_SETS:
            raise BrokenChain(f"The message holds more than {MAX_SETS} ARC sets.")
        instance, content = _aar(raw) if name == AAR else _tags(raw, name)
        if instance in found[name]:
            raise BrokenChain(f"Instance {instance} has more than one {_title(name)} field.")
        found[name][instance] = (raw, content)
    if not count:
        return []
    newest = max(max(each, default=0) for each in found.values())
    sets = []
    for instance in range(1, newest + 1):
        for name in NAMES:
            if instance not in found[name]:
                raise BrokenChain(f"Instance {instance} has no {_title(name)} field.")
        results_raw, results = found[AAR][instance]
        ams_raw, ams = found[AMS][instance]
        as_raw, seal = found[AS][instance]
        if not isinstance(results, bytes) or not isinstance(ams, dict) or not isinstance(seal, dict):
            raise TypeError("a field read as another kind than its name says")
        sets.append(ArcSet(instance, results, results_raw, _signature(ams_raw, ams, instance), _seal(as_raw, seal)))
    return sets


def highest(fields: Sequence[tuple[bytes, bytes]]) -> int:
    """The highest instance that any field of a chain names, readable or not; 0 for none."""
    found = (_ANY_INSTANCE.search(raw) for name, raw in fields if name in NAMES)
    return max((int(match[1]) for match in found if match), default=0)


def _title(name: bytes) -> str:
    return {AAR: "ARC-Authentication-Results", AMS: "ARC-Message-Signature", AS: "ARC-Seal"}[name]


def _aar(raw: bytes) -> tuple[int, bytes]:
    match = _AAR.fullmatch(headers.value(raw))
    if match is None:
        raise BrokenChain("An ARC-Authentication-Results field does not begin with its instance.")
    return _number(match[1], AAR), match[2].strip(b" \t")


def _tags(raw: bytes, name: bytes) -> tuple[int, dict[bytes, bytes]]:
    found = tags.parse(headers.value(raw))
    if found is None:
        raise BrokenChain(f"An {_title(name)} field is no tag list.")
    return _number(found.get(b"i", b""), name), found


def _number(text: bytes, name: bytes) -> int:
    if not _INSTANCE.fullmatch(text) or int(text) > MAX_SETS:
        raise BrokenChain(f"An {_title(name)} field has no instance from 1 to {MAX_SETS}.")
    return int(text)


def _signature(raw: bytes, found: dict[bytes, bytes], instance: int) -> MessageSignature:
    _needs(found, (b"a", b"b", b"bh", b"d", b"s"), AMS)
    if b"h" not in found:
        raise BrokenChain("An ARC-Message-Signature field lacks its h= tag.")
    if b"l" in found:  # as in DKIM: text may follow what is signed
        raise BrokenChain(f"The ARC-Message-Signature of instance {instance} covers only a part of the body.")
    # Without c=, the published suite and every sealer mean relaxed/relaxed, where DKIM means simple/simple.
    header, _, body = found.get(b"c", b"relaxed/relaxed").partition(b"/")
    body = body or b"simple"
    if header not in _CANON or body not in _CANON:
        raise BrokenChain("An ARC-Message-Signature names an unknown canonicalization.")
    names = tuple(tags.squeeze(found[b"h"]).lower().split(b":"))
    if AS in names or len(names) > headers.MAX_FIELDS:
        raise BrokenChain("An ARC-Message-Signature signs a field it must not sign, or too many.")
    return MessageSignature(
        raw,
        found[b"a"].decode("ascii"),
        found[b"d"].decode("ascii").lower(),
        found[b"s"].decode("ascii").lower(),
        names,
        _CANON[header],
        _CANON[body],
        _base64(found[b"bh"]),
        _base64(found[b"b"]),
    )


def _seal(raw: bytes, found: dict[bytes, bytes]) -> Seal:
    _needs(found, (b"a", b"b", b"cv", b"d", b"s"), AS)
    if b"h" in found:  # section 4.1.3: its scope is fixed
        raise BrokenChain("An ARC-Seal has an h= tag.")
    cv = found[b"cv"].lower()
    if cv not in (b"none", b"pass", b"fail"):
        raise BrokenChain("An ARC-Seal has an unknown cv= value.")
    return Seal(
        raw,
        found[b"a"].decode("ascii"),
        cv.decode("ascii"),
        found[b"d"].decode("ascii").lower(),
        found[b"s"].decode("ascii").lower(),
        _base64(found[b"b"]),
    )


def _needs(found: dict[bytes, bytes], names: tuple[bytes, ...], field: bytes) -> None:
    for name in names:
        if not found.get(name):
            raise BrokenChain(f"An {_title(field)} field lacks its {name.decode()}= tag.")
    if found[b"a"] not in ALGORITHMS:
        raise BrokenChain(f"An {_title(field)} field names an algorithm that is not accepted.")
    if not _DOMAIN.fullmatch(found[b"d"]) or not _DOMAIN.fullmatch(found[b"s"]):
        raise BrokenChain(f"An {_title(field)} field names no domain and selector.")


def _base64(value: bytes) -> bytes:
    try:
        return binascii.a2b_base64(tags.squeeze(value), strict_mode=True)
    except binascii.Error:
        raise BrokenChain("A signature of the chain is no base64.") from None
