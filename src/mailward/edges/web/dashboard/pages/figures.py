"""The request log."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.edges.web.dashboard.desk import Desk
from mailward.edges.web.dashboard.ports import RequestsAsked, Session
from mailward.policy.access import Permission

_FILTER_MAX = 64


class RequestPages:
    """What was asked of the API, for who wonders why a program's call failed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """One page and its rows."""
        shows = self._desk.shows
        return [
            Route("/requests", shows(self.list, Permission.WORKSPACE_READ), methods=["GET"]),
            Route("/requests/rows", shows(self.rows, Permission.WORKSPACE_READ), methods=["GET"]),
        ]

    async def list(self, request: Request, session: Session) -> Response:
        """Newest first; the first page keeps itself up to date."""
        asked, chosen = _asked(request)
        page = await self._desk.platform.figures.requests(session.actor, asked)
        kept = {k: v for k, v in chosen.items() if v}
        return self._desk.page(
            session,
            "requests.html",
            here="requests",
            requests=page.data,
            left_out=page.left_out,
            chosen=chosen,
            filtered=bool(kept),
            first=not asked.cursor,
            poll="/requests/rows?" + urlencode(kept),
            next="/requests?" + urlencode({**kept, "cursor": page.next}) if page.next else "",
        )

    async def rows(self, request: Request, session: Session) -> Response:
        """Only the rows."""
        asked, chosen = _asked(request)
        page = await self._desk.platform.figures.requests(session.actor, asked)
        return self._desk.renderer.page("request_rows.html", requests=page.data, filtered=any(chosen.values()))


def _asked(request: Request) -> tuple[RequestsAsked, dict[str, str]]:
    chosen = {k: request.query_params.get(k, "").strip()[:_FILTER_MAX] for k in ("only", "operation", "key")}
    asked = RequestsAsked(
        cursor=request.query_params.get("cursor", ""),
        failed=chosen["only"] == "failed",
        operation=chosen["operation"],
        actor=chosen["key"],
    )
    return asked, chosen
