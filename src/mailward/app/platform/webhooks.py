"""The webhooks area of the platform."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import UNSET

from mailward.app.platform import views
from mailward.app.platform.pages import checked
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.sources import Clock, Entropy
from mailward.core.webhooks import endpoints, enqueue
from mailward.core.webhooks import settle as attempts_of
from mailward.core.webhooks.model import Attempt, Endpoint
from mailward.edges.web.schema import webhooks as schema
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Actor


class Webhooks:
    """Implements `edges.web.ports.Webhooks`. `seal` keeps signing secrets; `wake` rouses the worker."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        seal: Callable[[str, bytes], bytes],
        *,
        wake: Callable[[], None],
        allow_loopback_http: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._seal = seal
        self._wake = wake
        self._loopback = allow_loopback_http

    async def create(self, actor: Actor, request: schema.CreateWebhook) -> schema.NewWebhook:
        """A new endpoint with its secret."""
        endpoint, secret = await self._store.write(
            actor.workspace,
            lambda tx: endpoints.create(
                tx,
                actor,
                request.url,
                types=request.events,
                description=request.description,
                seal=partial(self._seal, actor.workspace),
                now=self._clock.now(),
                entropy=self._entropy,
                allow_loopback_http=self._loopback,
            ),
        )
        return schema.NewWebhook(**_facts(endpoint), secret=secret.reveal())

    async def list(self, actor: Actor, query: PageQuery) -> schema.WebhookPage:
        """Newest first."""
        checked(query.cursor, "whk")
        found = await self._store.read(
            actor.workspace, lambda tx: endpoints.page(tx, actor, cursor=query.cursor, limit=query.limit + 1)
        )
        shown = found[: query.limit]
        more = ids.encode("whk", shown[-1].id) if len(found) > query.limit else None
        return schema.WebhookPage(data=[schema.Webhook(**_facts(e)) for e in shown], next_cursor=more)

    async def get(self, actor: Actor, webhook: str) -> schema.Webhook:
        """One endpoint."""
        return schema.Webhook(
            **_facts(await self._store.read(actor.workspace, lambda tx: endpoints.find(tx, actor, webhook)))
        )

    async def change(self, actor: Actor, webhook: str, request: schema.ChangeWebhook) -> schema.Webhook:
        """Change what is given."""
        endpoint = await self._store.write(
            actor.workspace,
            lambda tx: endpoints.change(
                tx,
                actor,
                webhook,
                url=None if request.url is UNSET else request.url,
                types=None if request.events is UNSET else request.events,
                description=None if request.description is UNSET else request.description,
                enabled=None if request.enabled is UNSET else request.enabled,
                now=self._clock.now(),
                allow_loopback_http=self._loopback,
            ),
        )
        return schema.Webhook(**_facts(endpoint))

    async def remove(self, actor: Actor, webhook: str) -> None:
        """Remove an endpoint."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: endpoints.remove(tx, actor, webhook, now=now))

    async def test(self, actor: Actor, webhook: str) -> schema.TestQueued:
        """Queue a test event."""
        now = self._clock.now()
        event = await self._store.write(
            actor.workspace, lambda tx: enqueue.send_test(tx, actor, webhook, now=now, entropy=self._entropy)
        )
        self._wake()
        return schema.TestQueued(event=event)

    async def attempts(self, actor: Actor, webhook: str, query: PageQuery) -> schema.AttemptPage:
        """What each try met, newest first."""
        before = checked(query.cursor, "att")
        page = await self._store.read(
            actor.workspace, lambda tx: attempts_of.attempts(tx, actor, webhook, cursor=before, limit=query.limit)
        )
        more = ids.encode("att", page.next) if page.next else None
        return schema.AttemptPage(data=[_attempt(a) for a in page.attempts], next_cursor=more)

    async def rotate_secret(self, actor: Actor, webhook: str) -> schema.NewWebhook:
        """A new secret; for a day the old one signs beside it."""
        now = self._clock.now()
        endpoint, secret = await self._store.write(
            actor.workspace,
            lambda tx: endpoints.rotate_secret(
                tx, actor, webhook, seal=partial(self._seal, actor.workspace), now=now, entropy=self._entropy
            ),
        )
        return schema.NewWebhook(**_facts(endpoint), secret=secret.reveal())


def _facts(e: Endpoint) -> dict[str, Any]:
    return {
        "id": ids.encode("whk", e.id),
        "url": e.url,
        "events": sorted(e.types),
        "description": e.description,
        "enabled": e.enabled,
        "created_at": views.at(e.created),
        "disabled_reason": e.disabled_reason or None,
    }


def _attempt(a: Attempt) -> schema.WebhookAttempt:
    return schema.WebhookAttempt(
        id=ids.encode("att", a.id),
        event=ids.encode("evt", a.event),
        type=a.type,
        at=views.at(a.at),
        number=a.number,
        outcome=a.outcome,
        status=a.status or None,
        elapsed_ms=a.elapsed_ms,
        response=a.response,
        next_try_at=views.at(a.next_due) if a.next_due else None,
    )
