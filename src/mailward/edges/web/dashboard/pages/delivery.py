"""Suppressions: who is not written to."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, Refused
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.suppressions import AddSuppression, SuppressionQuery
from mailward.policy.access import Permission

REASONS = ("hard_bounce", "complaint", "unsubscribe", "manual", "imported")


class Suppressions:
    """Addresses nothing is sent to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The list and its acts."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/suppressions", shows(self.list, Permission.SUPPRESSION_READ), methods=["GET"]),
            Route("/suppressions", acts(self.add, Permission.SUPPRESSION_CHANGE), methods=["POST"]),
            Route("/suppressions/remove", acts(self.remove, Permission.SUPPRESSION_CHANGE), methods=["POST"]),
            Route("/suppressions/import", acts(self.import_many, Permission.SUPPRESSION_CHANGE), methods=["POST"]),
            Route(
                "/suppressions/export", acts(self.export, Permission.SUPPRESSION_READ, recent=True), methods=["POST"]
            ),
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
