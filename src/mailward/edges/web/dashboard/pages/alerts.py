"""Attacks on the workspace that the platform's rules recognised."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.edges.web.dashboard.desk import Desk
from mailward.edges.web.dashboard.pages.settings import page_query
from mailward.edges.web.dashboard.ports import Session
from mailward.policy.access import Permission


class AlertPages:
    """One list. An alert is a record of what was seen: nothing makes it go but its age."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [Route("/alerts", self._desk.shows(self.list, Permission.AUDIT_READ), methods=["GET"])]

    async def list(self, request: Request, session: Session) -> Response:
        """Newest first."""
        query = page_query(request)
        found = await self._desk.platform.alerts.list(session.actor, before=query.cursor or "", limit=query.limit)
        more = found[-1].id if len(found) == query.limit else ""
        return self._desk.page(session, "alerts.html", here="alerts", alerts=found, next=more)
