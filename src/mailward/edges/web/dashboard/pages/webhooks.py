"""Webhooks: who is told what happens, how it went, and telling it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Conflict, Invalid, Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.pages.settings import page_query
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.web.schema.webhooks import (
    AttemptQuery,
    ChangeWebhook,
    CreateWebhook,
    EventType,
    StartReplay,
    ToldQuery,
)
from mailward.policy.access import Permission

EVENT_TYPES: tuple[str, ...] = get_args(EventType)


class Webhooks:
    """Endpoints that are told what happens."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """List, one, and the acts on one."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/webhooks", shows(self.list, Permission.WEBHOOK_READ), methods=["GET"]),
            Route("/webhooks", acts(self.create, Permission.WEBHOOK_CHANGE), methods=["POST"]),
            Route("/webhooks/{id}", shows(self.one, Permission.WEBHOOK_READ), methods=["GET"]),
            Route("/webhooks/{id}/attempts", shows(self.attempts, Permission.WEBHOOK_READ), methods=["GET"]),
            Route("/webhooks/{id}/test", acts(self.test, Permission.WEBHOOK_CHANGE), methods=["POST"]),
            Route("/webhooks/{id}/switch", acts(self.switch, Permission.WEBHOOK_CHANGE), methods=["POST"]),
            Route("/webhooks/{id}/rotate", acts(self.rotate, Permission.WEBHOOK_CHANGE), methods=["POST"]),
            Route("/webhooks/{id}/replay", acts(self.replay, Permission.WEBHOOK_CHANGE), methods=["POST"]),
            Route("/webhooks/{id}/replay-range", acts(self.replay_range, Permission.WEBHOOK_CHANGE), methods=["POST"]),
            Route("/webhooks/{id}/events/{event}", shows(self.event, Permission.WEBHOOK_READ), methods=["GET"]),
            Route("/webhooks/{id}/remove", acts(self.remove, Permission.WEBHOOK_CHANGE), methods=["POST"]),
        ]

    async def list(
        self, request: Request, session: Session, error: str = "", url: str = "", code: int = 200
    ) -> Response:
        """All endpoints, and the form to add one."""
        page = await self._desk.platform.webhooks.list(session.actor, page_query(request))
        return self._desk.page(
            session,
            "webhooks.html",
            status=code,
            here="webhooks",
            webhooks=page.data,
            types=EVENT_TYPES,
            error=error,
            url=url,
        )

    async def create(self, request: Request, session: Session, form: Form) -> Response:
        """A new endpoint; the answer is the only page that holds its secret."""
        url = form.text("url", 2000)
        asked = {"url": url, "events": form.all("events"), "description": form.text("description", 200)}
        try:
            if not asked["events"]:
                raise Invalid("invalid_field", "Tick at least one event.", field="events")
            new = await self._desk.platform.webhooks.create(session.actor, msgspec.convert(asked, CreateWebhook))
        except msgspec.ValidationError:
            return await self.list(
                request, session, "A webhook needs an https:// URL and at least one event.", url, 422
            )
        except Refused as e:
            return await self.list(request, session, e.public, url, status_of(e))
        return await self._shown(request, session, new.id, secret=new.secret)

    async def one(self, request: Request, session: Session) -> Response:
        """An endpoint with what was tried."""
        return await self._shown(request, session, request.path_params["id"])

    async def _shown(
        self, request: Request, session: Session, id: str, secret: str = "", error: str = "", code: int = 200
    ) -> Response:
        area, actor = self._desk.platform.webhooks, session.actor
        hook = await area.get(actor, id)
        page = await area.attempts(actor, id, _tries(request))
        waiting = await area.events(actor, id, ToldQuery(limit=10, state="pending"))
        failed = await area.events(actor, id, ToldQuery(limit=10, state="failed"))
        replays = await area.replays(actor, id, PageQuery(limit=5))
        return self._desk.page(
            session,
            "webhook.html",
            status=code,
            here="webhooks",
            w=hook,
            attempts=page.data,
            waiting=waiting.data,
            failed=failed.data,
            replays=replays.data,
            next=page.next_cursor or "",
            first="cursor" not in request.query_params,
            secret=secret,
            error=error,
        )

    async def event(self, request: Request, session: Session) -> Response:
        """One event: what is posted, and each try of it."""
        id, event = request.path_params["id"], request.path_params["event"]
        area, actor = self._desk.platform.webhooks, session.actor
        hook = await area.get(actor, id)
        detail = await area.event(actor, id, event)
        page = await area.attempts(actor, id, AttemptQuery(limit=50, event=detail.id))
        payload = msgspec.json.format(msgspec.json.encode(detail.payload), indent=2).decode()
        return self._desk.page(
            session, "webhook_event.html", here="webhooks", w=hook, e=detail, payload=payload, attempts=page.data
        )

    async def attempts(self, request: Request, session: Session) -> Response:
        """Only the rows, for the list that refreshes itself."""
        id = request.path_params["id"]
        hook = await self._desk.platform.webhooks.get(session.actor, id)
        page = await self._desk.platform.webhooks.attempts(session.actor, id, _tries(request))
        return self._desk.page(session, "webhook_attempts.html", w=hook, attempts=page.data)

    async def test(self, request: Request, session: Session, form: Form) -> Response:
        """Send a test event."""
        await self._desk.platform.webhooks.test(session.actor, request.path_params["id"])
        return redirect(f"/webhooks/{request.path_params['id']}")

    async def switch(self, request: Request, session: Session, form: Form) -> Response:
        """Enable, which posts a test event first, or disable."""
        id = request.path_params["id"]
        change = ChangeWebhook(enabled=form.text("enabled", 3) == "yes")
        try:
            await self._desk.platform.webhooks.change(session.actor, id, change)
        except Conflict as e:
            return await self._shown(request, session, id, error=e.public, code=status_of(e))
        return redirect(f"/webhooks/{id}")

    async def rotate(self, request: Request, session: Session, form: Form) -> Response:
        """A new secret, shown this once; the old one signs beside it for a day."""
        new = await self._desk.platform.webhooks.rotate_secret(session.actor, request.path_params["id"])
        return await self._shown(request, session, new.id, secret=new.secret)

    async def replay(self, request: Request, session: Session, form: Form) -> Response:
        """Tell one event again, under the same id."""
        id = request.path_params["id"]
        await self._desk.platform.webhooks.replay(session.actor, id, StartReplay(event=form.text("event", 64)))
        return redirect(f"/webhooks/{id}")

    async def replay_range(self, request: Request, session: Session, form: Form) -> Response:
        """Tell what failed, or everything, of a span of time again."""
        id = request.path_params["id"]
        try:
            asked = StartReplay(
                since=_moment(form.text("since", 32), "since"),
                until=_moment(form.text("until", 32), "until"),
                only="all" if form.text("only", 8) == "all" else "failed",
            )
            await self._desk.platform.webhooks.replay(session.actor, id, asked)
        except (Invalid, Conflict) as e:
            return await self._shown(request, session, id, error=e.public, code=status_of(e))
        return redirect(f"/webhooks/{id}")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Remove an endpoint."""
        await self._desk.platform.webhooks.remove(session.actor, request.path_params["id"])
        return redirect("/webhooks")


def _tries(request: Request) -> AttemptQuery:
    page = page_query(request)
    return AttemptQuery(limit=page.limit, cursor=page.cursor)


def _moment(text: str, field: str) -> datetime | None:
    """What a datetime-local input holds, in UTC; None when it is empty. Raises Invalid."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid("invalid_field", "That is not a date and time.", field=field) from None
