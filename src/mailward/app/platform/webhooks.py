"""The webhooks area of the platform."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from mailward.app.platform import views
from mailward.app.platform.pages import checked
from mailward.app.settings import Settings
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Conflict
from mailward.base.sources import Clock, Entropy
from mailward.core.webhooks import endpoints, enqueue, look, probe, replay
from mailward.core.webhooks.endpoints import Reach
from mailward.core.webhooks.model import Attempt, Endpoint, JobState, Progress, Result, Told, Work
from mailward.edges.web.schema import webhooks as schema
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Actor
from mailward.policy.egress import networks


def reach(settings: Settings) -> Reach:
    """Where the webhooks and routes of this installation may go."""
    return Reach(settings.capture, networks(settings.endpoint_networks))


class Webhooks:
    """Implements `edges.web.ports.Webhooks`. `seal` keeps signing secrets; `wake` rouses the worker.

    `post` makes one request now, outside of the queue, and says how it went.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        seal: Callable[[str, bytes], bytes],
        *,
        wake: Callable[[], None],
        post: Callable[[Work], Awaitable[Result]],
        reach: Reach,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._seal = seal
        self._wake = wake
        self._post = post
        self._reach = reach

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
                reach=self._reach,
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
        """Change what is given; see the port."""
        endpoint = await self._store.write(
            actor.workspace,
            lambda tx: endpoints.change(
                tx,
                actor,
                webhook,
                url=None if request.url is UNSET else request.url,
                types=None if request.events is UNSET else request.events,
                description=None if request.description is UNSET else request.description,
                disable=request.enabled is False,
                now=self._clock.now(),
                reach=self._reach,
            ),
        )
        if request.enabled is True and not endpoint.enabled:
            endpoint = await self._enable(actor, webhook)
        return schema.Webhook(**_facts(endpoint))

    async def _enable(self, actor: Actor, webhook: str) -> Endpoint:
        """The request is made between two transactions, since it may take its fifteen seconds."""
        work = await self._store.read(
            actor.workspace,
            lambda tx: probe.prepare(tx, actor, webhook, now=self._clock.now(), entropy=self._entropy),
        )
        result = await self._post(work)
        endpoint = await self._store.write(
            actor.workspace,
            lambda tx: probe.conclude(tx, actor, result, now=self._clock.now(), entropy=self._entropy),
        )
        if not endpoint.enabled:
            answer = result.error or f"It was answered with status {result.status}."
            raise Conflict(
                "webhook_not_answering", f"The endpoint did not take the test event, so it stays disabled. {answer}"
            )
        return endpoint

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

    async def attempts(self, actor: Actor, webhook: str, query: schema.AttemptQuery) -> schema.AttemptPage:
        """What each try met, newest first."""
        before = checked(query.cursor, "att")
        page = await self._store.read(
            actor.workspace,
            lambda tx: look.attempts(tx, actor, webhook, event=query.event, cursor=before, limit=query.limit),
        )
        more = ids.encode("att", page.next) if page.next else None
        return schema.AttemptPage(data=[_attempt(a) for a in page.attempts], next_cursor=more)

    async def events(self, actor: Actor, webhook: str, query: schema.ToldQuery) -> schema.WebhookEventPage:
        """What it was or will be told, newest first."""
        before = checked(query.cursor, "evt")
        state = None if query.state is None else JobState[query.state.upper()]
        page = await self._store.read(
            actor.workspace,
            lambda tx: look.events(tx, actor, webhook, state=state, cursor=before, limit=query.limit),
        )
        more = ids.encode("evt", page.next) if page.next else None
        return schema.WebhookEventPage(data=[schema.WebhookEvent(**_told(t)) for t in page.events], next_cursor=more)

    async def event(self, actor: Actor, webhook: str, event: str) -> schema.WebhookEventDetail:
        """One event with its body."""
        told, body = await self._store.read(actor.workspace, lambda tx: look.one_event(tx, actor, webhook, event))
        return schema.WebhookEventDetail(**_told(told), payload=msgspec.json.decode(body))

    async def replay(self, actor: Actor, webhook: str, request: schema.StartReplay) -> schema.Replay:
        """Post again; see the port."""
        now = self._clock.now()
        event = request.event
        if event is not None:
            started = await self._store.write(
                actor.workspace,
                lambda tx: replay.replay_event(tx, actor, webhook, event, now=now, entropy=self._entropy),
            )
        else:
            started = await self._store.write(
                actor.workspace,
                lambda tx: replay.replay_range(
                    tx,
                    actor,
                    webhook,
                    since=request.since,
                    until=request.until,
                    failed_only=request.only == "failed",
                    now=now,
                    entropy=self._entropy,
                ),
            )
        self._wake()
        return _replay(started)

    async def replays(self, actor: Actor, webhook: str, query: PageQuery) -> schema.ReplayPage:
        """Newest first."""
        before = checked(query.cursor, "rpl")
        found = await self._store.read(
            actor.workspace,
            lambda tx: replay.replays(tx, actor, webhook, cursor=before, limit=query.limit + 1),
        )
        shown = found[: query.limit]
        more = ids.encode("rpl", shown[-1].replay.id) if len(found) > query.limit else None
        return schema.ReplayPage(data=[_replay(p) for p in shown], next_cursor=more)

    async def replay_progress(self, actor: Actor, webhook: str, replay_id: str) -> schema.Replay:
        """How far one is."""
        return _replay(
            await self._store.read(actor.workspace, lambda tx: replay.progress(tx, actor, webhook, replay_id))
        )

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
        "disabled_at": None if e.disabled_at is None else views.at(e.disabled_at),
        "failing_since": None if e.failing_since is None else views.at(e.failing_since),
        "owner_told": e.owner_told or None,
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


def _told(t: Told) -> dict[str, Any]:
    return {
        "id": ids.encode("evt", t.event),
        "type": t.type,
        "at": views.at(t.at),
        "state": t.state.name.lower(),
        "attempts": t.attempts,
        "next_try_at": None if t.due is None else views.at(t.due),
    }


def _replay(p: Progress) -> schema.Replay:
    r = p.replay
    counts = {state.name.lower(): p.counts.get(state, 0) for state in JobState}
    return schema.Replay(
        id=ids.encode("rpl", r.id),
        webhook=ids.encode("whk", r.webhook),
        created_at=views.at(int.from_bytes(r.id[:6], "big") * 1000),
        since=views.at(r.since),
        until=views.at(r.until),
        only="failed" if r.only_failed else "all",
        total=r.total,
        finished=p.finished,
        more=r.more,
        **counts,
    )
