"""Read back what an endpoint was told: its events, one event with its body, and every attempt."""

from __future__ import annotations

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.webhooks.endpoints import find
from mailward.core.webhooks.model import AttemptPage, JobState, Told, ToldPage
from mailward.core.webhooks.ports import WebhookTx
from mailward.policy.access import Actor

_LIMIT = 100


async def attempts(
    tx: WebhookTx, actor: Actor, webhook: str, *, event: str | None = None, cursor: str | None = None, limit: int = 25
) -> AttemptPage:
    """Tries of an endpoint, newest first, of all events or of one; `cursor` is the id of the last one seen."""
    endpoint = await find(tx, actor, webhook)
    limit = max(1, min(limit, _LIMIT))
    before = ids.decode("att", cursor) if cursor else None
    about = ids.decode("evt", event) if event else None
    found = await tx.webhooks.attempts(endpoint.id, before=before, limit=limit + 1, event=about)
    return AttemptPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


async def events(
    tx: WebhookTx,
    actor: Actor,
    webhook: str,
    *,
    state: JobState | None = None,
    cursor: str | None = None,
    limit: int = 25,
) -> ToldPage:
    """What an endpoint was or will be told, newest first; `cursor` is the id of the last event seen."""
    endpoint = await find(tx, actor, webhook)
    limit = max(1, min(limit, _LIMIT))
    before = ids.decode("evt", cursor) if cursor else None
    found = await tx.webhooks.told(endpoint.id, before=before, limit=limit + 1, state=state)
    return ToldPage(found[:limit], found[limit - 1].event if len(found) > limit else None)


async def one_event(tx: WebhookTx, actor: Actor, webhook: str, event: str) -> tuple[Told, bytes]:
    """An event as one endpoint knows it, and the body that is posted. NotFound when it is not kept (any more)."""
    endpoint = await find(tx, actor, webhook)
    raw = ids.decode("evt", event)
    told, kept = await tx.webhooks.told_one(endpoint.id, raw), await tx.webhooks.event(raw)
    if told is None or kept is None:
        raise NotFound("not_found", "This endpoint was told of no such event, or it is no longer kept.")
    return told, kept[2]
