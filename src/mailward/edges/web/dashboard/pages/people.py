"""Coming in and leaving: the setup link, signing in, signing out."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import ChallengeRequired, Invalid, MailwardError, NotFound, Unauthenticated
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.desk import Desk, Form, client_ip
from mailward.edges.web.dashboard.pages.held import allow, proof_of
from mailward.edges.web.dashboard.pages.overview import begin
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import THEMES, redirect
from mailward.edges.web.problems import status_of
from mailward.policy.access import OWN


class People:
    """Pages for who is not signed in yet."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._secure = desk.surroundings.secure

    def routes(self) -> list[BaseRoute]:
        """Setup, sign-in and sign-out."""
        return [
            Route("/setup/{token}", self._desk.public(self.setup_page), methods=["GET"]),
            Route("/setup/{token}", self._desk.public(self.setup), methods=["POST"]),
            Route("/sign-in", self._desk.public(self.sign_in_page), methods=["GET"]),
            Route("/sign-in", self._desk.public(self.sign_in), methods=["POST"]),
            Route("/sign-out", self._desk.acts(self.sign_out, OWN), methods=["POST"]),
            Route("/theme", self._desk.acts(self.theme, OWN), methods=["POST"]),
        ]

    async def setup_page(self, request: Request) -> Response:
        """The form behind the single-use link."""
        try:
            await self._desk.platform.sessions.setup_open(request.path_params["token"])
        except MailwardError as e:
            if await self._signed_in(request):
                return redirect("/")  # reloaded, or opened again, by who used it
            return self._desk.stranger(request, "setup_used.html", status_of(e))
        return self._desk.stranger(
            request, "setup.html", error="", field="", email="", workspace_name="", site=self._desk.site,
            token=request.path_params["token"],
        )  # fmt: skip

    async def setup(self, request: Request) -> Response:
        """Create the first person and workspace, and sign them in."""
        form = Form([])
        try:
            form = await self._desk.own_form(request)
            if form.exact("password") != form.exact("again"):
                raise Invalid("passwords_differ", "The two passwords are not the same.", field="again")
            token = await self._desk.platform.sessions.setup(
                request.path_params["token"],
                email=form.text("email", 320),
                password=form.exact("password"),
                workspace_name=form.text("workspace_name", 100),
                ip=client_ip(request),
                user_agent=request.headers.get("user-agent", "")[:300],
            )
        except (NotFound, Unauthenticated) as e:
            if await self._signed_in(request):
                return redirect("/")
            return self._desk.stranger(request, "setup_used.html", status_of(e))
        except MailwardError as e:
            field = e.field if isinstance(e, Invalid) else ""
            return self._desk.stranger(
                request,
                "setup.html",
                status_of(e),
                error=e.public,
                field=field,
                site=self._desk.site,
                token=request.path_params["token"],
                **_typed(form, "email", "workspace_name"),
            )
        return await begin(self._desk, request, token)

    async def sign_in_page(self, request: Request) -> Response:
        """The form; whoever is signed in already goes on."""
        if await self._signed_in(request):
            return redirect("/")
        return self._desk.stranger(request, "sign_in.html", error="", email="", puzzle=None, site=self._desk.site)

    async def _signed_in(self, request: Request) -> bool:
        try:
            await self._desk.session(request)
        except Unauthenticated:
            return False
        return True

    async def sign_in(self, request: Request) -> Response:
        """Check the password and start a session."""
        form = Form([])
        device = guard.read_cookie(request, guard.DEVICE, secure=self._secure) or guard.fresh(self._desk.entropy)
        try:
            form = await self._desk.own_form(request)
            signing = await self._desk.platform.sessions.sign_in(
                form.text("email", 320),
                form.exact("password"),
                ip=client_ip(request),
                user_agent=request.headers.get("user-agent", "")[:300],
                device=device,
                proof=proof_of(form),
            )
        except MailwardError as e:
            puzzle = self._desk.platform.entrance.puzzle() if isinstance(e, ChallengeRequired) else None
            response = self._desk.stranger(
                request,
                "sign_in.html",
                status_of(e),
                error=e.public,
                puzzle=puzzle,
                site=self._desk.site,
                **_typed(form, "email"),
            )
            allow(response, puzzle)
        else:
            response = self._desk.proceed(signing)
        # Given before it is known whether the password was right, so that a held sign-in is confirmed for this browser.
        guard.remember_device(response, device, secure=self._secure)
        return response

    async def sign_out(self, request: Request, session: Session, form: Form) -> Response:
        """End the session, here and in the store."""
        await self._desk.platform.sessions.sign_out(session)
        response = redirect("/sign-in")
        # Nothing is cached or stored anyhow (no-store); should a browser have kept something, it goes now.
        response.headers["clear-site-data"] = '"cache", "storage"'
        guard.drop_cookie(response, guard.SESSION, secure=self._secure)
        return response

    async def theme(self, request: Request, session: Session, form: Form) -> Response:
        """Light, dark, or as the system says; then back to where the reader was."""
        chosen = form.text("theme", 8)
        if chosen not in THEMES:
            raise Invalid("invalid_field", "There is no such choice of colours.", field="theme")
        here = urlsplit(request.headers.get("referer", ""))
        own = here.netloc.lower() == request.headers.get("host", "").lower()
        back = here.path if own and here.path.startswith("/") and here.path[1:2] not in ("/", "\\") else "/"
        response = redirect(f"{back}?{here.query}" if own and here.query and back == here.path else back)
        guard.remember_theme(response, chosen, secure=self._secure)
        return response


def _typed(form: Form, *names: str) -> dict[str, str]:
    return {name: "".join(form.all(name)[-1:])[:320] for name in names}
