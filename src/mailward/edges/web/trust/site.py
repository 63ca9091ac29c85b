"""The routes, for the web application to mount at the root."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

import minijinja
import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mailward.base.errors import MailwardError, NotFound
from mailward.core.disclosure.intake import ACKNOWLEDGE_DAYS
from mailward.core.disclosure.model import Content
from mailward.core.evidence.model import State
from mailward.core.registers.model import Entry, Kind, Subprocessor, certificates
from mailward.edges.web import refusal
from mailward.edges.web.auth import Origin
from mailward.edges.web.dashboard.desk import Form, read_form
from mailward.edges.web.dashboard.static_files import static_url
from mailward.edges.web.limits import Limiter, limit_reached
from mailward.edges.web.problems import TITLES, status_of
from mailward.edges.web.trust.cookies import COOKIES
from mailward.edges.web.trust.ports import PublicFacts
from mailward.edges.web.trust.security_txt import security_txt
from mailward.edges.web.trust.shown import day_rows, state_words, status_document, when
from mailward.policy.access import PUBLIC
from mailward.policy.gcra import Rate

log = structlog.get_logger()

# The icon is an empty data: address, so that browsers do not ask for one.
CSP = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
HEADERS = {
    "content-security-policy": CSP,
    "cache-control": "public, max-age=60",
    "vary": "Accept-Encoding",
    "referrer-policy": "same-origin",
}
_PRIVATE = {**HEADERS, "cache-control": "no-store"}
READS = Rate("public-pages", 300, 60)
REPORTS = Rate("reports", 5, 3600)
_EMPTY = dict.fromkeys(("title", "what", "contact", "thanks_as"), "")
Handler = Callable[[Request], Awaitable[Response]]


class Gate:
    """Lets a request through over TLS or loopback, a few times a minute from one address."""

    policy = PUBLIC

    def __init__(self, app: ASGIApp, origin: Origin, limiter: Limiter, name: str) -> None:
        self._app, self._origin, self._limiter, self._name = app, origin, limiter, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        peer = scope.get("client") or ("", 0)
        ip, private = self._origin.of(peer[0], scope["scheme"], scope["headers"])
        scope["mailward.operation"] = self._name
        if not private:
            await refused(scope, "Use HTTPS.", 403)(scope, receive, send)
            return
        decision = await self._limiter.take(ip, REPORTS if scope["method"] == "POST" else READS)
        if not decision.allowed:
            answer = refused(scope, limit_reached(decision).public, 429)
            answer.headers["retry-after"] = str(int(decision.retry_after) + 1)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def environment(*, css: str) -> minijinja.Environment:
    """What makes the public pages: everything they show is escaped. `css` is where their sheet lies."""
    folder = resources.files("mailward.edges.web.trust") / "templates"
    return minijinja.Environment(
        templates={f.name: f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".html")},
        auto_escape_callback=lambda name: "html",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined_behavior="strict",
        filters={"when": when, "state": state_words},
        globals={"css": css},
    )


class PublicPages:
    """Each page is a method; `base` is the public URL."""

    def __init__(self, facts: PublicFacts, base: str) -> None:
        self._facts, self._base = facts, base
        self._script = static_url("challenge.js")
        self._css = (resources.files("mailward.edges.web.trust") / "public.css").read_bytes()
        self._env = environment(css="/public/style.css?v=" + hashlib.sha256(self._css).hexdigest()[:16])

    def routes(self) -> list[tuple[str, Handler, str]]:
        """(path, handler, method)."""
        return [
            ("/trust", self.trust, "GET"),
            ("/trust.json", self.trust_json, "GET"),
            ("/trust/key.json", self.key_json, "GET"),
            ("/trust/key.pem", self.key_pem, "GET"),
            ("/status", self.status, "GET"),
            ("/status.json", self.status_json, "GET"),
            ("/legal", self.legal, "GET"),
            ("/legal/agreement", self.agreement, "GET"),
            ("/legal/agreement.txt", self.agreement_text, "GET"),
            ("/disclosure", self.disclosure, "GET"),
            ("/disclosure/key.asc", self.openpgp_key, "GET"),
            ("/report", self.report, "GET"),
            ("/report", self.send_report, "POST"),
            ("/report/{token}", self.followed, "GET"),
            ("/.well-known/security.txt", self.security, "GET"),
            ("/public/style.css", self.style, "GET"),
        ]

    async def _page(self, request: Request, template: str, *, title: str, here: str, **facts: Any) -> Response:
        profile = await self._facts.profile()
        text = self._env.render_template(template, title=title, here=here, profile=profile, **facts)
        return cached(request, text.encode(), "text/html; charset=utf-8")

    async def trust(self, request: Request) -> Response:
        """The promises, their states, and what proves them."""
        published = await self._facts.trust()
        document = published.document
        counts = {s.value: 0 for s in State}
        for control in document["controls"]:
            counts[control["state"]] += 1
        return await self._page(request, "trust.html", title="Security", here="trust", d=document, counts=counts)

    async def trust_json(self, request: Request) -> Response:
        """The same, signed."""
        return cached(request, (await self._facts.trust()).file, "application/json")

    async def key_json(self, request: Request) -> Response:
        """The public key as a JWK set."""
        return cached(request, msgspec.json.encode(self._facts.jwks), "application/jwk-set+json")

    async def key_pem(self, request: Request) -> Response:
        """The public key as PEM."""
        return cached(request, self._facts.key_pem.encode(), "application/x-pem-file")

    async def status(self, request: Request) -> Response:
        """Whether the doors answer, and how often they did."""
        a = await self._facts.availability()
        return await self._page(
            request, "status.html", title="Status", here="status", a=a, rows=day_rows(a), d=status_document(a)
        )

    async def status_json(self, request: Request) -> Response:
        """The same for programs."""
        return cached(
            request, msgspec.json.encode(status_document(await self._facts.availability())), "application/json"
        )

    async def legal(self, request: Request) -> Response:
        """Registers."""
        by_kind: dict[str, list[Any]] = {kind.value: [] for kind in Kind}
        for entry in await self._facts.entries():
            by_kind[entry.kind.value].append(_shown(entry))
        today = self._facts.now.date()
        coming = [s for s in by_kind["subprocessor"] if s["starts"] > today]
        present = [s for s in by_kind["subprocessor"] if s["starts"] <= today]
        return await self._page(
            request,
            "legal.html",
            title="Registers",
            here="legal",
            r=by_kind,
            coming=coming,
            present=present,
            cookies=[c._asdict() for c in COOKIES],
        )

    async def agreement(self, request: Request) -> Response:
        """The data-processing agreement."""
        text = await self._facts.agreement()
        return await self._page(
            request,
            "agreement.html",
            title="Data-processing agreement",
            here="legal",
            parts=text.parts,
            hash=text.hash.hex(),
        )

    async def agreement_text(self, request: Request) -> Response:
        """Its text: what the hash is of."""
        return cached(request, (await self._facts.agreement()).text.encode(), "text/plain; charset=utf-8")

    async def disclosure(self, request: Request) -> Response:
        """The policy, the reward table, and who is thanked."""
        entries = await self._facts.entries()
        return await self._page(
            request,
            "disclosure.html",
            title="Reporting a weakness",
            here="disclosure",
            rewards=[_shown(e) for e in entries if e.kind is Kind.REWARD],
            thanks=[_shown(e) for e in entries if e.kind is Kind.THANKS],
            days=ACKNOWLEDGE_DAYS,
        )

    async def openpgp_key(self, request: Request) -> Response:
        """The operator's key for encrypted reports."""
        key = (await self._facts.profile()).openpgp_key
        if not key:
            raise NotFound("not_found", "No key is published.")
        return cached(request, key.encode(), "application/pgp-keys")

    async def report(self, request: Request) -> Response:
        """The form."""
        return await self._form(request, _EMPTY, "")

    async def _form(self, request: Request, was: dict[str, str], error: str) -> Response:
        """The form with what was written already: the one page with a script, which solves the proof of work."""
        answer = await self._page(
            request,
            "report.html",
            title="Report a weakness",
            here="disclosure",
            error=error,
            was=was,
            days=ACKNOWLEDGE_DAYS,
            script=self._script,
        )
        answer.headers["content-security-policy"] = f"{CSP}; script-src 'self'; connect-src 'self'"
        return answer

    async def send_report(self, request: Request) -> Response:
        """Take it in, show the link once."""
        if request.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
            return refused(request.scope, "This form is of another site.", 403)
        was = _EMPTY
        try:
            form: Form = await read_form(request)
            was = {name: form.exact(name, 20_000) for name in _EMPTY}
            # No person sees this field: whoever fills it is a program.
            if form.exact("website"):
                raise NotFound("not_found", "This form was not filled in by a person.")
            report, token = await self._facts.report(
                Content(title=was["title"], what=was["what"], contact=was["contact"], thanks_as=was["thanks_as"]),
                form.exact("altcha", 4000),
            )
        except MailwardError as e:
            return _uncached(await self._form(request, was, e.public), status_of(e))
        link = f"{self._base}/report/{token.reveal()}"
        answer = await self._page(
            request, "reported.html", title="Thank you", here="disclosure", link=link, report=report
        )
        return _uncached(answer, 201)

    async def followed(self, request: Request) -> Response:
        """Where a report stands, for who holds its link."""
        report, content = await self._facts.followed(request.path_params["token"])
        answer = await self._page(
            request, "followed.html", title="Your report", here="disclosure", report=report, content=content
        )
        return _uncached(answer, 200)

    async def security(self, request: Request) -> Response:
        """RFC 9116."""
        text = security_txt(await self._facts.profile(), self._base, self._facts.now)
        return cached(request, text.encode(), "text/plain; charset=utf-8")

    async def style(self, request: Request) -> Response:
        """The one sheet."""
        headers = {**HEADERS, "cache-control": "public, max-age=31536000, immutable"}
        return Response(self._css, 200, headers, "text/css")


def _shown(entry: Entry) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.structs.asdict(entry.fields)
    if isinstance(entry.fields, Subprocessor):
        shown["certificates"] = [
            {"name": name, "until": until.isoformat() if until else ""} for name, until in certificates(entry.fields)
        ]
    return shown


def cached(request: Request, body: bytes, media: str) -> Response:
    """An answer a cache may keep for a minute; 304 when the reader has it."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**HEADERS, "etag": etag}
    if etag in (t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")):
        return Response(b"", 304, headers)
    return Response(body, 200, {**headers, "content-type": media})


def refused(scope: Scope, text: str, status: int) -> Response:
    """A refusal: a page for a browser, a line of text for all others; kept by no cache."""
    if not refusal.wants_page(scope["method"], scope["path"], scope["headers"]):
        return Response(text + "\n", status, _PRIVATE, "text/plain")
    body = refusal.page(TITLES.get(status, "Refused"), text, scope.get("mailward.request_id", ""))
    return Response(body, status, _PRIVATE, "text/html")


def _uncached(answer: Response, status: int) -> Response:
    answer.status_code = status
    answer.headers["cache-control"] = "no-store"
    del answer.headers["etag"]
    return answer


def routes(facts: PublicFacts, base: str, origin: Origin, limiter: Limiter) -> list[BaseRoute]:
    """Every page behind its gate; a refusal is one plain sentence."""
    pages = PublicPages(facts, base.rstrip("/"))

    def guarded(handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            try:
                return await handler(request)
            except MailwardError as e:
                return refused(request.scope, e.public, status_of(e))
            except Exception:
                log.exception("public_page_failed", request=request.scope.get("mailward.request_id"))
                return refused(request.scope, "Something went wrong on our side.", 500)

        return endpoint

    found: list[BaseRoute] = []
    for path, handler, method in pages.routes():
        route = Route(path, guarded(handler), methods=[method])
        route.app = Gate(route.app, origin, limiter, "public")
        found.append(route)
    return found
