"""Queue events for the endpoints that asked for them, inside the transaction of the facts they tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict
from mailward.base.sources import Entropy
from mailward.core.webhooks.endpoints import find
from mailward.core.webhooks.model import TEST_EVENT, Endpoint, EndpointsSnapshot, Event, event_id
from mailward.core.webhooks.ports import AuditedWebhookTx, WebhookTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_ENCODE = msgspec.json.Encoder().encode


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


async def tell(tx: WebhookTx, happened: Sequence[tuple[str, str, int, Mapping[str, object]]]) -> None:
    """Tell what a verb of another concept did: (type, id of what it happened to, at, data) each. See `ports.Tell`."""
    endpoints = await tx.webhooks.audience()
    events = [Event(event_id(at, type, about), type, at, data) for type, about, at, data in happened]
    await enqueue_events(tx, events, endpoints=endpoints)


def instant(at: int) -> str:
    """Microseconds UTC as RFC 3339, with a Z."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def body_of(event: Event) -> bytes:
    """The JSON that is posted: type, timestamp (RFC 3339, UTC), the event's id, and data with its own instant.

    Posted as stored, over all attempts and replays, so a receiver may compare bytes.
    """
    at = instant(event.at)
    data = {**event.data, "occurred_at": at}
    return _ENCODE({"type": event.type, "timestamp": at, "id": ids.encode("evt", event.id), "data": data})


def require_enabled(endpoint: Endpoint) -> None:
    """Conflict for an endpoint that is off."""
    if not endpoint.enabled:
        raise Conflict("webhook_disabled", "This webhook is disabled; enable it first.")


def test_event(webhook: str, at: int, entropy: Entropy) -> Event:
    """An event that tells of nothing."""
    text = "This is a test event. Nothing happened to any message."
    return Event(ids.new_raw(at // 1000, entropy), TEST_EVENT, at, {"webhook": webhook, "text": text})


async def send_test(tx: AuditedWebhookTx, actor: Actor, webhook: str, *, now: datetime, entropy: Entropy) -> str:
    """Queue a `webhook.test` event for one endpoint; its id. Raises Conflict when the endpoint is disabled."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    require_enabled(endpoint)
    at = int(now.timestamp() * 1_000_000)
    event = test_event(webhook, at, entropy)
    await tx.webhooks.add_events([(event.id, event.type, event.at, body_of(event))])
    await tx.webhooks.add_jobs([(endpoint.id, event.id, event.type, at)])
    await tx.audit.append(actor, "webhook.tested", webhook, {}, now=now)
    return ids.encode("evt", event.id)
