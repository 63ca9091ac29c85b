"""Hand over again: one message, or what came in a span of time. Bounded in number and rate, under the same ids."""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.base.sources import Entropy
from mailward.core.inbound.model import CopyState, InboundRoute, Progress, Replay
from mailward.core.inbound.ports import AuditedInboundTx, InboundTx
from mailward.core.inbound.routes import find
from mailward.policy import access, posting
from mailward.policy.access import Actor, Permission
from mailward.policy.redaction import Field

NAMELESS: Field = "addresses"
NAMELESS_TEXT = "Sender and recipients of this message are not stored any more, so it is not handed over again."
"""An endpoint is told whom a message was for, or nothing: one that files mail by its address would file it wrongly."""
_REPLAYABLE = frozenset((CopyState.HANDED_OVER, CopyState.FAILED, CopyState.EXPIRED))


async def replay_message(
    tx: AuditedInboundTx, actor: Actor, message: str, *, route: str | None = None, now: datetime, entropy: Entropy
) -> int:
    """Hand one message over again, to one route or to all it has; how many copies start over.

    A route that the message had no copy for may be named: its endpoint then gets it for the first time.
    NotFound when the content is no longer kept, or whom it was for; Conflict for a route that is off, for what is under
    way, and for what was refused or waits in quarantine.
    """
    access.require(actor, Permission.INBOUND_CHANGE)
    raw = ids.decode("rcv", message)
    kept = await tx.inbound.received(raw)
    if kept is None:
        raise NotFound("not_found", "There is no received message with that id.")
    if "body" in kept.facts.redacted:
        raise NotFound("message_redacted", "The content of this message is not stored: the workspace redacts it.")
    if NAMELESS in kept.facts.redacted:
        raise NotFound("message_redacted", NAMELESS_TEXT)
    if kept.body is None:
        raise NotFound("content_gone", "The content of this message is no longer kept.")
    copies = {c.route: c.state for c in (await tx.inbound.copies([raw]))[raw]}
    if route is not None:
        wanted = [(await find(tx, actor, route)).id]
    else:
        wanted = [id for id, state in copies.items() if state in _REPLAYABLE]
    if not wanted or any(id in copies and copies[id] not in _REPLAYABLE for id in wanted):
        raise Conflict("not_replayable", "It is under way, was refused, or waits in quarantine.")
    at = int(now.timestamp() * 1_000_000)
    rows = []
    for id in wanted:
        found = await tx.inbound.route(id)
        if found is not None:
            _require_enabled(found)
            rows.append((raw, id, at))
    if not rows:
        raise Conflict("no_route", "The routes of this message were removed; name one to hand it to.")
    await tx.inbound.restart(rows, replay=None)
    await tx.audit.append(actor, "message.replayed", message, {"copies": str(len(rows))}, now=now)
    return len(rows)


async def replay_range(
    tx: AuditedInboundTx,
    actor: Actor,
    route: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    failed_only: bool = True,
    now: datetime,
    entropy: Entropy,
) -> Progress:
    """Hand over again what a route received in [since, until): by default what its endpoint never took.

    At most REPLAY_MAX messages, the oldest first, becoming due at REPLAY_PER_SECOND; `more` says that the bound was
    reached. What is still being tried, was refused or is in quarantine is left alone. A message whose addresses are not
    stored any more is not posted when its turn comes: it ends as what cannot be handed over, and says why.
    """
    access.require(actor, Permission.INBOUND_CHANGE)
    found = await find(tx, actor, route)
    _require_enabled(found)
    at = int(now.timestamp() * 1_000_000)
    span = posting.span(_us(since), _us(until), now=at, oldest=0)
    most = posting.REPLAY_MAX
    rows = await tx.inbound.copies_for(
        found.id, since=span.since, until=span.until, failed_only=failed_only, limit=most + 1
    )
    more, rows = len(rows) > most, rows[:most]
    replay = Replay(ids.new_raw(at // 1000, entropy), found.id, *span, failed_only, len(rows), more)
    await tx.inbound.add_replay(replay)
    due = posting.due_times(len(rows), at)
    await tx.inbound.restart([(m, r, when) for (m, r), when in zip(rows, due, strict=True)], replay=replay.id)
    facts = {"messages": str(len(rows)), "only": "failed" if failed_only else "all"}
    await tx.audit.append(actor, "route.replayed", route, facts, now=now)
    return await _progress(tx, replay)


async def progress(tx: InboundTx, actor: Actor, route: str, replay: str) -> Progress:
    """How far a replay is. NotFound when there is none of that id."""
    found = await find(tx, actor, route)
    kept = await tx.inbound.replay(found.id, ids.decode("rpl", replay))
    if kept is None:
        raise NotFound("not_found", "There is no replay with that id.")
    return await _progress(tx, kept)


async def _progress(tx: InboundTx, replay: Replay) -> Progress:
    return Progress(replay, await tx.inbound.replay_counts(replay.route, replay.id))


def _us(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1_000_000)


def _require_enabled(route: InboundRoute) -> None:
    if not route.enabled:
        raise Conflict("route_disabled", "This route is off; turn it on first.")
