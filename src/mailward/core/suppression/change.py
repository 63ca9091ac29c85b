"""Put an address on the list and take it off: by people (audited) and by rule."""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.sources import Entropy
from mailward.core.suppression.model import EVERY_STREAM, Entry, Reason, normalise, token
from mailward.core.suppression.ports import AuditedSuppressionTx, SuppressionTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


def new_entry(address: str, reason: Reason, *, stream: str, source: str, now: datetime, entropy: Entropy) -> Entry:
    """A fresh entry for an address already in its normal form."""
    millis = int(now.timestamp() * 1000)
    return Entry(ids.new_raw(millis, entropy), address, stream, reason, source, int(now.timestamp() * 1_000_000))


async def add(
    tx: AuditedSuppressionTx,
    actor: Actor,
    address: str,
    reason: Reason = Reason.MANUAL,
    *,
    stream: str = EVERY_STREAM,
    source: str = "",
    key: bytes,
    now: datetime,
    entropy: Entropy,
) -> Entry:
    """List an address; one already listed on that stream keeps its entry and its reason.

    `key` is the workspace's key for address tokens. Raises Invalid for what is no address.
    """
    access.require(actor, Permission.SUPPRESSION_CHANGE)
    shown = normalise(address)
    mark = token(key, shown)
    entry = new_entry(shown, reason, stream=stream, source=source, now=now, entropy=entropy)
    if not await tx.suppressions.insert([(mark, entry)]):
        return next(e for e in await tx.suppressions.by_token(mark) if e.stream == stream)
    facts = {"reason": reason.value, "stream": stream or "every"}
    await tx.audit.append(actor, "suppression.added", ids.encode("sup", entry.id), facts, now=now)
    return entry


async def remove(tx: AuditedSuppressionTx, actor: Actor, target: str, *, key: bytes, now: datetime) -> list[Entry]:
    """Take an entry off by its id, or every entry of an address. Raises NotFound when there is none."""
    access.require(actor, Permission.SUPPRESSION_CHANGE)
    if "@" in target:
        entries = await tx.suppressions.by_token(token(key, normalise(target)))
    else:
        found = await tx.suppressions.by_id(ids.decode("sup", target))
        entries = [found] if found else []
    if not entries:
        raise NotFound("not_found", "This address is not on the suppression list.")
    for entry in entries:
        await tx.suppressions.delete(entry.id)
        facts = {"reason": entry.reason.value, "stream": entry.stream or "every"}
        await tx.audit.append(actor, "suppression.removed", ids.encode("sup", entry.id), facts, now=now)
    return entries


async def by_bounce(
    tx: SuppressionTx,
    address: str,
    *,
    source: str,
    key: bytes,
    now: datetime,
    entropy: Entropy,
    reason: Reason = Reason.HARD_BOUNCE,
    stream: str = EVERY_STREAM,
    shown: str | None = None,
    mark: bytes | None = None,
) -> Entry | None:
    """List an address by rule, inside the transaction that records the bounce or complaint.

    `source` is the id of the message or delivery that shows why. Returns the new entry,
    or None when the address was already listed. Not audited: it is part of the message's timeline.
    `shown` is stored instead of the address, for a message whose addresses are not stored; `mark` is
    the address's token, where the address itself is not known any more.
    """
    if mark is None:
        address = normalise(address)
        mark = token(key, address)
    entry = new_entry(shown or address, reason, stream=stream, source=source, now=now, entropy=entropy)
    return entry if await tx.suppressions.insert([(mark, entry)]) else None
