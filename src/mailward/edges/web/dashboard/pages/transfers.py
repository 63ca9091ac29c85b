"""Domains that go from one workspace to another: asked for on the domain's page, decided on one of their own."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.policy.access import Permission


class TransferPages:
    """Neither side is shown who the other is. What is given away takes keys and routes along, so its name is typed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The list, asking, and deciding; they stand before the page of one domain, whose path would match, too."""
        shows, acts, change = self._desk.shows, self._desk.acts, Permission.DOMAIN_CHANGE
        return [
            Route("/domains/transfers", shows(self.list, Permission.DOMAIN_READ), methods=["GET"]),
            Route("/domains/{id}/transfer", acts(self.ask, change, recent=True), methods=["POST"]),
            Route("/domains/transfers/{id}/grant", acts(self.grant, change, recent=True), methods=["POST"]),
            Route("/domains/transfers/{id}/refuse", acts(self.refuse, change), methods=["POST"]),
        ]

    async def list(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """What others ask of this workspace, and what it asked for; the newest hundred."""
        found = (await self._desk.platform.transfers.list(session.actor)).data
        return self._desk.page(
            session,
            "transfers.html",
            status=code,
            here="domains",
            error=error,
            to_decide=[t for t in found if t.direction == "asked_of_us" and t.status == "open"],
            others=[t for t in found if t.direction != "asked_of_us" or t.status != "open"],
        )

    async def ask(self, request: Request, session: Session, form: Form) -> Response:
        """Ask for a name that another workspace holds; DNS is looked at first."""
        try:
            await self._desk.platform.transfers.ask(session.actor, request.path_params["id"])
        except Refused as e:
            return await self.list(request, session, e.public, status_of(e))
        return redirect("/domains/transfers")

    async def grant(self, request: Request, session: Session, form: Form) -> Response:
        """Give the name away."""
        id = request.path_params["id"]
        found = (await self._desk.platform.transfers.list(session.actor)).data
        name = next((t.name for t in found if t.id == id), "")
        try:
            if name and form.text("confirm", 253) != name:
                raise Invalid("not_confirmed", "Type the domain's name to confirm that it should leave this workspace.")
            await self._desk.platform.transfers.decide(session.actor, id, True)
        except Refused as e:
            return await self.list(request, session, e.public, status_of(e))
        return redirect("/domains/transfers")

    async def refuse(self, request: Request, session: Session, form: Form) -> Response:
        """Keep it."""
        try:
            await self._desk.platform.transfers.decide(session.actor, request.path_params["id"], False)
        except Refused as e:
            return await self.list(request, session, e.public, status_of(e))
        return redirect("/domains/transfers")
