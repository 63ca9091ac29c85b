"""Challenges on forms, and the pages behind the links that letters about sign-ins carry."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import MailwardError
from mailward.edges.web.dashboard.desk import Desk, Endpoint, Form, client_ip
from mailward.edges.web.dashboard.ports import Puzzle
from mailward.edges.web.dashboard.render import CSP, SECURITY_HEADERS
from mailward.edges.web.problems import status_of

_FIELDS = ("g-recaptcha-response", "h-captcha-response", "cf-turnstile-response")


def proof_of(form: Form) -> str:
    """What a form proves, as the guard reads it; "" when nothing was solved."""
    parts = []
    if payload := form.text("altcha", 4000):
        parts.append(f"altcha:{payload}")
    if answer := "".join(form.text("question_answer", 40).split()):
        parts.append(f"question:{form.text('question_token', 200)}:{answer}")
    parts += [f"outside:{token}" for name in _FIELDS if (token := form.text(name, 4000))]
    return " ".join(parts)


def allow(response: Response, puzzle: Puzzle | None) -> None:
    """Let a page with an outside service's challenge load it: that page only, those sources only."""
    if puzzle is not None and puzzle.sources:
        sources = " ".join(puzzle.sources)
        policy = CSP
        for directive in ("script-src", "frame-src", "connect-src", "style-src", "img-src"):
            policy = policy.replace(f"{directive} 'self'", f"{directive} 'self' {sources}")
        response.headers["content-security-policy"] = policy


class Held:
    """Pages for strangers: what the link proves is in the link."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """The challenge, and both links."""
        public = self._desk.public
        found: list[BaseRoute] = [Route("/challenge", public(self.challenge), methods=["GET"])]
        for path, kind in (("confirm", "confirm"), ("not-me", "disown")):
            page, act = self._link(kind)
            found.append(Route(f"/sign-in/{path}/{{token}}", public(page), methods=["GET"]))
            found.append(Route(f"/sign-in/{path}/{{token}}", public(act), methods=["POST"]))
        return found

    async def challenge(self, request: Request) -> Response:
        """A fresh proof of work for the script of a form."""
        return JSONResponse(self._desk.platform.entrance.offer(), headers=SECURITY_HEADERS)

    def _link(self, kind: str) -> tuple[Endpoint, Endpoint]:
        async def page(request: Request) -> Response:
            """Ask first: mail scanners open links, and only a person presses a button."""
            try:
                await self._desk.platform.entrance.look_at(request.path_params["token"], kind)
            except MailwardError as e:
                return self._show(request, kind, "gone", e.public, status_of(e))
            return self._show(request, kind, "ask", "")

        async def act(request: Request) -> Response:
            entrance = self._desk.platform.entrance
            token = request.path_params["token"]
            try:
                await self._desk.own_form(request)
                await (entrance.confirm(token) if kind == "confirm" else entrance.disown(token, client_ip(request)))
            except MailwardError as e:
                return self._show(request, kind, "gone", e.public, status_of(e))
            return self._show(request, kind, "done", "")

        return page, act

    def _show(self, request: Request, kind: str, state: str, error: str, status: int = 200) -> Response:
        return self._desk.stranger(request, "held.html", status, kind=kind, state=state, error=error)
