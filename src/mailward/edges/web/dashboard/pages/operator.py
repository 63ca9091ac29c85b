"""The operators' pages. For everybody else they are not there: the area answers NotFound before anything is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, NotFound, Refused
from mailward.core.operators.model import Ground, Reach, Wish
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.edges.web.schema.messages import MessageQuery
from mailward.policy.access import OWN


class OperatorPages:
    """Workspaces in numbers, grants, register, reviews; and what a live grant opens."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """All under /operator. The policy is the area's own: being an operator is no permission of a workspace.

        What gives access, or keeps somebody in it, asks for a fresh proof; taking access away never waits for one.
        """
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/operator", shows(self.show, OWN), methods=["GET"]),
            Route("/operator/requests", acts(self.request, OWN, recent=True), methods=["POST"]),
            Route("/operator/grants/{grant}/{step}", acts(self.step, OWN), methods=["POST"]),
            Route("/operator/register/{operator}", acts(self.file, OWN, recent=True), methods=["POST"]),
            Route("/operator/reviews/{review}", acts(self.decide, OWN), methods=["POST"]),
            Route("/operator/read/{grant}", shows(self.read, OWN), methods=["GET"]),
            Route("/operator/read/{grant}/{message}", shows(self.read_message, OWN), methods=["GET"]),
        ]

    async def show(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """The one page."""
        area, me = self._desk.platform.operators, session.actor.id
        return self._desk.page(
            session,
            "operator.html",
            status=code,
            here="operator",
            error=error,
            my_id=me,
            workspaces=await area.workspaces(me),
            operators=await area.register(me),
            grants=await area.grants(me),
            reviews=await area.reviews(me),
            tls=_shown(await area.certificate(me)),
        )

    async def request(self, request: Request, session: Session, form: Form) -> Response:
        """Ask for access."""
        try:
            minutes = form.text("minutes", 4)
            if not (minutes.isascii() and minutes.isdigit()):
                raise Invalid("bad_minutes", "A grant is for 1 to 240 minutes.", field="minutes")
            reach = frozenset(Reach(r) for r in form.all("what") if r in set(Reach))
            legal = form.text("legal")
            ground = Ground.NONE if Reach.CONTENT not in reach else Ground.LEGAL if legal else Ground.PERMISSION
            wish = Wish(
                reach=reach, reason=form.text("reason"), ticket=form.text("ticket", 200), ground=ground,
                legal=legal, minutes=int(minutes),
            )  # fmt: skip
            await self._desk.platform.operators.request(session.actor.id, form.text("workspace", 64), wish)
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/operator")

    async def step(self, request: Request, session: Session, form: Form) -> Response:
        """Approve, refuse, begin or end."""
        area = self._desk.platform.operators
        if request.path_params["step"] in ("approve", "begin"):
            await self._desk.require_recent(session)
        steps = {"approve": area.approve, "refuse": area.refuse, "begin": area.begin, "end": area.end}
        verb = steps.get(request.path_params["step"])
        if verb is None:
            raise NotFound("not_found", "There is no such page.")
        try:
            await verb(session.actor.id, request.path_params["grant"])
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/operator")

    async def file(self, request: Request, session: Session, form: Form) -> Response:
        """Enter something in another operator's register."""
        try:
            try:
                at = datetime.strptime(form.text("date", 10), "%Y-%m-%d").replace(tzinfo=UTC)
            except ValueError:
                raise Invalid("bad_date", "A day is written 2026-11-21.", field="date") from None
            what, who = form.text("what", 20), request.path_params["operator"]
            await self._desk.platform.operators.note(session.actor.id, who, what, at)
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/operator")

    async def decide(self, request: Request, session: Session, form: Form) -> Response:
        """Keep or remove another operator."""
        decision = "keep" if form.text("decision", 10) == "keep" else "remove"
        if decision == "keep":
            await self._desk.require_recent(session)
        try:
            area, review = self._desk.platform.operators, request.path_params["review"]
            await area.decide(session.actor, review, form.text("item", 64), decision)
        except Refused as e:
            return await self.show(request, session, e.public, status_of(e))
        return redirect("/operator")

    async def read(self, request: Request, session: Session) -> Response:
        """What a live grant shows first: the newest messages, or the configuration."""
        area, grant = self._desk.platform.operators, request.path_params["grant"]
        reader = await area.reader(session.actor.id, grant)
        if "message.read" in {p.value for p in reader.permissions}:
            page = await area.list_messages(reader, MessageQuery(limit=50))
            return self._desk.page(
                session, "operator_read.html", here="operator", grant=grant, messages=page.data, configuration=None
            )
        found = await area.configuration(reader)
        return self._desk.page(
            session, "operator_read.html", here="operator", grant=grant, messages=[], configuration=found
        )

    async def read_message(self, request: Request, session: Session) -> Response:
        """One message: why it is where it is, and with ?content=1 what it says."""
        area, grant = self._desk.platform.operators, request.path_params["grant"]
        message = request.path_params["message"]
        reader = await area.reader(session.actor.id, grant)
        content = await area.content(reader, message) if request.query_params.get("content") else None
        why = await area.explain(reader, message)
        return self._desk.page(
            session,
            "operator_message.html",
            here="operator",
            grant=grant,
            why=why,
            content=content,
            may_open="message.content" in {p.value for p in reader.permissions},
        )


_OF_CERTIFICATE = ("source", "names", "issuer", "expires", "renewal from", "next try", "why")


def _shown(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the page lists of a certificate, in its order; times without their zone, which the heading names."""
    found = [(name, str(facts[name])) for name in _OF_CERTIFICATE if facts.get(name)]
    dates = ("expires", "renewal from", "next try")
    return [(name, text[:16].replace("T", " ") + " UTC" if name in dates else text) for name, text in found]
