"""Attacks that the platform's rules recognised: a workspace's own, and for operators those of the installation."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.pages.settings import page_query
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.policy.access import OWN, Permission


class AlertPages:
    """Two lists. An alert is a record of what was seen: acknowledging it notes who has looked, and hides nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The operators' page is its own policy: the area answers NotFound to everybody else."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/alerts", shows(self.list, Permission.AUDIT_READ), methods=["GET"]),
            Route("/alerts/{alert}/acknowledge", acts(self.acknowledge, Permission.ALERT_CHANGE), methods=["POST"]),
            Route("/operator/alerts", shows(self.everywhere, OWN), methods=["GET"]),
            Route("/operator/alerts/{alert}/acknowledge", acts(self.acknowledge_ours, OWN), methods=["POST"]),
        ]

    async def list(self, request: Request, session: Session) -> Response:
        """Newest first."""
        found = await self._desk.platform.alerts.page(session.actor, page_query(request))
        return self._desk.page(session, "alerts.html", here="alerts", alerts=found.data, next=found.next_cursor or "")

    async def acknowledge(self, request: Request, session: Session, form: Form) -> Response:
        """Note that it was seen."""
        await self._desk.platform.alerts.acknowledge(session.actor, request.path_params["alert"])
        return redirect("/alerts")

    async def everywhere(self, request: Request, session: Session) -> Response:
        """Newest first, without what they say."""
        query = page_query(request)
        found = await self._desk.platform.alerts.everywhere(
            session.actor.id, before=query.cursor or "", limit=query.limit
        )
        more = found[-1].id if len(found) == query.limit else ""
        return self._desk.page(session, "operator_alerts.html", here="operator-alerts", alerts=found, next=more)

    async def acknowledge_ours(self, request: Request, session: Session, form: Form) -> Response:
        """Note that one of the installation was seen."""
        await self._desk.platform.alerts.acknowledge_ours(session.actor.id, request.path_params["alert"])
        return redirect("/operator/alerts")
