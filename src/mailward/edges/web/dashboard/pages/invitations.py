"""An invitation as its receiver sees it: what it offers, and saying yes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, MailwardError, NotFound, Unauthenticated
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.desk import Desk, Form, client_ip
from mailward.edges.web.dashboard.pages.team import ROLES
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.problems import status_of


class Invitations:
    """Pages behind a mailed link. Opening it changes nothing: mail scanners open links too."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The link, and saying yes as somebody new or as who is signed in."""
        public = self._desk.public
        return [
            Route("/invitation/{token}", public(self.show), methods=["GET"]),
            Route("/invitation/{token}", public(self.accept), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """What it offers."""
        return await self._page(request)

    async def accept(self, request: Request) -> Response:
        """Say yes: with a password for somebody new, with a session for somebody known."""
        token = request.path_params["token"]
        session = await self._session(request)
        form = Form([])
        try:
            if session is not None:
                form = await self._desk.read_own(request, session)
                moved = await self._desk.platform.joining.accept_as(token, session, ip=client_ip(request))
                return self._desk.welcome(moved)
            form = await self._desk.own_form(request)
            if form.exact("password") != form.exact("again"):
                raise Invalid("passwords_differ", "The two passwords are not the same.", field="again")
            made = await self._desk.platform.joining.accept_as_new(
                token,
                name=form.text("name", 100),
                password=form.exact("password"),
                ip=client_ip(request),
                user_agent=request.headers.get("user-agent", "")[:300],
            )
        except MailwardError as e:
            field = e.field if isinstance(e, Invalid) else ""
            return await self._page(request, e.public, field, "".join(form.all("name")[-1:])[:100], status_of(e))
        return self._desk.welcome(made)

    async def _page(
        self, request: Request, error: str = "", field: str = "", name: str = "", code: int = 200
    ) -> Response:
        session = await self._session(request)
        try:
            invited = await self._desk.platform.joining.look(request.path_params["token"])
        except NotFound as e:
            return self._desk.stranger(request, "invitation_over.html", status_of(e), problem=e.public)
        shown = {
            "error": error, "field": field, "name": name, "invited": invited,
            "token": request.path_params["token"],
            "role": next((text for r, text in ROLES.items() if r.value == invited.role), invited.role),
            "me": session.email if session is not None else "",
            "mine": session is not None and session.email.casefold() == invited.email.casefold(),
        }  # fmt: skip
        if session is not None:
            # The form is bound to the session, as every form of somebody who is signed in.
            csrf = guard.form_token(session.token.reveal())
            return self._desk.renderer.page("invitation.html", status=code, csrf=csrf, **shown)
        return self._desk.stranger(request, "invitation.html", code, **shown)

    async def _session(self, request: Request) -> Session | None:
        try:
            return await self._desk.session(request)
        except Unauthenticated:
            return None
