"""The public side from inside: operators keep registers and answer reports; managers follow and sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import NotFound, Refused
from mailward.core.disclosure.model import TRANSITIONS
from mailward.core.registers.model import TYPES, Kind, overdue, title, words
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.pages.register_form import NAMES, form_fields
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, redirect
from mailward.edges.web.problems import status_of
from mailward.policy.access import OWN, Actor, Permission


class PublicArea(Protocol):
    """What these pages need. Methods that name a user raise NotFound unless that person is an operator."""

    @property
    def today(self) -> date:
        """In UTC."""
        ...

    async def entries(self, user: str) -> Sequence[Any]: ...

    async def put(self, user: str, kind: str, given: Mapping[str, str], id: str) -> None: ...

    async def remove(self, user: str, id: str) -> None: ...

    async def reports(self, user: str) -> Sequence[Any]: ...

    async def report(self, user: str, id: str) -> tuple[Any, Any]: ...

    async def message(self, user: str, id: str) -> bytes: ...

    async def answer(self, user: str, id: str, state: str, text: str) -> None: ...

    async def posts(self, user: str) -> Sequence[Any]: ...

    async def post(self, user: str, title: str, text: str) -> None: ...

    async def update(self, user: str, id: str, text: str, ended: bool) -> None: ...

    async def following(self, actor: Actor) -> tuple[bool, Sequence[Any], Sequence[Any]]: ...

    async def follow(self, actor: Actor, on: bool) -> None: ...

    async def agreement_hash(self) -> str: ...

    async def sign(self, actor: Actor, name: str, title: str, company: str) -> None: ...


class PublicSide:
    """Four pages and their acts."""

    def __init__(self, desk: Desk, area: PublicArea) -> None:
        self._desk, self._area = desk, area

    def routes(self) -> list[BaseRoute]:
        """Operators' pages are their own policy: the area answers NotFound to everybody else."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/operator/registers", shows(self.registers, OWN), methods=["GET"]),
            Route("/operator/registers/{kind}", shows(self.edit, OWN), methods=["GET"]),
            Route("/operator/registers/{kind}", acts(self.put, OWN), methods=["POST"]),
            Route("/operator/reports", shows(self.reports, OWN), methods=["GET"]),
            Route("/operator/reports/{report}", shows(self.report, OWN), methods=["GET"]),
            Route("/operator/reports/{report}/message", shows(self.message, OWN), methods=["GET"]),
            Route("/operator/reports/{report}", acts(self.answer, OWN), methods=["POST"]),
            Route("/operator/status", shows(self.posts, OWN), methods=["GET"]),
            Route("/operator/status", acts(self.post, OWN), methods=["POST"]),
            Route("/settings/registers", shows(self.own, Permission.WORKSPACE_READ), methods=["GET"]),
            Route("/settings/registers", acts(self.change_own, Permission.WORKSPACE_CHANGE), methods=["POST"]),
        ]

    async def registers(self, request: Request, session: Session) -> Response:
        """Every entry."""
        entries = await self._area.entries(session.actor.id)
        today = self._area.today
        shown = []
        for kind, (name, use) in NAMES.items():
            rows = [
                {
                    "id": e.id,
                    "title": title(e.fields),
                    "changed": e.changed,
                    "overdue": ", ".join(f"{o.what} since {o.since}" for o in overdue(e, today)),
                }
                for e in entries
                if e.kind is kind
            ]
            shown.append({"kind": kind.value, "name": name, "use": use, "rows": rows})
        return self._desk.page(session, "public_registers.html", here="public", registers=shown)

    async def edit(
        self,
        request: Request,
        session: Session,
        error: str = "",
        code: int = 200,
        *,
        id: str = "",
        given: Mapping[str, str] | None = None,
        wrong: str = "",
    ) -> Response:
        """The form of one entry, new or there; after a refusal with what was `given`, and the field that is `wrong`."""
        kind, id = request.path_params["kind"], id or request.query_params.get("id", "")
        if kind not in set(Kind):
            raise NotFound("not_found", "There is no such register.")
        entries = await self._area.entries(session.actor.id)
        found = next((e for e in entries if e.id == id), None)
        values = given if given is not None else words(found.fields) if found else {}
        return self._desk.page(
            session,
            "public_entry.html",
            status=code,
            here="public",
            kind=kind,
            name=NAMES[Kind(kind)][0],
            use=NAMES[Kind(kind)][1],
            id=found.id if found else "",
            called=title(found.fields) if found else "",
            fields=form_fields(Kind(kind), values, wrong),
            error=error,
        )

    async def put(self, request: Request, session: Session, form: Form) -> Response:
        """Save or strike."""
        kind, id = request.path_params["kind"], form.text("id", 64)
        names = [f.name for f in msgspec.structs.fields(TYPES[Kind(kind)])] if kind in set(Kind) else []
        given = {name: form.text(name, 20_000) for name in names}
        try:
            if form.text("strike"):
                await self._area.remove(session.actor.id, id)
            else:
                await self._area.put(session.actor.id, kind, given, id)
        except Refused as e:
            wrong = getattr(e, "field", "")
            return await self.edit(request, session, e.public, status_of(e), id=id, given=given, wrong=wrong)
        return redirect("/operator/registers")

    async def reports(self, request: Request, session: Session) -> Response:
        """Reports, newest first."""
        found = await self._area.reports(session.actor.id)
        rows = [
            {"id": r.id, "by": r.origin.value, "state": r.state.value, "at": r.at, "due": r.due, "late": r.alerted}
            for r in found
        ]
        return self._desk.page(session, "public_reports.html", here="reports", rows=rows)

    async def report(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """One, opened."""
        report, content = await self._area.report(session.actor.id, request.path_params["report"])
        states = [report.state.value, *sorted(s.value for s in TRANSITIONS[report.state])]
        return self._desk.page(
            session,
            "public_report.html",
            status=code,
            here="reports",
            r={"id": report.id, "state": report.state.value, "at": report.at, "due": report.due},
            c=msgspec.structs.asdict(content),
            states=states,
            error=error,
        )

    async def message(self, request: Request, session: Session) -> Response:
        """The mail it came as, for the operator's own tools: never shown as a page."""
        id = request.path_params["report"]
        raw = await self._area.message(session.actor.id, id)
        headers = {**SECURITY_HEADERS, "content-disposition": f'attachment; filename="{id}.eml"'}
        return Response(raw, headers=headers, media_type="message/rfc822")

    async def answer(self, request: Request, session: Session, form: Form) -> Response:
        """Answer it."""
        id = request.path_params["report"]
        try:
            await self._area.answer(session.actor.id, id, form.text("state", 40), form.text("answer", 20_000))
        except Refused as e:
            return await self.report(request, session, e.public, status_of(e))
        return redirect(f"/operator/reports/{id}")

    async def posts(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """What the status page says."""
        found = await self._area.posts(session.actor.id)
        rows = [{"id": p.id, "title": p.title, "at": p.at, "ended": p.ended} for p in found]
        return self._desk.page(session, "public_posts.html", status=code, here="status", rows=rows, error=error)

    async def post(self, request: Request, session: Session, form: Form) -> Response:
        """Say something new, or more of something."""
        try:
            if id := form.text("id", 64):
                await self._area.update(session.actor.id, id, form.text("text", 4000), bool(form.text("ended")))
            else:
                await self._area.post(session.actor.id, form.text("title"), form.text("text", 4000))
        except Refused as e:
            return await self.posts(request, session, e.public, status_of(e))
        return redirect("/operator/status")

    async def own(self, request: Request, session: Session, error: str = "", code: int = 200) -> Response:
        """What the workspace follows and signed."""
        follows, notices, signings = await self._area.following(session.actor)
        return self._desk.page(
            session,
            "registers.html",
            status=code,
            here="registers",
            follows=follows,
            notices=[{"at": n.at, "text": n.text, "how": how} for n, how in notices],
            signings=[
                {"at": s.at, "hash": s.hash.hex(), "name": who.name, "title": who.title, "company": who.company}
                for s, who in signings
            ],
            hash=await self._area.agreement_hash(),
            error=error,
        )

    async def change_own(self, request: Request, session: Session, form: Form) -> Response:
        """Follow, unfollow, or sign."""
        try:
            if form.text("do") == "sign":
                await self._area.sign(session.actor, form.text("name"), form.text("title"), form.text("company"))
            else:
                await self._area.follow(session.actor, form.text("do") == "follow")
        except Refused as e:
            return await self.own(request, session, e.public, status_of(e))
        return redirect("/settings/registers")
