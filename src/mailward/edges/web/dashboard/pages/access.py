"""Access: which operators asked to look into this workspace, and the quarterly review of who has access."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.access import DecideAccess
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Permission


class AccessPages:
    """One page with both, and their acts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The page, permit and revoke, decide."""
        desk = self._desk
        return [
            Route("/access", desk.shows(self.show, Permission.AUDIT_READ), methods=["GET"]),
            Route("/access/{grant}/permit", desk.acts(self.permit, Permission.WORKSPACE_CHANGE), methods=["POST"]),
            Route("/access/{grant}/revoke", desk.acts(self.revoke, Permission.WORKSPACE_CHANGE), methods=["POST"]),
            Route("/access/reviews/{review}", desk.acts(self.decide, Permission.WORKSPACE_CHANGE), methods=["POST"]),
        ]

    async def show(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """Both lists."""
        area = self._desk.platform.access
        found = await area.list_access(session.actor, PageQuery(limit=50))
        reviews = await area.reviews(session.actor)
        return self._desk.page(
            session, "access.html", status=code, here="access", grants=found.data, reviews=reviews.data, error=error
        )

    async def permit(self, request: Request, session: Session, form: Form) -> Response:
        """The customer's permission."""
        try:
            await self._desk.platform.access.permit(session.actor, request.path_params["grant"])
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/access")

    async def revoke(self, request: Request, session: Session, form: Form) -> Response:
        """The end of it."""
        try:
            await self._desk.platform.access.revoke(session.actor, request.path_params["grant"])
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/access")

    async def decide(self, request: Request, session: Session, form: Form) -> Response:
        """One item."""
        wish = DecideAccess(
            kind=form.text("kind", 20),  # type: ignore[arg-type]  # the area refuses what it does not know
            id=form.text("item", 64),
            decision="keep" if form.text("decision", 10) == "keep" else "remove",
        )
        try:
            await self._desk.platform.access.decide(session.actor, request.path_params["review"], wish)
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/access")
