"""Domains, keys and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
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
from mailward.edges.web.schema.audit import AuditExportQuery, AuditQuery
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.web.schema.domains import AddDomain
from mailward.edges.web.schema.keys import CreateCredential, CreateKey, KeyQuery, Rotate
from mailward.policy.access import SCOPE_PERMISSIONS, Permission


def page_query(request: Request) -> PageQuery:
    """The cursor of a request. Raises Invalid."""
    asked: dict[str, Any] = {"limit": 50}
    if cursor := request.query_params.get("cursor"):
        asked["cursor"] = cursor
    try:
        return msgspec.convert(asked, PageQuery)
    except msgspec.ValidationError:
        raise Invalid("invalid_cursor", "This page does not exist.") from None


class Domains:
    """Domains and the records that prove them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """List, one, and the acts on one."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/domains", shows(self.list, Permission.DOMAIN_READ), methods=["GET"]),
            Route("/domains", acts(self.add, Permission.DOMAIN_CHANGE), methods=["POST"]),
            Route("/domains/{id}", shows(self.one, Permission.DOMAIN_READ), methods=["GET"]),
            Route("/domains/{id}/check", acts(self.check, Permission.DOMAIN_CHANGE), methods=["POST"]),
            Route("/domains/{id}/rotate", acts(self.rotate, Permission.DOMAIN_CHANGE), methods=["POST"]),
            Route("/domains/{id}/remove", acts(self.remove, Permission.DOMAIN_CHANGE, recent=True), methods=["POST"]),
        ]

    async def list(
        self, request: Request, session: Session, error: str = "", name: str = "", code: int = 200
    ) -> Response:
        """All domains, and the form to add one."""
        page = await self._desk.platform.domains.list(session.actor, page_query(request))
        return self._desk.page(
            session,
            "domains.html",
            status=code,
            here="domains",
            domains=page.data,
            next=page.next_cursor or "",
            error=error,
            name=name,
        )

    async def add(self, request: Request, session: Session, form: Form) -> Response:
        """Add a domain and show its records."""
        name = form.text("name", 253)
        try:
            added = await self._desk.platform.domains.add(session.actor, AddDomain(name=name))
        except Refused as e:
            return await self.list(request, session, e.public, name, status_of(e))
        return redirect(f"/domains/{added.id}")

    async def one(self, request: Request, session: Session) -> Response:
        """A domain with each record, expected and found."""
        domain = await self._desk.platform.domains.get(session.actor, request.path_params["id"])
        return self._desk.page(session, "domain.html", here="domains", d=domain)

    async def check(self, request: Request, session: Session, form: Form) -> Response:
        """Look at live DNS now."""
        await self._desk.platform.domains.check(session.actor, request.path_params["id"])
        return redirect(f"/domains/{request.path_params['id']}")

    async def rotate(self, request: Request, session: Session, form: Form) -> Response:
        """Start a rotation of the signing keys."""
        await self._desk.platform.domains.rotate(session.actor, request.path_params["id"])
        return redirect(f"/domains/{request.path_params['id']}")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Remove a domain; its name has to be typed."""
        id = request.path_params["id"]
        domain = await self._desk.platform.domains.get(session.actor, id)
        if form.text("confirm", 253) != domain.name:
            raise Invalid("not_confirmed", "Type the domain's name to confirm that it should be removed.")
        await self._desk.platform.domains.remove(session.actor, id)
        return redirect("/domains")


class Keys:
    """API keys and SMTP credentials."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """One page for both kinds."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/keys", shows(self.list, Permission.KEY_READ), methods=["GET"]),
            Route("/keys", acts(self.create_key, Permission.KEY_CHANGE), methods=["POST"]),
            Route("/keys/{id}/revoke", acts(self.revoke_key, Permission.KEY_CHANGE), methods=["POST"]),
            Route("/keys/{id}/rotate", acts(self.rotate_key, Permission.KEY_CHANGE), methods=["POST"]),
            Route("/keys/{id}/release", acts(self.release_key, Permission.KEY_CHANGE, recent=True), methods=["POST"]),
            Route("/credentials", acts(self.create_credential, Permission.KEY_CHANGE), methods=["POST"]),
            Route("/credentials/{id}/revoke", acts(self.revoke_credential, Permission.KEY_CHANGE), methods=["POST"]),
            Route("/credentials/{id}/rotate", acts(self.rotate_credential, Permission.KEY_CHANGE), methods=["POST"]),
            Route("/credentials/{id}/release", acts(self.release_credential, Permission.KEY_CHANGE), methods=["POST"]),
        ]

    async def list(self, request: Request, session: Session, code: int = 200, **facts: object) -> Response:
        """Both lists; `new_key` and `new_credential` are shown this once."""
        query, revoked = page_query(request), request.query_params.get("revoked") == "shown"
        query = KeyQuery(limit=query.limit, cursor=query.cursor, revoked=revoked)
        keys = await self._desk.platform.keys.list_keys(session.actor, query)
        credentials = await self._desk.platform.keys.list_credentials(session.actor, query)
        shown: dict[str, object] = {"new_key": None, "new_credential": None, "error": "", **facts}
        return self._desk.page(
            session,
            "keys.html",
            status=code,
            here="keys",
            keys=keys.data,
            credentials=credentials.data,
            revoked=revoked,
            paused=await self._desk.platform.keys.paused(session.actor),
            around=self._desk.surroundings,
            # Nobody grants above themselves: what lies beyond would be refused, and is not offered.
            scopes=[s.value for s, held in SCOPE_PERMISSIONS.items() if held <= session.actor.permissions],
            **shown,
        )

    async def create_key(self, request: Request, session: Session, form: Form) -> Response:
        """A new key; the answer is the only page that ever holds its secret. One that changes things asks who it is."""
        if set(form.all("scopes")) - {"send", "read"}:
            await self._desk.require_recent(session)
        asked = {"name": form.text("name", 100), "scopes": form.all("scopes"), "networks": _networks(form)}
        try:
            new = await self._desk.platform.keys.create_key(session.actor, msgspec.convert(asked, CreateKey))
        except msgspec.ValidationError:
            return await self.list(request, session, 422, error="A key needs a name and at least one scope.")
        except Refused as e:
            return await self.list(request, session, status_of(e), error=e.public)
        return await self.list(request, session, new_key=new)

    async def create_credential(self, request: Request, session: Session, form: Form) -> Response:
        """A new SMTP credential, likewise."""
        asked = {"name": form.text("name", 100), "networks": _networks(form)}
        try:
            new = await self._desk.platform.keys.create_credential(
                session.actor, msgspec.convert(asked, CreateCredential)
            )
        except msgspec.ValidationError:
            return await self.list(request, session, 422, error="A credential needs a name.")
        except Refused as e:
            return await self.list(request, session, status_of(e), error=e.public)
        return await self.list(request, session, new_credential=new)

    async def revoke_key(self, request: Request, session: Session, form: Form) -> Response:
        """End a key at once."""
        await self._desk.platform.keys.revoke_key(session.actor, request.path_params["id"])
        return redirect("/keys")

    async def revoke_credential(self, request: Request, session: Session, form: Form) -> Response:
        """End a credential at once."""
        await self._desk.platform.keys.revoke_credential(session.actor, request.path_params["id"])
        return redirect("/keys")

    async def rotate_key(self, request: Request, session: Session, form: Form) -> Response:
        """A successor beside a key; its secret is on this page alone."""
        id = request.path_params["id"]
        return await self.list(
            request, session, new_key=await self._desk.platform.keys.rotate_key(session.actor, id, Rotate())
        )

    async def rotate_credential(self, request: Request, session: Session, form: Form) -> Response:
        """Likewise for an SMTP credential."""
        id = request.path_params["id"]
        new = await self._desk.platform.keys.rotate_credential(session.actor, id, Rotate())
        return await self.list(request, session, new_credential=new)

    async def release_key(self, request: Request, session: Session, form: Form) -> Response:
        """End a pause."""
        await self._desk.platform.keys.release_key(session.actor, request.path_params["id"])
        return redirect("/keys")

    async def release_credential(self, request: Request, session: Session, form: Form) -> Response:
        """End a pause."""
        await self._desk.platform.keys.release_credential(session.actor, request.path_params["id"])
        return redirect("/keys")


def _networks(form: Form) -> list[str]:
    return form.text("networks", 2000).replace(",", " ").split()


class AuditLog:
    """What was done, by whom."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The log and its export."""
        return [
            Route("/audit", self._desk.shows(self.list, Permission.AUDIT_READ), methods=["GET"]),
            Route("/audit.csv", self._desk.shows(self.table, Permission.AUDIT_READ), methods=["GET"]),
            Route("/audit/export", self._desk.acts(self.export, Permission.AUDIT_READ, recent=True), methods=["POST"]),
        ]

    async def list(self, request: Request, session: Session) -> Response:
        """Newest first, with the signed head of the log."""
        query = _search(request.query_params)
        page = await self._desk.platform.audit.entries(session.actor, query)
        head = await self._desk.platform.audit.checkpoint(session.actor)
        return self._desk.page(
            session,
            "audit.html",
            here="audit",
            entries=page.data,
            next=page.next_cursor or "",
            asked={k: request.query_params.get(k, "") for k in _SEARCHED},
            act=query.act or "",
            head=head,
        )

    async def table(self, request: Request, session: Session) -> Response:
        """What the search finds, for a spreadsheet."""
        text = await self._desk.platform.audit.csv(session.actor, _search(request.query_params))
        headers = {**SECURITY_HEADERS, "content-disposition": 'attachment; filename="mailward-audit.csv"'}
        return Response(text, headers=headers, media_type="text/csv; charset=utf-8")

    async def export(self, request: Request, session: Session, form: Form) -> Response:
        """The file that the offline verifier reads."""
        content = await self._desk.platform.audit.export(session.actor, AuditExportQuery())
        headers = {**SECURITY_HEADERS, "content-disposition": 'attachment; filename="mailward-audit.export"'}
        return Response(content, headers=headers, media_type="application/octet-stream")


_SEARCHED = ("act", "actor", "target", "since", "until")


def _search(given: Mapping[str, str]) -> AuditQuery:
    """The search a form asks for. A day stands for its midnight in UTC; the last day is included."""
    asked: dict[str, object] = {"limit": 50}
    for name in ("cursor", *_SEARCHED):
        if value := given.get(name, "").strip():
            asked[name] = value
    try:
        for name, days in (("since", 0), ("until", 1)):
            if name in asked:
                day = date.fromisoformat(str(asked[name])) + timedelta(days=days)
                asked[name] = f"{day.isoformat()}T00:00:00Z"
        return msgspec.convert(asked, AuditQuery, strict=False)
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise Invalid("invalid_parameter", "This filter does not have the right form.") from None
