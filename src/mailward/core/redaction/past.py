"""Redacting what is stored already: each verb does a bounded piece of work, and the next run goes on from there.

A mark for each field says how far it came; what was under way then, or is still to be told to an endpoint, waits in a
list. A rule that is switched on begins at the oldest message, so that it holds for what was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

from mailward.base import ids
from mailward.core.messages.expire import search_pairs
from mailward.core.messages.model import FACTS_ENCODER, Delivery, Message
from mailward.core.redaction import facts as reduced
from mailward.core.redaction.ports import PastTx
from mailward.core.suppression.model import Reason
from mailward.policy.redaction import FIELDS, REDACTED, Field, Mode, Redaction, talkative
from mailward.protocol.inbound.facts import ENCODER as RECEIVED_ENCODER

Kind = Literal["sent", "received"]
KINDS: tuple[Kind, ...] = ("sent", "received")
_HOUR_US = 3_600_000_000
# A row may become visible this much later than its id says: marks stay behind it.
_LAG_US = 10_000_000
_BY_RULE = frozenset((Reason.HARD_BOUNCE, Reason.COMPLAINT, Reason.UNSUBSCRIBE))


class Keys(NamedTuple):
    """What finds a workspace's traces of a message again: its search key, and the token of an address."""

    search: bytes
    token: Callable[[str], bytes]


class Pass(NamedTuple):
    """Fields that are due together: `below` is the first id that is not due yet, `upto` where the last run came."""

    kind: Kind
    fields: tuple[Field, ...]
    upto: bytes
    below: bytes


def applies(rules: Redaction, kind: Kind, field: Field) -> bool:
    """Does a field's rule redact what is stored? Nothing is known of the client's address of sent mail."""
    return rules.rule(field).mode is not Mode.KEEP and (kind == "received" or field != "ip")


def passes(rules: Redaction, marks: dict[str, bytes], *, now: int) -> list[Pass]:
    """What there is to do, fields with the same term and mark together. `now` is microseconds UTC.

    A field that is never stored is redacted in what was there before, at once.
    """
    found: dict[tuple[Kind, bytes, bytes], list[Field]] = {}
    for kind in KINDS:
        for field in FIELDS:
            rule = rules.rule(field)
            if applies(rules, kind, field):
                hours = rule.after_hours if rule.mode is Mode.REDACT else 0
                below = _bound(now - max(hours * _HOUR_US, _LAG_US))
                found.setdefault((kind, marks.get(f"{kind}:{field}", b""), below), []).append(field)
    return [Pass(kind, tuple(fields), upto, below) for (kind, upto, below), fields in found.items() if upto < below]


def taken_back(rules: Redaction, marks: dict[str, bytes]) -> list[str]:
    """Marks of fields whose rule does not redact any more: switched on again, it begins anew."""
    valid = {f"{k}:{f}" for k in KINDS for f in FIELDS if applies(rules, k, f)}
    return [kind for kind in marks if kind not in valid]


async def anything_due(tx: PastTx, todo: Sequence[Pass]) -> bool:
    """Is there a message for one of these? Reads only."""
    for one in todo:
        if await _between(tx, one, 1):
            return True
    return False


async def step(tx: PastTx, one: Pass, keys: Keys, *, now: int, limit: int) -> bytes | None:
    """Redact up to `limit` messages of a pass: where to go on, None at its end."""
    found = await _between(tx, one, limit)
    later = await _redact(tx, one.kind, found, one.fields, keys, now=now)
    for field in one.fields:
        await tx.redaction.wait(f"{one.kind}:{field}", later)
    more = len(found) == limit
    upto = found[-1] if more else _before(one.below)
    for field in one.fields:
        await tx.redaction.mark(f"{one.kind}:{field}", upto)
    return upto if more else None


async def waited(tx: PastTx, kind: Kind, field: Field, keys: Keys, *, after: bytes, now: int, limit: int) -> Waited:
    """Redact what waited and has ended meanwhile."""
    found = await tx.redaction.waiting(f"{kind}:{field}", after, limit)
    later = set(await _redact(tx, kind, found, (field,), keys, now=now))
    done = [m for m in found if m not in later]
    await tx.redaction.waited(f"{kind}:{field}", done)
    return Waited(len(done), found[-1] if len(found) == limit else None)


class Waited(NamedTuple):
    """How many were redacted, and where to go on; None at the end."""

    done: int
    onward: bytes | None


async def _between(tx: PastTx, one: Pass, limit: int) -> list[bytes]:
    if one.kind == "sent":
        return await tx.retention.between(one.upto, one.below, limit)
    return await tx.inbound.after(one.upto, one.below, limit)


async def _redact(
    tx: PastTx, kind: Kind, messages: Sequence[bytes], fields: Sequence[Field], keys: Keys, *, now: int
) -> list[bytes]:
    """Redact what can be; those that have to wait."""
    if kind == "received":
        busy = await tx.inbound.unfinished_among(messages)
        for id in messages:
            if id not in busy:
                await redact_received(tx, id, fields, now=now)
        return [m for m in messages if m in busy]
    busy = await tx.retention.open_among(messages)
    over = [m for m in messages if m not in busy]
    there, copies = await tx.messages.several(over), await tx.deliveries.of(over)
    for id, message in there.items():
        if not await redact_sent(tx, message, copies[id], fields, keys, now=now):
            busy.add(id)
    return [m for m in messages if m in busy]


async def redact_sent(
    tx: PastTx, message: Message, copies: Sequence[Delivery], fields: Sequence[Field], keys: Keys, *, now: int
) -> bool:
    """Take fields out of everything that is stored of a sent message; False when an endpoint is still to be told."""
    fresh = [f for f in fields if f not in message.facts.redacted]
    if not fresh:
        return True
    id, name = message.id, ids.encode("msg", message.id)
    attempts, timeline = await tx.deliveries.attempts(id), await tx.messages.timeline(id)
    moments = {message.created, *(c.updated for c in copies), *(a.at for a in attempts), *(at for at, _, _ in timeline)}
    events = await tx.retention.events_about(name, moments)
    if await tx.retention.telling(events):
        return False
    tokens = [keys.token(c.recipient) for c in copies]
    facts = reduced.message(message.facts, fresh, tokens)
    if "addresses" in fresh:
        await tx.deliveries.without_recipients(id, REDACTED)
        for token in tokens:
            for entry in await tx.suppressions.by_token(token):
                # What people put on the list is theirs; what this message put there is not.
                if entry.source == name and entry.reason in _BY_RULE:
                    await tx.suppressions.unname(entry.id, REDACTED)
    left = set(search_pairs(keys.search, Message(id, message.created, None, facts), _unnamed(copies, fresh)))
    await tx.messages.unindex([p for p in search_pairs(keys.search, message, copies) if p not in left])
    await tx.messages.rewrite(id, FACTS_ENCODER.encode(facts))
    if talkative(fresh):
        await tx.deliveries.add_attempts(
            [(id, a.n, a.attempt, a.at, FACTS_ENCODER.encode(reduced.attempt(a.facts, fresh))) for a in attempts]
        )
        await tx.messages.timeline_add_all([(id, at, what, reduced.moment(said, fresh)) for at, what, said in timeline])
        await tx.retention.rewrite_events(events, partial(reduced.event, fields=fresh), REDACTED)
    if "body" in fresh:
        await tx.retention.let_go([id], now)
        if message.body is not None:
            await tx.retention.owe(id, message.body, now)
    return True


def _unnamed(copies: Sequence[Delivery], fields: Sequence[Field]) -> Sequence[Delivery]:
    return () if "addresses" in fields else copies


async def redact_received(tx: PastTx, id: bytes, fields: Sequence[Field], *, now: int) -> None:
    """Take fields out of everything that is stored of a received message."""
    found = await tx.inbound.received(id)
    fresh = [] if found is None else [f for f in fields if f not in found.facts.redacted]
    if found is None or not fresh:
        return
    facts = RECEIVED_ENCODER.encode(reduced.received(found.facts, fresh))
    await tx.inbound.rewrite(id, facts, reduced.reason(found.reason, fresh))
    if talkative(fresh):
        await tx.inbound.without_answers(id, REDACTED)
    if "body" in fresh and found.body is not None:
        await tx.inbound.let_go([id], now)
        await tx.retention.owe(id, found.body, now)


def _bound(us: int) -> bytes:
    """The smallest id of a time in microseconds UTC."""
    return (max(0, us) // 1000).to_bytes(6, "big") + bytes(10)


def _before(id: bytes) -> bytes:
    """The id just below."""
    return (int.from_bytes(id, "big") - 1).to_bytes(16, "big")
