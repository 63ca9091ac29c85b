"""Second factors, passkeys and links in letters, for who is not signed in yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import ChallengeRequired, Invalid, MailwardError, NotFound
from mailward.base.secret import Secret
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.desk import Desk, Form
from mailward.edges.web.dashboard.pages.held import allow, proof_of
from mailward.edges.web.dashboard.pages.overview import begin
from mailward.edges.web.dashboard.ports import Signing
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, redirect
from mailward.edges.web.problems import status_of

ANSWER_MAX = 16_384
CODE_MAX = 40


class Proofs:
    """Each step is bound to a ticket in a cookie, or to the token of a link."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._secure = desk.surroundings.secure

    def routes(self) -> list[BaseRoute]:
        """Factor, passkey, reset, change of address."""
        public = self._desk.public
        return [
            Route("/sign-in/factor", public(self.factor_page), methods=["GET"]),
            Route("/sign-in/factor", public(self.factor), methods=["POST"]),
            Route("/sign-in/factor/ask", public(self.factor_ask), methods=["POST"]),
            Route("/sign-in/factor/mail", public(self.factor_mail), methods=["POST"]),
            Route("/sign-in/passkey/ask", public(self.passkey_ask), methods=["POST"]),
            Route("/sign-in/passkey", public(self.passkey), methods=["POST"]),
            Route("/setup/{token}/passkey/ask", public(self.setup_ask), methods=["POST"]),
            Route("/setup/{token}/passkey", public(self.setup), methods=["POST"]),
            Route("/forgot", public(self.forgot_page), methods=["GET"]),
            Route("/forgot", public(self.forgot), methods=["POST"]),
            Route("/reset/{token}", public(self.reset_page), methods=["GET"]),
            Route("/reset/{token}", public(self.reset), methods=["POST"]),
            Route("/reset/{token}/ask", public(self.reset_ask), methods=["POST"]),
            Route("/address/{token}", public(self.address_page), methods=["GET"]),
            Route("/address/{token}", public(self.address), methods=["POST"]),
        ]

    # -- the second factor ---------------------------------------------------------------------

    async def factor_page(self, request: Request) -> Response:
        """What may be shown; back to the beginning when the step is over."""
        return await self._factor(request)

    async def _factor(self, request: Request, error: str = "", told: str = "", status: int = 200) -> Response:
        try:
            methods = await self._desk.platform.proofs.methods(self._ticket(request))
        except NotFound:
            response = redirect("/sign-in")
            guard.drop_cookie(response, guard.STEP, secure=self._secure)
            return response
        return self._desk.stranger(
            request, "factor.html", status, error=error, told=told, methods=methods, site=self._desk.site
        )

    async def factor(self, request: Request) -> Response:
        """A code, or a passkey."""
        try:
            form = await self._desk.own_form(request)
            token = await self._desk.platform.proofs.show(
                self._ticket(request),
                self._desk.came(request),
                code=form.text("code", CODE_MAX),
                passkey=form.exact("passkey", ANSWER_MAX),
                trust=form.text("trust", 1) == "1",
            )
        except MailwardError as e:
            return await self._factor(request, e.public, status=status_of(e))
        return self._in(token)

    async def factor_ask(self, request: Request) -> Response:
        """Options for the script."""
        return await self._options(request, lambda form: self._desk.platform.proofs.passkey_for(self._ticket(request)))

    async def factor_mail(self, request: Request) -> Response:
        """A code by email."""
        try:
            await self._desk.own_form(request)
            await self._desk.platform.proofs.mail_code(self._ticket(request), self._desk.came(request))
        except MailwardError as e:
            return await self._factor(request, e.public, status=status_of(e))
        return await self._factor(request, told="A letter with a code is on its way.")

    # -- by passkey alone --------------------------------------------------------------------------

    async def passkey_ask(self, request: Request) -> Response:
        """Options for the script."""
        return await self._options(
            request, lambda form: self._desk.platform.proofs.ask_passkey(self._desk.browser(request))
        )

    async def passkey(self, request: Request) -> Response:
        """Sign in."""
        try:
            form = await self._desk.own_form(request)
            token = await self._desk.platform.proofs.by_passkey(
                form.exact("passkey", ANSWER_MAX), self._desk.browser(request), self._desk.came(request)
            )
        except MailwardError as e:
            return self._desk.stranger(
                request, "sign_in.html", status_of(e), error=e.public, email="", puzzle=None, site=self._desk.site
            )
        return self._in(token)

    async def setup_ask(self, request: Request) -> Response:
        """Options to make the first owner's passkey with."""

        async def ask(form: Form) -> dict[str, Any]:
            token = request.path_params["token"]
            await self._desk.platform.sessions.setup_open(token)
            return await self._desk.platform.proofs.setup_passkey(
                token, email=form.text("email", 320), context=self._desk.browser(request)
            )

        return await self._options(request, ask)

    async def setup(self, request: Request) -> Response:
        """The first owner, without a password."""
        form = Form([])
        try:
            form = await self._desk.own_form(request)
            token = await self._desk.platform.proofs.setup(
                request.path_params["token"],
                form.exact("passkey", ANSWER_MAX),
                email=form.text("email", 320),
                workspace_name=form.text("workspace_name", 100),
                context=self._desk.browser(request),
                came=self._desk.came(request),
            )
        except MailwardError as e:
            return self._desk.stranger(
                request, "setup.html", status_of(e), error=e.public, field="", site=self._desk.site,
                token=request.path_params["token"], email="".join(form.all("email")[-1:])[:320],
                workspace_name="".join(form.all("workspace_name")[-1:])[:100],
            )  # fmt: skip
        return await begin(self._desk, request, token, by_passkey=True)

    # -- another password --------------------------------------------------------------------------

    async def forgot_page(self, request: Request) -> Response:
        """Ask for the letter."""
        return self._desk.stranger(request, "forgot.html", error="", sent=False, puzzle=None)

    async def forgot(self, request: Request) -> Response:
        """The same answer for every address."""
        try:
            form = await self._desk.own_form(request)
            await self._desk.platform.proofs.forgot(
                form.text("email", 320), self._desk.came(request), proof=proof_of(form)
            )
        except MailwardError as e:
            puzzle = self._desk.platform.entrance.puzzle() if isinstance(e, ChallengeRequired) else None
            response = self._desk.stranger(
                request, "forgot.html", status_of(e), error=e.public, sent=False, puzzle=puzzle
            )
            allow(response, puzzle)
            return response
        return self._desk.stranger(request, "forgot.html", error="", sent=True, puzzle=None)

    async def reset_page(self, request: Request) -> Response:
        """The form behind the link."""
        return await self._reset(request)

    async def _reset(self, request: Request, error: str = "", status: int = 200) -> Response:
        token = request.path_params["token"]
        asks: bool | None = None
        try:
            asks = await self._desk.platform.proofs.reset_asks(token)
        except NotFound as e:
            error, status = e.public, status_of(e)
        return self._desk.stranger(
            request, "reset.html", status, error=error, asks=asks, token=token, site=self._desk.site
        )

    async def reset(self, request: Request) -> Response:
        """Set it, then sign in with it."""
        try:
            form = await self._desk.own_form(request)
            if form.exact("password") != form.exact("again"):
                raise Invalid("passwords_differ", "The two passwords are not the same.", field="again")
            await self._desk.platform.proofs.reset(
                request.path_params["token"],
                form.exact("password"),
                self._desk.came(request),
                code=form.text("code", CODE_MAX),
                passkey=form.exact("passkey", ANSWER_MAX),
            )
        except MailwardError as e:
            return await self._reset(request, e.public, status_of(e))
        return redirect("/sign-in")

    async def reset_ask(self, request: Request) -> Response:
        """Options for the script."""
        return await self._options(
            request, lambda form: self._desk.platform.proofs.reset_passkey(request.path_params["token"])
        )

    # -- another address ---------------------------------------------------------------------------

    async def address_page(self, request: Request) -> Response:
        """A page first: programs that open links in letters must confirm nothing."""
        try:
            used, wanted = await self._desk.platform.proofs.address(request.path_params["token"])
        except MailwardError as e:
            return self._desk.stranger(
                request, "address.html", status_of(e), error=e.public, told="", used="", wanted=""
            )
        return self._desk.stranger(request, "address.html", error="", told="", used=used, wanted=wanted)

    async def address(self, request: Request) -> Response:
        """One side agrees."""
        error, told, status = "", "", 200
        try:
            await self._desk.own_form(request)
            done = await self._desk.platform.proofs.confirm_address(request.path_params["token"])
            told = "The address is changed. Sign in with it." if done else "Thank you. Open the other letter, too."
        except MailwardError as e:
            error, status = e.public, status_of(e)
        return self._desk.stranger(request, "address.html", status, error=error, told=told, used="", wanted="")

    # -- shared --------------------------------------------------------------------------------------

    def _ticket(self, request: Request) -> str:
        return guard.read_cookie(request, guard.STEP, secure=self._secure)

    def _in(self, token: Secret[str]) -> Response:
        response = self._desk.proceed(Signing(token))
        guard.drop_cookie(response, guard.STEP, secure=self._secure)
        return response

    async def _options(self, request: Request, ask: Callable[[Form], Awaitable[dict[str, Any]]]) -> Response:
        """What a script asks for, from a page of ours; a refusal as a sentence for it to show."""
        try:
            return JSONResponse(await ask(await self._desk.own_form(request)), headers=SECURITY_HEADERS)
        except MailwardError as e:
            return JSONResponse({"problem": e.public}, status_of(e), headers=SECURITY_HEADERS)
