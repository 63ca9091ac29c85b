"""Suppressions and webhooks: who is not written to, and who is told."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.pages.settings import page_query
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.suppressions import AddSuppression, SuppressionQuery
from mailward.edges.web.schema.webhooks import ChangeWebhook, CreateWebhook

EVENT_TYPES = tuple(
    f"message.{word}"
    for word in ("accepted", "delivered", "deferred", "bounced", "suppressed", "expired", "cancelled", "held")
)
REASONS = ("hard_bounce", "complaint", "unsubscribe", "manual", "imported")


class Suppressions:
    """Addresses nothing is sent to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The list and its acts."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/suppressions", shows(self.list), methods=["GET"]),
            Route("/suppressions", acts(self.add), methods=["POST"]),
            Route("/suppressions/remove", acts(self.remove), methods=["POST"]),
            Route("/suppressions/import", acts(self.import_many), methods=["POST"]),
            Route("/suppressions/export", acts(self.export), methods=["POST"]),
        ]

    async def list(
        self, request: Request, session: Session, error: str = "", note: str = "", code: int = 200
    ) -> Response:
        """A page of the list, or of a search."""
        chosen = {k: request.query_params.get(k, "").strip() for k in ("search", "reason")}
        asked: dict[str, Any] = {"limit": 50, **{k: v for k, v in chosen.items() if v}}
        if cursor := request.query_params.get("cursor"):
            asked["cursor"] = cursor
        try:
            query = msgspec.convert(asked, SuppressionQuery)
        except msgspec.ValidationError:
            raise Invalid("invalid_parameter", "This filter does not have the right form.") from None
        page = await self._desk.platform.suppressions.find(session.actor, query)
        return self._desk.page(
            session,
            "suppressions.html",
            status=code,
            here="suppressions",
            entries=page.data,
            next=page.next_cursor or "",
            chosen=chosen,
            reasons=REASONS,
            error=error,
            note=note,
        )

    async def add(self, request: Request, session: Session, form: Form) -> Response:
        """List one address by hand."""
        asked: dict[str, Any] = {"address": form.text("address", 320)}
        if stream := form.text("stream", 20):
            asked["stream"] = stream
        try:
            await self._desk.platform.suppressions.add(session.actor, msgspec.convert(asked, AddSuppression))
        except msgspec.ValidationError:
            return await self.list(request, session, "That is not an email address.", code=422)
        except Refused as e:
            return await self.list(request, session, e.public, code=status_of(e))
        return redirect("/suppressions")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Take an address off, on every stream."""
        await self._desk.platform.suppressions.remove(session.actor, form.text("address", 400))
        return redirect("/suppressions")

    async def import_many(self, request: Request, session: Session, form: Form) -> Response:
        """List the addresses of a pasted file: one a line, alone or as a CSV."""
        done = await self._desk.platform.suppressions.import_csv(session.actor, form.exact("lines", 900_000))
        note = f"{done.added} added, {done.known} known already, {done.refused} refused."
        return await self.list(request, session, note=" ".join((note, *done.reasons[:3])))

    async def export(self, request: Request, session: Session, form: Form) -> Response:
        """The whole list as a CSV file."""
        content = await self._desk.platform.suppressions.export_csv(session.actor)
        headers = {**SECURITY_HEADERS, "content-disposition": 'attachment; filename="suppressions.csv"'}
        return Response(content, headers=headers, media_type="text/csv")


class Webhooks:
    """Endpoints that are told what happens."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """List, one, and the acts on one."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/webhooks", shows(self.list), methods=["GET"]),
            Route("/webhooks", acts(self.create), methods=["POST"]),
            Route("/webhooks/{id}", shows(self.one), methods=["GET"]),
            Route("/webhooks/{id}/attempts", shows(self.attempts), methods=["GET"]),
            Route("/webhooks/{id}/test", acts(self.test), methods=["POST"]),
            Route("/webhooks/{id}/switch", acts(self.switch), methods=["POST"]),
            Route("/webhooks/{id}/rotate", acts(self.rotate), methods=["POST"]),
            Route("/webhooks/{id}/replay", acts(self.replay), methods=["POST"]),
            Route("/webhooks/{id}/remove", acts(self.remove), methods=["POST"]),
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

    async def _shown(self, request: Request, session: Session, id: str, secret: str = "") -> Response:
        hook = await self._desk.platform.webhooks.get(session.actor, id)
        page = await self._desk.platform.webhooks.attempts(session.actor, id, page_query(request))
        return self._desk.page(
            session,
            "webhook.html",
            here="webhooks",
            w=hook,
            attempts=page.data,
            next=page.next_cursor or "",
            first="cursor" not in request.query_params,
            secret=secret,
        )

    async def attempts(self, request: Request, session: Session) -> Response:
        """Only the rows, for the list that refreshes itself."""
        id = request.path_params["id"]
        hook = await self._desk.platform.webhooks.get(session.actor, id)
        page = await self._desk.platform.webhooks.attempts(session.actor, id, page_query(request))
        return self._desk.page(session, "webhook_attempts.html", w=hook, attempts=page.data)

    async def test(self, request: Request, session: Session, form: Form) -> Response:
        """Send a test event."""
        await self._desk.platform.webhooks.test(session.actor, request.path_params["id"])
        return redirect(f"/webhooks/{request.path_params['id']}")

    async def switch(self, request: Request, session: Session, form: Form) -> Response:
        """Enable or disable."""
        change = ChangeWebhook(enabled=form.text("enabled", 3) == "yes")
        await self._desk.platform.webhooks.change(session.actor, request.path_params["id"], change)
        return redirect(f"/webhooks/{request.path_params['id']}")

    async def rotate(self, request: Request, session: Session, form: Form) -> Response:
        """A new secret, shown this once; the old one signs beside it for a day."""
        new = await self._desk.platform.webhooks.rotate_secret(session.actor, request.path_params["id"])
        return await self._shown(request, session, new.id, secret=new.secret)

    async def replay(self, request: Request, session: Session, form: Form) -> Response:
        """Tell one event again, under the same id."""
        id = request.path_params["id"]
        await self._desk.platform.replays.replay(session.actor, id, form.text("event", 64))
        return redirect(f"/webhooks/{id}")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Remove an endpoint."""
        await self._desk.platform.webhooks.remove(session.actor, request.path_params["id"])
        return redirect("/webhooks")
