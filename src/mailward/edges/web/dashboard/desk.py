"""The frame every page is served in: who is signed in, what the form said, how a refusal is shown."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mailward.base.errors import (
    Forbidden,
    Invalid,
    MailwardError,
    NotFound,
    StepUpRequired,
    TooLarge,
    Unauthenticated,
)
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity.passkeys import site_of
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.menu import menu
from mailward.edges.web.dashboard.ports import Came, DashboardPlatform, Session, Signing, Surroundings
from mailward.edges.web.dashboard.render import SECURITY_HEADERS, Renderer, redirect
from mailward.edges.web.dashboard.static_files import StaticFiles
from mailward.edges.web.problems import status_of
from mailward.policy.access import OWN, PUBLIC, Own, Permission, Policy, require

Endpoint = Callable[[Request], Awaitable[Response]]
Page = Callable[[Request, Session], Awaitable[Response]]
Act = Callable[[Request, Session, "Form"], Awaitable[Response]]
FORM_MAX = 1_000_000
FORM_SECONDS = 30
_FIELDS_MAX = 64
_INTERNAL = MailwardError("internal_error", "Something went wrong on our side. It has been recorded; please try again.")

log = structlog.get_logger()


class Form:
    """The fields of a POST, decoded. The last of equal names wins; `all()` gives every one."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._last = dict(pairs)

    def text(self, name: str, limit: int = 1000) -> str:
        """A field without blanks around it. Raises Invalid beyond `limit` characters."""
        value = self._last.get(name, "").strip()
        if len(value) > limit:
            raise Invalid("invalid_field", f"This is longer than {limit} characters.", field=name)
        return value

    def exact(self, name: str, limit: int = 1000) -> str:
        """A field as typed (passwords). Raises Invalid beyond `limit` characters."""
        value = self._last.get(name, "")
        if len(value) > limit:
            raise Invalid("invalid_field", f"This is longer than {limit} characters.", field=name)
        return value

    def all(self, name: str) -> list[str]:
        """Every value of a name, such as ticked boxes."""
        return [v for k, v in self._pairs if k == name]


async def read_form(request: Request) -> Form:
    """The form of a request. Raises Invalid for another kind of body, TooLarge beyond 1 MB."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Invalid("unsupported_form", "This is not a form of ours.")
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > FORM_MAX:
                    raise TooLarge("form_too_large", "A form may hold 1 MB.")
    except (TimeoutError, ClientDisconnect):
        raise Invalid("invalid_form", "This form did not arrive whole.") from None
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise Invalid("invalid_form", "This form could not be read.") from None
    if b"%00" in body or b"\0" in body:
        raise Invalid("invalid_form", "This form holds a NUL character, which no field takes.")
    return Form(pairs)


def client_ip(request: Request) -> str:
    """Address of the other side; `Private` has put in place what a listed proxy says."""
    return request.client.host if request.client else ""


def own_path(text: str) -> str:
    """A path of ours, or "/": what a query or a header says leads nowhere else."""
    good = text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable() and len(text) < 500
    return text if good else "/"


def own_referer(request: Request) -> str:
    """The page of ours that a form was on, or "/"."""
    from_ = urlsplit(request.headers.get("referer", ""))
    if from_.netloc.lower() != request.headers.get("host", "").lower():
        return "/"
    return own_path(from_.path + (f"?{from_.query}" if from_.query else ""))


def _mends(request: Request) -> bool:
    """Pages on which a second factor is added or shown, and the way out."""
    path = request.url.path
    return path == "/security" or path.startswith("/security/") or path in ("/sign-out", "/theme")


class Desk:
    """What pages share. Wraps a page so that it runs for a signed-in person only, with errors made readable."""

    def __init__(
        self, platform: DashboardPlatform, surroundings: Surroundings, entropy: Entropy, static: StaticFiles
    ) -> None:
        self.platform = platform
        self.surroundings = surroundings
        self.entropy = entropy
        self.policies: dict[Endpoint, Policy] = {}
        """The policy of every endpoint made here; a route with another endpoint does not start."""
        self.site = site_of(surroundings.public_url).id
        """The name that passkeys are for."""
        self.renderer = Renderer(
            css=static.url("app.css"),
            script=static.url("app.js"),
            passkeys=static.url("passkeys.js"),
            challenge_script=static.url("challenge.js"),
            htmx=static.url("vendor/htmx-4.0.1.min.js"),
            plot_lib=static.url("vendor/uplot-1.6.32.min.js"),
            plot_css=static.url("vendor/uplot-1.6.32.min.css"),
            plots=static.url("plots.js"),
            icon=static.url("favicon.svg"),
            capture=surroundings.capture,
            providers=platform.federated.providers,
        )

    def page(self, session: Session, template: str, *, status: int = 200, **facts: Any) -> Response:
        """A page for a signed-in person."""
        return self.renderer.page(
            template,
            status=status,
            me=session.email,
            workspace=session.workspace_name,
            here_id=session.actor.workspace,
            places=session.places,
            csrf=guard.form_token(session.token.reveal()),
            can={p.value for p in session.actor.permissions},
            menu=menu(session.actor.permissions, operator=session.operator),
            **facts,
        )

    async def session(self, request: Request) -> Session:
        """Whoever is signed in. Raises Unauthenticated."""
        token = guard.read_cookie(request, guard.SESSION, secure=self.surroundings.secure)
        if not token:
            raise Unauthenticated("unauthenticated", "Sign in first.")
        return await self.platform.sessions.resolve(token, ip=client_ip(request))

    async def read_own(self, request: Request, session: Session) -> Form:
        """The form of somebody signed in, which has to come from a page that was made for their session."""
        form = await read_form(request)
        guard.require_own_form(request, form.exact("csrf"), session.token.reveal())
        return form

    async def own_form(self, request: Request) -> Form:
        """The form of a stranger, which has to come from a page that was made for this browser."""
        form = await read_form(request)
        secret = guard.read_cookie(request, guard.BEFORE, secure=self.surroundings.secure)
        guard.require_own_form(request, form.exact("csrf"), secret)
        return form

    def stranger(self, request: Request, template: str, status: int = 200, **facts: object) -> Response:
        """A page for who is not signed in; its forms are bound to a cookie of this browser."""
        secret = guard.read_cookie(request, guard.BEFORE, secure=self.surroundings.secure)
        known = bool(secret)
        secret = secret or guard.fresh(self.entropy)
        response = self.renderer.page(template, status=status, csrf=guard.form_token(secret), **facts)
        if not known:
            guard.set_cookie(response, guard.BEFORE, secret, secure=self.surroundings.secure)
        return response

    def welcome(self, token: Secret[str], path: str = "/") -> Response:
        """On to `path` with a session."""
        return self.begun(redirect(path), token)

    def begun(self, response: Response, token: Secret[str]) -> Response:
        """The answer, with the cookie of a session that began."""
        guard.set_cookie(response, guard.SESSION, token.reveal(), secure=self.surroundings.secure)
        # What a form was bound to before signing in is worth nothing afterwards.
        guard.drop_cookie(response, guard.BEFORE, secure=self.surroundings.secure)
        return response

    def proceed(self, signing: Signing, path: str = "/") -> Response:
        """On with a session, or to the page that asks for a second factor."""
        if signing.token is not None:
            return self.welcome(signing.token, path)
        assert signing.ticket is not None
        response = redirect("/sign-in/factor")
        guard.set_cookie(response, guard.STEP, signing.ticket.reveal(), secure=self.surroundings.secure)
        return response

    def came(self, request: Request) -> Came:
        """Who asks, from where, on what."""
        device = guard.read_cookie(request, guard.DEVICE, secure=self.surroundings.secure)
        return Came(client_ip(request), request.headers.get("user-agent", "")[:300], device)

    def browser(self, request: Request) -> bytes:
        """What binds a step to a stranger's browser. Raises Forbidden for one that has shown no page of ours."""
        secret = guard.read_cookie(request, guard.BEFORE, secure=self.surroundings.secure)
        if not secret:
            raise Forbidden("form_expired", "This form is no longer valid. Reload the page and try again.")
        return hashlib.sha256(secret.encode()).digest()

    async def require_recent(self, session: Session) -> None:
        """Raise StepUpRequired unless the person proved themselves lately: for acts of which the form decides."""
        await self.platform.security.require_recent(session)

    def public(self, endpoint: Endpoint) -> Endpoint:
        """A page or act for strangers; it checks for itself what it needs."""
        self.policies[endpoint] = PUBLIC
        return endpoint

    def shows(self, page: Page, policy: Permission | Own) -> Endpoint:
        """A GET page for whoever holds the permission; OWN for what is everybody's own."""

        async def endpoint(request: Request) -> Response:
            try:
                session = await self.session(request)
            except Unauthenticated:
                return self._to_sign_in(request)
            if session.missing and not _mends(request):
                return self.to_factor(request, session)
            try:
                if policy is not OWN:
                    require(session.actor, policy)
                return await page(request, session)
            except StepUpRequired:
                return self.to_step_up(request)
            except MailwardError as e:
                return self.problem(session, e)
            except Exception:
                log.exception("dashboard_failed", request=request.scope.get("mailward.request_id"))
                return self.problem(session, _INTERNAL)

        self.policies[endpoint] = policy
        return endpoint

    def acts(self, act: Act, policy: Permission | Own, *, recent: bool = False) -> Endpoint:
        """A POST for whoever holds the permission; the form must prove that it came from our page.

        `recent` for dangerous acts: who did not prove themselves within ten minutes is asked
        to, and comes back to the page the form was on.
        """

        async def endpoint(request: Request) -> Response:
            try:
                session = await self.session(request)
            except Unauthenticated:
                return self._to_sign_in(request)
            if session.missing and not _mends(request):
                return self.to_factor(request, session)
            try:
                if policy is not OWN:
                    require(session.actor, policy)
                form = await self.read_own(request, session)
                if recent:
                    await self.require_recent(session)
                return await act(request, session, form)
            except StepUpRequired:
                return self.to_step_up(request)
            except MailwardError as e:
                return self.problem(session, e)
            except Exception:
                log.exception("dashboard_failed", request=request.scope.get("mailward.request_id"))
                return self.problem(session, _INTERNAL)

        self.policies[endpoint] = policy
        return endpoint

    def to_factor(self, request: Request, session: Session) -> Response:
        """Nothing else before a second factor is added, or shown."""
        path = "/security" if session.missing == "enrol" else "/security/again"
        if request.headers.get("hx-request"):
            return Response(b"", 200, {**SECURITY_HEADERS, "hx-redirect": path})
        return redirect(path)

    def to_step_up(self, request: Request) -> Response:
        """Ask for a proof; afterwards back to where the form was."""
        path = "/security/again?next=" + quote(own_referer(request), safe="")
        if request.headers.get("hx-request"):
            return Response(b"", 200, {**SECURITY_HEADERS, "hx-redirect": path})
        return redirect(path)

    def _to_sign_in(self, request: Request) -> Response:
        if request.headers.get("hx-request"):
            # A fragment must not be filled with the sign-in page: tell htmx to leave.
            return Response(b"", 200, {**SECURITY_HEADERS, "hx-redirect": "/sign-in"})
        response = redirect("/sign-in")
        guard.drop_cookie(response, guard.SESSION, secure=self.surroundings.secure)
        return response

    def problem(self, session: Session, error: MailwardError) -> Response:
        """A refusal as a page: what it means and a way back."""
        title = "Not found" if isinstance(error, NotFound) else "That did not work"
        return self.page(session, "problem.html", status=status_of(error), title=title, problem=error.public, here="")
