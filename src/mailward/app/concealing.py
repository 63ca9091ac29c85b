"""Taking out of a message, before it is recorded, what its workspace never stores; and putting it back to send it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as with_changes
from typing import Protocol

import msgspec
from msgspec.structs import replace

from mailward.base.sources import Entropy
from mailward.core.delivery.model import Work
from mailward.core.inbound.model import CopyState, Reception
from mailward.core.inbound.model import Work as Handed
from mailward.core.redaction import facts as reduced
from mailward.core.redaction.private import Opened, Private, own_key, seal, seal_body
from mailward.core.submission.model import Submission
from mailward.core.workspaces.model import DataKey
from mailward.policy.redaction import REDACTED, Redaction, gone, talkative
from mailward.protocol.inbound.facts import DECODER, ENCODER

_OPEN = frozenset((CopyState.RECEIVED, CopyState.QUARANTINED))


class PrivateParts(Protocol):
    """Opens the private part of a message under way."""

    async def private(self, workspace: bytes, message: bytes) -> Opened | None: ...


def conceal(
    s: Submission, content: bytes, rules: Redaction, workspace: bytes, under: DataKey, entropy: Entropy
) -> tuple[Submission, bytes]:
    """A submission without the fields that are never stored, and its content as it is to be stored.

    What sending needs of them is in `private`, under a key of this message alone.
    """
    never = [f for f in rules.never() if f != "ip"]
    if not never:
        return s, content
    facts = reduced.message(s.facts, never, [r.token for r in s.recipients])
    if never == ["subject"]:
        return replace(s, facts=facts), content
    own = own_key(entropy)
    part = Private()
    recipients = s.recipients
    if "addresses" in never:
        part = Private(tuple((r.address, r.dsn) for r in recipients), s.facts.envid)
        recipients = [r._replace(address=REDACTED, dsn=None) for r in recipients]
    if "body" in never:
        content = seal_body(content, own, s.id, entropy)
    sealed = seal(part, own, workspace, s.id, under, entropy)
    return replace(s, facts=facts, recipients=recipients, private=sealed), content


def conceal_received(
    r: Reception, content: bytes, rules: Redaction, workspace: bytes, under: DataKey, entropy: Entropy
) -> tuple[Reception, bytes]:
    """The same for a received message. One of which no copy waits has no key: what is never stored is gone at once."""
    never = rules.never()
    if not never:
        return r, content
    own = own_key(entropy)
    private = b""
    if any(state in _OPEN for _, state, _ in r.copies):
        private = seal(Private(received=ENCODER.encode(r.facts)), own, workspace, r.id, under, entropy)
    if "body" in never:
        content = seal_body(content, own, r.id, entropy)
    attempts = r.attempts
    if talkative(never):
        attempts = [replace(a, response=gone(a.response)) for a in attempts]
    facts, reason = reduced.received(r.facts, never), reduced.reason(r.reason, never)
    return msgspec.structs.replace(r, facts=facts, attempts=attempts, reason=reason, private=private), content


async def reveal(parts: PrivateParts, work: Work) -> None:
    """Give a leased message back what sending it needs."""
    opened = await parts.private(work.workspace, work.id)
    if opened is None or not opened.part.recipients:
        return
    part = opened.part
    known: Sequence[tuple[str, str | None]] = part.recipients
    work.copies = [c._replace(recipient=known[c.n][0], dsn=known[c.n][1]) for c in work.copies]
    work.facts = replace(work.facts, envid=part.envid)


async def reveal_received(parts: PrivateParts, work: Handed) -> Handed:
    """A leased received message with what its endpoint is to be told. What was redacted for good stays so."""
    opened = await parts.private(work.workspace, work.message.id)
    if opened is None:
        return work
    return with_changes(work, message=with_changes(work.message, facts=DECODER.decode(opened.part.received)))
