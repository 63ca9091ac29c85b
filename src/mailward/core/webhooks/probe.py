"""Enable an endpoint again: first it has to take a test event, posted there and then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.base.outcome import Done
from mailward.base.sources import Entropy
from mailward.core.webhooks.endpoints import facts, find
from mailward.core.webhooks.enqueue import body_of, test_event
from mailward.core.webhooks.model import Attempt, Endpoint, Result, Work
from mailward.core.webhooks.ports import AuditedWebhookTx, WebhookTx
from mailward.policy import access, posting
from mailward.policy.access import Actor, Permission


async def prepare(tx: WebhookTx, actor: Actor, webhook: str, *, now: datetime, entropy: Entropy) -> Work:
    """The test event to post. Reads only."""
    access.require(actor, Permission.WEBHOOK_CHANGE)
    endpoint = await find(tx, actor, webhook)
    at = int(now.timestamp() * 1_000_000)
    event = test_event(webhook, at, entropy)
    secrets = [s for s in await tx.webhooks.secrets(endpoint.id) if s.expires is None or s.expires > at]
    return Work(
        ids.decode("ws", actor.workspace), endpoint.id, event.id, event.type, 1, endpoint.url, body_of(event),
        tuple(secrets),
    )  # fmt: skip


async def conclude(tx: AuditedWebhookTx, actor: Actor, result: Result, *, now: datetime, entropy: Entropy) -> Endpoint:
    """Keep the attempt, and enable the endpoint if it took the event: look at `enabled` of what comes back.

    Conflict when its URL changed while it was asked.
    """
    access.require(actor, Permission.WEBHOOK_CHANGE)
    work = result.work
    endpoint = await tx.webhooks.get(work.webhook)
    if endpoint is None:
        raise NotFound("not_found", "There is no webhook with that id.")
    if endpoint.url != work.url:
        raise Conflict("webhook_changed", "The webhook changed while it was tested; try again.")
    at = int(now.timestamp() * 1_000_000)
    taken = isinstance(posting.judge(result.status, result.error, None), Done)
    word = "delivered" if taken else "failed"
    await tx.webhooks.add_attempt(
        Attempt(
            ids.new_raw(at // 1000, entropy), work.webhook, work.event, work.type, at, 1, word, result.status,
            result.elapsed_ms, posting.said(result.body, result.error), 0,
        )
    )  # fmt: skip
    if taken and not endpoint.enabled:
        endpoint = replace(
            endpoint, enabled=True, disabled_reason="", disabled_at=None, failing_since=None, owner_told=""
        )
        await tx.webhooks.update(endpoint)
        await tx.audit.append(actor, "webhook.enabled", ids.encode("whk", endpoint.id), facts(endpoint), now=now)
    return endpoint
