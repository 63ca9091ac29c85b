"""Going out to another provider and coming back."""

from __future__ import annotations

import contextlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import MailwardError, Unauthenticated
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.desk import Desk, Form, client_ip
from mailward.edges.web.dashboard.ports import Session, Signing
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.problems import status_of
from mailward.policy.access import OWN

COOKIE = "mailward_federation"
INVITATION = "mailward_invitation"


class Federation:
    """Signing in with a provider, joining with one, and linking one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._secure = desk.surroundings.secure

    def routes(self) -> list[BaseRoute]:
        """Out and back, and the links of a person."""
        public, acts = self._desk.public, self._desk.acts
        return [
            Route("/sign-in/with/{provider}", public(self.out), methods=["GET"]),
            Route("/invitation/{token}/with/{provider}", public(self.join), methods=["GET"]),
            Route("/sign-in/with/{provider}/callback", public(self.back), methods=["GET"]),
            Route("/links/{provider}", acts(self.link, OWN, recent=True), methods=["POST"]),
            Route("/links/{id}/remove", acts(self.unlink, OWN, recent=True), methods=["POST"]),
        ]

    async def out(self, request: Request) -> Response:
        """Off to the provider. A GET, because a form that leads to another site is what our own policy forbids.

        A page of somebody else's that leads here begins nothing: it ends at our own page, with the button.
        """
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return redirect("/sign-in")
        try:
            url, cookie = await self._desk.platform.federated.begin(request.path_params["provider"])
        except MailwardError as e:
            return self._refused(request, e)
        return self._away(url, cookie)

    async def join(self, request: Request) -> Response:
        """Off to the provider, to join with what it says in place of a password. Nothing is accepted before it said it.

        The token waits in a cookie of this browser; what comes back counts for that invitation alone.
        """
        token = request.path_params["token"]
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return redirect(f"/invitation/{token}")
        try:
            await self._desk.platform.joining.look(token)
            url, cookie = await self._desk.platform.federated.begin(request.path_params["provider"], invitation=token)
        except MailwardError as e:
            return self._refused(request, e)
        response = self._away(url, cookie)
        guard.set_cookie(response, INVITATION, token, secure=self._secure)
        return response

    def _away(self, url: str, cookie: str) -> Response:
        response = Response(b"", 303, {"location": url, "cache-control": "no-store", "referrer-policy": "no-referrer"})
        guard.set_cookie(response, COOKIE, cookie, secure=self._secure)
        return response

    async def link(self, request: Request, session: Session, form: Form) -> Response:
        """Off to the provider to link it: a page that leads on, because the answer to a form may not."""
        url, cookie = await self._desk.platform.federated.begin(request.path_params["provider"], session)
        response = self._desk.page(session, "link_onward.html", here="security", url=url)
        guard.set_cookie(response, COOKIE, cookie, secure=self._secure)
        return response

    async def unlink(self, request: Request, session: Session, form: Form) -> Response:
        """Remove a link."""
        await self._desk.platform.federated.unlink(session, request.path_params["id"])
        return redirect("/security")

    async def back(self, request: Request) -> Response:
        """Here is what the provider says; it counts for the browser that asked, once."""
        query = request.query_params
        session: Session | None = None
        with contextlib.suppress(Unauthenticated):
            session = await self._desk.session(request)
        try:
            outcome = await self._desk.platform.federated.finish(
                request.path_params["provider"],
                guard.read_cookie(request, COOKIE, secure=self._secure),
                state=query.get("state", "")[:200],
                code=query.get("code", ""),
                issuer=query.get("iss", "")[:500],
                session=session,
                invitation=guard.read_cookie(request, INVITATION, secure=self._secure),
                ip=client_ip(request),
                user_agent=request.headers.get("user-agent", "")[:300],
            )
        except MailwardError as e:
            refused = self._refused(request, e) if session is None else self._desk.problem(session, e)
            return self._back(refused)
        signing = Signing(outcome.token, outcome.ticket)
        response = redirect("/security") if outcome.linked else self._desk.proceed(signing)
        return self._back(response)

    def _back(self, response: Response) -> Response:
        for name in (COOKIE, INVITATION):
            guard.drop_cookie(response, name, secure=self._secure)
        return response

    def _refused(self, request: Request, error: MailwardError) -> Response:
        return self._desk.stranger(request, "federation_refused.html", status_of(error), problem=error.public)
