"""Adding our set to a message that goes on (RFC 8617 section 5.1)."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from datetime import datetime

from mailward.protocol.arc.sets import AAR, AMS, AS, MAX_SETS, collect
from mailward.protocol.arc.validate import Verdict
from mailward.protocol.dkim import canonical
from mailward.protocol.dkim.sign import OVERSIGNED, SIGNED, Signer

# The DKIM signatures, too, so that a later hand can see what we saw; never our kind's own fields.
_SIGNED = (*OVERSIGNED, *SIGNED, b"dkim-signature")


def seal(
    fields: Sequence[tuple[bytes, bytes]],
    body: bytes,
    *,
    results: bytes,
    chain: Verdict,
    signer: Signer,
    now: datetime,
) -> bytes:
    """The three fields to prepend, newest first; b"" when the chain takes no further set.

    `results` is the value of our Authentication-Results (from authserv-id on, folded or not); `chain` what `validate`
    said of this very message, from which cv= follows. A chain that an earlier hand sealed as failed, that is full, or
    that DNS kept us from judging is left as it is (section 5.1, and no lasting verdict from a passing failure).
    """
    if chain.terminated or chain.temporary or chain.instances >= MAX_SETS:
        return b""
    previous = []
    if chain.result == "pass":
        previous = collect(fields)
    # With a failed chain (section 5.1.2) the old fields cannot be put in order: the new set is sealed alone.
    instance = chain.instances + 1
    cv = {"none": b"none", "pass": b"pass", "fail": b"fail"}[chain.result]
    stamp = int(now.timestamp())
    aar = b"ARC-Authentication-Results: i=%d; %b\r\n" % (instance, results.strip())
    ams = _message_signature(fields, body, instance, signer, stamp)
    head = b"ARC-Seal: i=%d; a=%b; t=%d; cv=%b;\r\n d=%b; s=%b;\r\n b=" % (
        instance, signer.key.algorithm.encode(), stamp, cv, signer.domain.encode(), signer.selector.encode(),
    )  # fmt: skip
    relaxed = canonical.relaxed_header
    data = []
    for each in previous:
        data += [relaxed(AAR, each.results_raw), relaxed(AMS, each.signature.raw), relaxed(AS, each.seal.raw)]
    data += [relaxed(AAR, aar), relaxed(AMS, ams), relaxed(AS, head + b"\r\n").removesuffix(b"\r\n")]
    return head + _folded(signer.key.sign(b"".join(data))) + b"\r\n" + ams + aar


def _message_signature(
    fields: Sequence[tuple[bytes, bytes]], body: bytes, instance: int, signer: Signer, stamp: int
) -> bytes:
    stacks: dict[bytes, list[bytes]] = {}
    for name, raw in fields:
        stacks.setdefault(name, []).append(raw)
    names: list[bytes] = []
    data = []
    for name in _SIGNED:
        for raw in reversed(stacks.get(name, ())):
            names.append(name)
            data.append(canonical.relaxed_header(name, raw))
    if b"from" not in names:
        names.insert(0, b"from")
    body_hash = binascii.b2a_base64(canonical.body_hash(body, relaxed=True), newline=False)
    lines = [b":".join(names[i : i + 5]) for i in range(0, len(names), 5)]
    field = (
        b"ARC-Message-Signature: i=%d; a=%b; c=relaxed/relaxed; t=%d;\r\n d=%b; s=%b;\r\n h=%b;\r\n bh=%b;\r\n b="
        % (
            instance, signer.key.algorithm.encode(), stamp, signer.domain.encode(), signer.selector.encode(),
            b":\r\n  ".join(lines), body_hash,
        )
    )  # fmt: skip
    data.append(canonical.relaxed_header(AMS, field + b"\r\n").removesuffix(b"\r\n"))
    return field + _folded(signer.key.sign(b"".join(data))) + b"\r\n"


def _folded(signature: bytes) -> bytes:
    text = binascii.b2a_base64(signature, newline=False)
    return b"\r\n ".join(text[i : i + 72] for i in range(0, len(text), 72))
