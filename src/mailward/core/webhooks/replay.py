"""Post again: one event, or what happened in a span of time. Bounded in number and rate, under the same ids."""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.sources import Entropy
from mailward.core.webhooks.endpoints import find
from mailward.core.webhooks.enqueue import require_enabled
from mailward.core.webhooks.lease import KEEP_US
from mailward.core.webhooks.model import Progress, Replay
from mailward.core.webhooks.ports import AuditedWebhookTx, WebhookTx
from mailward.policy import access, posting
from mailward.policy.access import Actor, Permission


async def replay_event(
    tx: AuditedWebhookTx, actor: Actor, webhook: str, event: str, *, now: datetime, entropy: Entropy
) -> Progress:
    """Post one event to an endpoint, again or for the first time. NotFound when the event is no longer kept."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    require_enabled(endpoint)
    raw = ids.decode("evt", event)
    kept = await tx.webhooks.event(raw)
    if kept is None:
        raise NotFound("not_found", "This event is no longer kept.")
    type, happened, _ = kept
    at = int(now.timestamp() * 1_000_000)
    replay = Replay(ids.new_raw(at // 1000, entropy), endpoint.id, happened, happened + 1, False, 1, False)
    await tx.webhooks.add_replay(replay)
    await tx.webhooks.restart_jobs([(endpoint.id, raw, type, at)], replay=replay.id)
    await tx.audit.append(actor, "webhook.replayed", webhook, {"events": "1", "event": event}, now=now)
    return await _progress(tx, replay)


async def replay_range(
    tx: AuditedWebhookTx,
    actor: Actor,
    webhook: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    failed_only: bool = True,
    now: datetime,
    entropy: Entropy,
) -> Progress:
    """Post again what an endpoint was told of [since, until): by default what it never confirmed, of all that is kept.

    At most REPLAY_MAX events, the oldest first, becoming due at REPLAY_PER_SECOND; `more` on
    the replay says that the bound was reached. What is still being tried is left alone.
    """
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    require_enabled(endpoint)
    at = int(now.timestamp() * 1_000_000)
    span = posting.span(_us(since), _us(until), now=at, oldest=max(at - KEEP_US, 0))
    most = posting.REPLAY_MAX
    found = await tx.webhooks.events_for(
        endpoint.id, since=span.since, until=span.until, failed_only=failed_only, limit=most + 1
    )
    more, found = len(found) > most, found[:most]
    replay = Replay(ids.new_raw(at // 1000, entropy), endpoint.id, *span, failed_only, len(found), more)
    await tx.webhooks.add_replay(replay)
    due = posting.due_times(len(found), at)
    await tx.webhooks.restart_jobs(
        [(endpoint.id, event, type, when) for (event, type), when in zip(found, due, strict=True)], replay=replay.id
    )
    facts = {"events": str(len(found)), "only": "failed" if failed_only else "all"}
    await tx.audit.append(actor, "webhook.replayed", webhook, facts, now=now)
    return await _progress(tx, replay)


async def progress(tx: WebhookTx, actor: Actor, webhook: str, replay: str) -> Progress:
    """How far a replay is. NotFound when there is none of that id, or it is no longer kept."""
    endpoint = await find(tx, actor, webhook)
    found = await tx.webhooks.replay(endpoint.id, ids.decode("rpl", replay))
    if found is None:
        raise NotFound("not_found", "There is no replay with that id.")
    return await _progress(tx, found)


async def replays(
    tx: WebhookTx, actor: Actor, webhook: str, *, cursor: str | None = None, limit: int = 25
) -> list[Progress]:
    """Newest first; `cursor` is the id of the last one seen."""
    endpoint = await find(tx, actor, webhook)
    before = ids.decode("rpl", cursor) if cursor else None
    return [await _progress(tx, r) for r in await tx.webhooks.replays(endpoint.id, before=before, limit=limit)]


async def _progress(tx: WebhookTx, replay: Replay) -> Progress:
    return Progress(replay, await tx.webhooks.replay_counts(replay.webhook, replay.id))


def _us(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1_000_000)
