"""A person's own sessions, second factors, trusted devices, password and address."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from mailward.base.errors import Invalid, MailwardError, StepUpRequired
from mailward.base.secret import Secret
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.desk import Desk, Form, own_path
from mailward.edges.web.dashboard.pages.proofs import ANSWER_MAX, CODE_MAX
from mailward.edges.web.dashboard.ports import Session
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, redirect
from mailward.edges.web.problems import status_of
from mailward.policy.access import OWN, Permission

_KINDS = {"totp": "Authenticator app", "passkey": "Passkey or security key", "email": "Code by email"}


class Security:
    """Everybody's own, so no permission is asked for; what changes anything asks for a recent proof instead."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._secure = desk.surroundings.secure

    def routes(self) -> list[BaseRoute]:
        """The page, its acts, and proving oneself again."""
        shows, acts = self._desk.shows, self._desk.acts
        return [
            Route("/security", shows(self.show, OWN), methods=["GET"]),
            Route("/security/totp", shows(self.totp_page, OWN), methods=["GET"]),
            Route("/security/totp.svg", shows(self.totp_image, OWN), methods=["GET"]),
            Route("/security/totp", acts(self.totp, OWN), methods=["POST"]),
            Route("/security/passkey/ask", acts(self.passkey_ask, OWN), methods=["POST"]),
            Route("/security/passkey", acts(self.passkey, OWN), methods=["POST"]),
            Route("/security/mail/send", acts(self.mail_send, OWN), methods=["POST"]),
            Route("/security/mail", acts(self.mail, OWN), methods=["POST"]),
            Route("/security/factors/{id}/remove", acts(self.remove, OWN, recent=True), methods=["POST"]),
            Route("/security/codes", acts(self.codes, OWN, recent=True), methods=["POST"]),
            Route("/security/sessions/end-others", acts(self.end_others, OWN, recent=True), methods=["POST"]),
            Route("/security/sessions/{id}/end", acts(self.end, OWN, recent=True), methods=["POST"]),
            Route("/security/devices/{id}/distrust", acts(self.distrust, OWN), methods=["POST"]),
            Route("/security/password", acts(self.password, OWN), methods=["POST"]),
            Route("/security/address", acts(self.address, OWN, recent=True), methods=["POST"]),
            Route(
                "/security/everybody", acts(self.everybody, Permission.WORKSPACE_CHANGE, recent=True), methods=["POST"]
            ),
            Route("/security/again", shows(self.again_page, OWN), methods=["GET"]),
            Route("/security/again", acts(self.again, OWN), methods=["POST"]),
            Route("/security/again/ask", acts(self.again_ask, OWN), methods=["POST"]),
            Route("/security/again/mail", acts(self.again_mail, OWN), methods=["POST"]),
        ]

    async def show(self, request: Request, session: Session, **facts: Any) -> Response:
        """Everything on one page."""
        if session.missing == "step-up":
            return redirect("/security/again")
        own = await self._desk.platform.security.own(session)
        allowed = not session.missing and Permission.WORKSPACE_CHANGE in session.actor.permissions
        everybody = allowed and await self._desk.platform.security.required_of_all(session)
        links = [] if session.missing else await self._desk.platform.federated.links(session)
        shown: dict[str, Any] = {"error": "", "told": "", "mailing": False, "status": 200} | facts
        return self._desk.page(
            session, "security.html", here="security", own=own, kinds=_KINDS, missing=session.missing,
            everybody=everybody, site=self._desk.site, links=links, **shown,
        )  # fmt: skip

    # -- adding --------------------------------------------------------------------------------------

    async def totp_page(self, request: Request, session: Session, error: str = "", status: int = 200) -> Response:
        """The key and its image."""
        secret, _ = await self._desk.platform.security.begin_totp(session)
        spaced = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
        return self._desk.page(session, "totp.html", status=status, here="security", secret=spaced, error=error)

    async def totp_image(self, request: Request, session: Session) -> Response:
        """The QR code, for this session's eyes: from its own route, so that no page needs inline images."""
        _, image = await self._desk.platform.security.begin_totp(session)
        return Response(image, 200, SECURITY_HEADERS, "image/svg+xml")

    async def totp(self, request: Request, session: Session, form: Form) -> Response:
        """The app's first code."""
        try:
            token, codes = await self._desk.platform.security.add_totp(
                session, form.text("code", CODE_MAX), form.text("name", 60)
            )
        except Invalid as e:
            return await self.totp_page(request, session, e.public, status_of(e))
        return self._added(session, token, codes, "The authenticator app is added.")

    async def passkey_ask(self, request: Request, session: Session, form: Form) -> Response:
        """Options for the script."""
        try:
            return JSONResponse(await self._desk.platform.security.new_passkey(session), headers=SECURITY_HEADERS)
        except MailwardError as e:
            return _problem(e)

    async def passkey(self, request: Request, session: Session, form: Form) -> Response:
        """What the browser made."""
        try:
            token, codes = await self._desk.platform.security.add_passkey(
                session, form.exact("passkey", ANSWER_MAX), form.text("name", 60)
            )
        except StepUpRequired:
            raise
        except MailwardError as e:
            return await self.show(request, session, error=e.public, status=status_of(e))
        return self._added(session, token, codes, "The passkey is added.")

    async def mail_send(self, request: Request, session: Session, form: Form) -> Response:
        """A first code."""
        try:
            await self._desk.platform.security.mail_first_code(session, self._desk.came(request))
        except MailwardError as e:
            return await self.show(request, session, error=e.public, mailing=True, status=status_of(e))
        return await self.show(request, session, told="A letter with a code is on its way.", mailing=True)

    async def mail(self, request: Request, session: Session, form: Form) -> Response:
        """It arrived."""
        try:
            token, codes = await self._desk.platform.security.add_mail(session, form.text("code", CODE_MAX))
        except Invalid as e:
            return await self.show(request, session, error=e.public, mailing=True, status=status_of(e))
        return self._added(session, token, codes, "Codes by email are on.")

    def _added(self, session: Session, token: Secret[str], codes: list[str], told: str) -> Response:
        """The session goes on under another token; recovery codes are shown in the answer and nowhere else."""
        if not codes:
            return self._desk.welcome(token, "/security")
        fresh = Session(token, session.actor, session.email, session.workspace_name, session.places, session.id)
        response = self._desk.page(fresh, "codes.html", here="security", codes=codes, told=told)
        guard.set_cookie(response, guard.SESSION, token.reveal(), secure=self._secure)
        return response

    # -- changing ------------------------------------------------------------------------------------

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """One factor less."""
        await self._desk.platform.security.remove(session, request.path_params["id"])
        return redirect("/security")

    async def codes(self, request: Request, session: Session, form: Form) -> Response:
        """Ten new ones; the old ones are void."""
        codes = await self._desk.platform.security.recovery_codes(session)
        return self._desk.page(session, "codes.html", here="security", codes=codes, told="The old ones are void.")

    async def end(self, request: Request, session: Session, form: Form) -> Response:
        """One session."""
        await self._desk.platform.security.end(session, request.path_params["id"])
        return redirect("/security")

    async def end_others(self, request: Request, session: Session, form: Form) -> Response:
        """All but this one."""
        await self._desk.platform.security.end_others(session)
        return redirect("/security")

    async def distrust(self, request: Request, session: Session, form: Form) -> Response:
        """A factor is asked for there again."""
        await self._desk.platform.security.distrust(session, request.path_params["id"])
        return redirect("/security")

    async def password(self, request: Request, session: Session, form: Form) -> Response:
        """Another password."""
        try:
            if form.exact("new") != form.exact("again"):
                raise Invalid("passwords_differ", "The two passwords are not the same.", field="again")
            await self._desk.platform.security.change_password(session, form.exact("old"), form.exact("new"))
        except StepUpRequired:
            raise
        except MailwardError as e:
            return await self.show(request, session, error=e.public, status=status_of(e))
        return await self.show(request, session, told="The password is changed, and every other session has ended.")

    async def address(self, request: Request, session: Session, form: Form) -> Response:
        """Letters to both addresses."""
        try:
            await self._desk.platform.security.change_address(session, form.text("email", 320))
        except Invalid as e:
            return await self.show(request, session, error=e.public, status=status_of(e))
        return await self.show(request, session, told="Two letters are on their way. Both have to be confirmed.")

    async def everybody(self, request: Request, session: Session, form: Form) -> Response:
        """Whether the workspace asks everybody for a second factor."""
        await self._desk.platform.security.require_of_all(session, form.text("required", 1) == "1")
        return redirect("/security")

    # -- proving oneself again -----------------------------------------------------------------------

    async def again_page(self, request: Request, session: Session) -> Response:
        """What may be shown."""
        return await self._again(session, own_path(request.query_params.get("next", "/")))

    async def _again(
        self, session: Session, onward: str, error: str = "", told: str = "", status: int = 200
    ) -> Response:
        methods = await self._desk.platform.security.methods(session)
        return self._desk.page(
            session, "again.html", status=status, here="security", methods=methods, next=onward, error=error,
            told=told, site=self._desk.site,
        )  # fmt: skip

    async def again(self, request: Request, session: Session, form: Form) -> Response:
        """The same session under another token, and back to where the act was."""
        onward = own_path(form.text("next", 500))
        try:
            token = await self._desk.platform.security.step_up(
                session,
                self._desk.came(request),
                password=form.exact("password"),
                code=form.text("code", CODE_MAX),
                passkey=form.exact("passkey", ANSWER_MAX),
            )
        except MailwardError as e:
            return await self._again(session, onward, e.public, status=status_of(e))
        return self._desk.welcome(token, onward)

    async def again_ask(self, request: Request, session: Session, form: Form) -> Response:
        """Options for the script."""
        try:
            return JSONResponse(await self._desk.platform.security.passkey_again(session), headers=SECURITY_HEADERS)
        except MailwardError as e:
            return _problem(e)

    async def again_mail(self, request: Request, session: Session, form: Form) -> Response:
        """A code by email."""
        onward = own_path(form.text("next", 500))
        try:
            await self._desk.platform.security.mail_again(session, self._desk.came(request))
        except MailwardError as e:
            return await self._again(session, onward, e.public, status=status_of(e))
        return await self._again(session, onward, told="A letter with a code is on its way.")


def _problem(e: MailwardError) -> Response:
    return JSONResponse({"problem": e.public}, status_of(e), headers=SECURITY_HEADERS)
