"""Queue events for the endpoints that asked for them, inside the transaction of the facts they tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.base.sources import Entropy
from mailward.core.webhooks.endpoints import find
from mailward.core.webhooks.model import EVENT_TYPES, TEST_EVENT, EndpointsSnapshot, Event
from mailward.core.webhooks.ports import AuditedWebhookTx, WebhookTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_ENCODE = msgspec.json.Encoder().encode


async def snapshot(tx: WebhookTx) -> EndpointsSnapshot:
    """Which enabled endpoints want which type, now. The caller keeps it for as long as it dares."""
    every: list[bytes] = []
    by_type: dict[str, list[bytes]] = {}
    for endpoint in await tx.webhooks.page(before=None, limit=1000):
        if not endpoint.enabled:
            continue
        if not endpoint.types:
            every.append(endpoint.id)
        for type in endpoint.types or EVENT_TYPES:
            by_type.setdefault(type, []).append(endpoint.id)
    return EndpointsSnapshot({t: tuple(found) for t, found in by_type.items()}, tuple(every))


async def enqueue_events(tx: WebhookTx, events: Sequence[Event], *, endpoints: EndpointsSnapshot) -> int:
    """Queue each event for the endpoints that want its type; how many jobs. Nothing is touched when none does."""
    if not endpoints.by_type:
        return 0
    rows: list[tuple[bytes, str, int, bytes]] = []
    jobs: list[tuple[bytes, bytes, str, int]] = []
    for event in events:
        wanting = endpoints.wanting(event.type)
        if wanting:
            rows.append((event.id, event.type, event.at, body_of(event)))
            jobs += [(webhook, event.id, event.type, event.at) for webhook in wanting]
    if jobs:
        await tx.webhooks.add_events(rows)
        await tx.webhooks.add_jobs(jobs)
    return len(jobs)


def body_of(event: Event) -> bytes:
    """The JSON that is posted: type, timestamp (RFC 3339, UTC), data."""
    at = datetime.fromtimestamp(event.at / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
    return _ENCODE({"type": event.type, "timestamp": at, "data": event.data})


async def send_test(tx: AuditedWebhookTx, actor: Actor, webhook: str, *, now: datetime, entropy: Entropy) -> str:
    """Queue a `webhook.test` event for one endpoint; its id. Raises Conflict when the endpoint is disabled."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    if not endpoint.enabled:
        raise Conflict("webhook_disabled", "This webhook is disabled; enable it first.")
    at = int(now.timestamp() * 1_000_000)
    text = "This is a test event. Nothing happened to any message."
    event = Event(ids.new_raw(at // 1000, entropy), TEST_EVENT, at, {"webhook": webhook, "text": text})
    await tx.webhooks.add_events([(event.id, event.type, event.at, body_of(event))])
    await tx.webhooks.add_jobs([(endpoint.id, event.id, event.type, at)])
    await tx.audit.append(actor, "webhook.tested", webhook, {}, now=now)
    return ids.encode("evt", event.id)


async def replay(tx: AuditedWebhookTx, actor: Actor, webhook: str, event: str, *, now: datetime) -> None:
    """Post one event to an endpoint again, under the same id. Raises NotFound when the event is no longer kept."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    if not endpoint.enabled:
        raise Conflict("webhook_disabled", "This webhook is disabled; enable it first.")
    raw = ids.decode("evt", event)
    type = await tx.webhooks.event_type(raw)
    if type is None:
        raise NotFound("not_found", "This event is no longer kept.")
    await tx.webhooks.add_jobs([(endpoint.id, raw, type, int(now.timestamp() * 1_000_000))])
    await tx.audit.append(actor, "webhook.replayed", webhook, {"events": "1"}, now=now)


async def replay_range(
    tx: AuditedWebhookTx,
    actor: Actor,
    webhook: str,
    *,
    since: datetime,
    until: datetime,
    failed_only: bool = True,
    now: datetime,
) -> int:
    """Post again what happened in a span of time (by default only what the endpoint never confirmed); how many."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    if not endpoint.enabled:
        raise Conflict("webhook_disabled", "This webhook is disabled; enable it first.")
    bounds = {"since": int(since.timestamp() * 1_000_000), "until": int(until.timestamp() * 1_000_000)}
    found = await tx.webhooks.events_for(endpoint.id, failed_only=failed_only, **bounds)
    at = int(now.timestamp() * 1_000_000)
    await tx.webhooks.add_jobs([(endpoint.id, event, type, at) for event, type in found])
    await tx.audit.append(actor, "webhook.replayed", webhook, {"events": str(len(found))}, now=now)
    return len(found)
