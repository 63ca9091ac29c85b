"""Received mail: the list, one message with its attempts, and the routes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Conflict, Invalid, NotFound, Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.pages.settings import page_query
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.web.schema.inbound import (
    ChangeRoute,
    CreateRoute,
    Format,
    Kind,
    ReceivedQuery,
    ReplayMessage,
    ReplayRange,
    State,
)
from mailward.policy.access import Permission


class Inbound:
    """What came for the workspace's domains, and where it went."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """Lists, one of each, and the acts."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/received", shows(self.list, Permission.INBOUND_READ), methods=["GET"]),
            Route("/received/{id}", shows(self.one, Permission.INBOUND_READ), methods=["GET"]),
            Route("/received/{id}/raw", shows(self.raw, Permission.MESSAGE_CONTENT), methods=["GET"]),
            Route("/received/{id}/replay", acts(self.replay, Permission.INBOUND_CHANGE), methods=["POST"]),
            Route("/received/{id}/release", acts(self.release, Permission.INBOUND_CHANGE), methods=["POST"]),
            Route("/received/{id}/discard", acts(self.discard, Permission.INBOUND_CHANGE), methods=["POST"]),
            Route("/routes", shows(self.all_routes, Permission.INBOUND_READ), methods=["GET"]),
            Route("/routes", acts(self.create, Permission.INBOUND_CHANGE), methods=["POST"]),
            Route("/routes/{id}", shows(self.route, Permission.INBOUND_READ), methods=["GET"]),
            Route("/routes/{id}/switch", acts(self.switch, Permission.INBOUND_CHANGE), methods=["POST"]),
            Route("/routes/{id}/rotate", acts(self.rotate, Permission.INBOUND_CHANGE), methods=["POST"]),
            Route("/routes/{id}/replay", acts(self.replay_range, Permission.INBOUND_CHANGE), methods=["POST"]),
            Route("/routes/{id}/remove", acts(self.remove, Permission.INBOUND_CHANGE), methods=["POST"]),
        ]

    # -- messages --------------------------------------------------------------------------------

    async def list(self, request: Request, session: Session) -> Response:
        """Newest first, of a route or a state if one is chosen."""
        chosen = {k: v for k in ("route", "state") if (v := request.query_params.get(k))}
        try:
            query = msgspec.convert({**msgspec.structs.asdict(page_query(request)), **chosen}, ReceivedQuery)
        except msgspec.ValidationError:
            raise Invalid("invalid_field", "There is no such state or route.", field="state") from None
        page = await self._desk.platform.inbound.find(session.actor, query)
        return self._desk.page(
            session,
            "received.html",
            here="received",
            messages=page.data,
            next=page.next_cursor or "",
            state=chosen.get("state", ""),
            route=chosen.get("route", ""),
            states=get_args(State),
        )

    async def one(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """How it came, what the checks said, and each try to hand it over."""
        area, actor, id = self._desk.platform.inbound, session.actor, request.path_params["id"]
        found = await area.get(actor, id)
        page = await area.attempts(actor, id, PageQuery(limit=50))
        return self._desk.page(
            session,
            "received_one.html",
            status=code,
            here="received",
            m=found,
            attempts=page.data,
            quarantined=any(c.state == "quarantined" for c in found.copies),
            error=error,
        )

    async def raw(self, request: Request, session: Session) -> Response:
        """The octets as they came, as a download."""
        id = request.path_params["id"]
        body = await self._desk.platform.inbound.raw(session.actor, id)
        headers = {**SECURITY_HEADERS, "content-disposition": f'attachment; filename="{id}.eml"'}
        return Response(body, 200, headers, "message/rfc822")

    async def replay(self, request: Request, session: Session, form: Form) -> Response:
        """Hand it over again."""
        return await self._act(request, session, "replay")

    async def release(self, request: Request, session: Session, form: Form) -> Response:
        """Out of quarantine, to its endpoint."""
        return await self._act(request, session, "release")

    async def discard(self, request: Request, session: Session, form: Form) -> Response:
        """Never handed over."""
        return await self._act(request, session, "discard")

    async def _act(self, request: Request, session: Session, act: str) -> Response:
        area, actor, id = self._desk.platform.inbound, session.actor, request.path_params["id"]
        try:
            if act == "replay":
                await area.replay(actor, id, ReplayMessage())
            elif act == "release":
                await area.release(actor, id)
            else:
                await area.discard(actor, id)
        except (Conflict, NotFound) as e:
            # Where there is no such message, its page says so.
            return await self.one(request, session, e.public, status_of(e))
        return redirect(f"/received/{id}")

    # -- routes ----------------------------------------------------------------------------------

    async def all_routes(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """All routes, and the form to add one."""
        page = await self._desk.platform.inbound.routes(session.actor, page_query(request))
        return self._desk.page(
            session,
            "routes.html",
            status=code,
            here="routes",
            routes=page.data,
            kinds=get_args(Kind),
            formats=get_args(Format),
            next=page.next_cursor or "",
            error=error,
        )

    async def create(self, request: Request, session: Session, form: Form) -> Response:
        """A new route; the answer is the only page that holds its secret."""
        names = ("domain", "url", "kind", "pattern", "format", "mode", "description", "attachments", "signature")
        asked: dict[str, object] = {name: value for name in names if (value := form.text(name, 2000))}
        asked["require_tls"] = form.text("require_tls", 3) == "yes"
        try:
            new = await self._desk.platform.inbound.create_route(session.actor, msgspec.convert(asked, CreateRoute))
        except msgspec.ValidationError:
            return await self.all_routes(request, session, "A route needs a domain and an https:// URL.", 422)
        except Refused as e:
            return await self.all_routes(request, session, e.public, status_of(e))
        return await self._shown(request, session, new.id, secret=new.secret, public_key=new.public_key or "")

    async def route(self, request: Request, session: Session) -> Response:
        """One route."""
        return await self._shown(request, session, request.path_params["id"])

    async def _shown(
        self, request: Request, session: Session, id: str, secret: str = "", public_key: str = "", error: str = "",
        code: int = 200,
    ) -> Response:  # fmt: skip
        area, actor = self._desk.platform.inbound, session.actor
        found = await area.route(actor, id)
        page = await area.find(actor, ReceivedQuery(limit=10, route=id))
        return self._desk.page(
            session,
            "route.html",
            status=code,
            here="routes",
            r=found,
            messages=page.data,
            secret=secret,
            public_key=public_key,
            error=error,
        )

    async def switch(self, request: Request, session: Session, form: Form) -> Response:
        """On or off."""
        id = request.path_params["id"]
        change = ChangeRoute(enabled=form.text("enabled", 3) == "yes")
        await self._desk.platform.inbound.change_route(session.actor, id, change)
        return redirect(f"/routes/{id}")

    async def rotate(self, request: Request, session: Session, form: Form) -> Response:
        """A new secret, shown this once; the old one signs beside it for a day."""
        new = await self._desk.platform.inbound.rotate_secret(session.actor, request.path_params["id"])
        return await self._shown(request, session, new.id, secret=new.secret, public_key=new.public_key or "")

    async def replay_range(self, request: Request, session: Session, form: Form) -> Response:
        """What failed, or everything, of a span of time."""
        id = request.path_params["id"]
        try:
            asked = ReplayRange(
                since=_moment(form.text("since", 32), "since"),
                until=_moment(form.text("until", 32), "until"),
                only="all" if form.text("only", 8) == "all" else "failed",
            )
            await self._desk.platform.inbound.replay_range(session.actor, id, asked)
        except (Invalid, Conflict) as e:
            return await self._shown(request, session, id, error=e.public, code=status_of(e))
        return redirect(f"/routes/{id}")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Remove a route."""
        await self._desk.platform.inbound.remove_route(session.actor, request.path_params["id"])
        return redirect("/routes")


def _moment(text: str, field: str) -> datetime | None:
    """What a datetime-local input holds, in UTC; None when it is empty. Raises Invalid."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid("invalid_field", "That is not a date and time.", field=field) from None
