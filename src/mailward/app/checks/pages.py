"""INPUT-1 and AUTHN-2 of what a browser gets: what is put into pages is escaped, cookies and forms are bound to it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from importlib import resources
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote, urlencode

import minijinja
from starlette.requests import Request
from starlette.responses import Response

from mailward.app.checks import probe
from mailward.app.checks.probe import Heard, NotThere
from mailward.app.checks.registry import check
from mailward.app.checks.somebody import Nobody, somebody
from mailward.app.context import Context
from mailward.base.secret import Secret
from mailward.core.evidence.model import Finding, failed, passed
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.desk import Desk
from mailward.edges.web.dashboard.ports import Signing, Surroundings
from mailward.edges.web.dashboard.render import redirect
from mailward.edges.web.dashboard.static_files import StaticFiles
from mailward.edges.web.reference import site as reference
from mailward.edges.web.trust import site as trust
from mailward.policy.access import Role

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;"
# What switches escaping off, in a template of ours.
_SWITCH = re.compile(r"\|\s*safe\b|\{%[-+]?\s*autoescape\b")
# The dashboard has filters of its own for texts of others.
_SHOWN = ("{{ x }}", "{{ x|plain }}", "{{ x|words }}")
_UNPROVED = b"This form is no longer valid"
_CSRF = re.compile(rb'name="csrf" value="([^"]+)"')
_EVIL = "https://evil.invalid"
# Longer than the form takes, so that it is refused before a password would be looked at.
_LONG = HOSTILE + "a" * 400


def environments(context: Context) -> Iterator[tuple[str, minijinja.Environment, tuple[str, ...]]]:
    """Each environment that makes pages: the package of its templates, and how they show what they are given."""
    yield "mailward.edges.web.dashboard", _desk(context, secure=True).renderer.environment, _SHOWN
    yield "mailward.edges.web.trust", trust.environment(css=""), _SHOWN[:1]
    yield "mailward.edges.web.reference", reference.environment(css=""), _SHOWN[:1]


def _desk(context: Context, *, secure: bool) -> Desk:
    """What makes pages and cookies, for people who come over TLS or not; behind it there is no platform."""
    platform = SimpleNamespace(federated=SimpleNamespace(providers=[]))
    return Desk(cast("Any", platform), Surroundings(secure=secure), context.entropy, StaticFiles())


@check("INPUT-1")
async def what_is_shown_is_escaped(context: Context) -> Finding:
    """Put hostile text into every template's environment and onto a page, and have running pages give it back."""
    count = 0
    try:
        for package, environment, shown in environments(context):
            for item in sorted((resources.files(package) / "templates").iterdir(), key=lambda i: i.name):
                if not item.name.endswith(".html"):
                    continue
                if _SWITCH.search(item.read_text("utf-8")):
                    return failed(f"the template {item.name} switches escaping off")
                for source in shown:
                    if not _escaped(environment.render_str(source, item.name, x=HOSTILE)):
                        return failed(f"what is put into {item.name} is not escaped")
                count += 1
        stranger = Request({"type": "http", "method": "GET", "path": "/sign-in", "headers": []})
        page = _desk(context, secure=True).stranger(
            stranger, "sign_in.html", error=HOSTILE, email=HOSTILE, puzzle=None, site="mail.invalid"
        )
    except minijinja.TemplateError as e:
        return failed(f"a page cannot be made: {str(e).partition(chr(10))[0][:100]}")
    if HOSTILE in (text := bytes(page.body).decode()) or text.count("&lt;script&gt;") != 2:
        return failed("the sign-in page does not escape what it is given")
    try:
        where = await _given_back(context)
    except (NotThere, _Live) as e:
        return failed(str(e))
    return passed(f"hostile text comes out of each of {count} templates escaped, and back from {where}")


def _escaped(text: str) -> bool:
    """The text is there, and nothing of it could end an attribute or begin an element."""
    return not set("<>\"'") & set(text) and HOSTILE.lower() == html.unescape(text).lower()


class _Live(Exception):
    """A running page gives hostile text back as it came."""


async def _given_back(context: Context) -> str:
    """Running pages that show what they were asked: each has it, escaped. How that reads in the evidence."""
    source = probe.fresh_source(context)
    browser = await Browser.fresh(context, source)
    sign_in = await browser.post(context, "/sign-in", {"email": _LONG, "password": "none"})
    _must_escape("the sign-in page", sign_in, 422)
    try:
        async with somebody(context, Role.MANAGER, source) as who:
            path = f"/messages?subject={quote(HOSTILE)}"
            found = await probe.ask(context, "GET", path, source=source, headers=who.cookie(context))
            _must_escape("the list of messages", found, 200)
    except Nobody as e:
        return f"the running sign-in page; no page of a person's was asked: {e}"
    return "the running sign-in page and list of messages"


def _must_escape(what: str, heard: Heard, status: int) -> None:
    text = heard.body if isinstance(heard.body, bytes) else b""
    if heard.status != status:
        raise _Live(f"{what} answered {heard.status}")
    if HOSTILE.encode() in text or b"<script>alert" in text or b"&lt;script&gt;alert" not in text:
        raise _Live(f"{what} does not escape what it was asked")


class Browser:
    """A stranger's: the cookies a running platform gave it, and the proof in its form."""

    def __init__(self, source: str, given: list[str], cookies: dict[str, str], csrf: str) -> None:
        self.source = source
        self.given = given
        """The Set-Cookie fields as they came."""
        self.cookies = cookies
        self.csrf = csrf

    @classmethod
    async def fresh(cls, context: Context, source: str) -> Browser:
        """Look at the sign-in page. NotThere when there is none."""
        heard = await probe.ask(context, "GET", "/sign-in", source=source)
        proof = _CSRF.search(heard.body) if isinstance(heard.body, bytes) else None
        if heard.status != 200 or proof is None:
            raise NotThere(f"the sign-in page answered {heard.status}")
        given = heard.set_cookies
        cookies = {m.key: m.value for field in given for m in SimpleCookie(field).values()}
        return cls(source, list(given), cookies, proof[1].decode())

    async def post(
        self,
        context: Context,
        path: str,
        form: dict[str, str],
        *,
        csrf: str | None = None,
        cookies: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Heard:
        """A form with this browser's proof and cookies, or with others; and with further fields of the request."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items()) if cookies is None else cookies
        body = urlencode({"csrf": self.csrf if csrf is None else csrf, **form}).encode()
        return await probe.ask(context, "POST", path, body=body, source=self.source, headers=sent)


@check("AUTHN-2")
async def cookies_and_forms_are_the_browsers_own(context: Context) -> Finding:
    """Every cookie that is given out, by what makes them and by the running platform; forms from elsewhere, posted."""
    for secure in (True, False):
        for field in _cookies_of(_desk(context, secure=secure)):
            if wrong := lax_in(field, secure=secure):
                return failed(f"a cookie {wrong}")
    secure = context.settings.http.public_url.startswith("https:")
    try:
        browser = await Browser.fresh(context, probe.fresh_source(context))
        if not browser.given:
            return failed("the sign-in page gives no cookie that its form is bound to")
        proper = await browser.post(context, "/sign-in", {"email": _LONG, "password": "none"})
        if wrong := next(filter(None, (lax_in(c, secure=secure) for c in (*browser.given, *proper.set_cookies))), ""):
            return failed(f"a cookie of the running platform {wrong}")
        if proper.status != 422:
            return failed(f"a form of our own page answered {proper.status}")
        refused, fault = await _from_elsewhere(context, browser)
        if fault:
            return failed(fault)
        signed_in = await _of_a_session(context)
    except NotThere as e:
        return failed(str(e))
    if isinstance(signed_in, Finding):
        return signed_in
    return passed(
        "every cookie is HttpOnly, SameSite, and over TLS Secure under __Host-; "
        f"{refused} forms from elsewhere were refused at the sign-in page{signed_in}"
    )


def _cookies_of(desk: Desk) -> list[str]:
    """Each cookie there is, as the functions that give them out write it."""
    token = Secret("a-token-of-nobody")
    answers = [desk.welcome(token), desk.proceed(Signing(None, token)), redirect("/"), redirect("/"), redirect("/")]
    secure = desk.surroundings.secure
    guard.remember_device(answers[2], "device", secure=secure)
    guard.remember_theme(answers[3], "dark", secure=secure)
    guard.drop_cookie(answers[4], guard.SESSION, secure=secure)
    return [field for answer in answers for field in _fields(answer)]


def _fields(answer: Response) -> list[str]:
    return [value.decode("latin-1") for name, value in answer.raw_headers if name == b"set-cookie"]


def lax_in(field: str, *, secure: bool) -> str:
    """What is amiss with a Set-Cookie field (RFC 6265 section 4.1), or "".

    `secure`: people come over TLS, so it has to be Secure, and __Host- keeps it to this very host.
    """
    name, _, rest = field.partition("=")
    told = dict(part.strip().lower().partition("=")[::2] for part in rest.split(";")[1:])
    if "httponly" not in told:
        return "can be read by scripts"
    if told.get("samesite") not in ("lax", "strict"):
        return "is sent along with requests of other sites"
    if secure and "secure" not in told:
        return "is sent in the clear"
    if secure and not (name.startswith("__Host-") and told.get("path") == "/"):
        return "can be set by another host"
    return "is sent to other hosts" if "domain" in told else ""


def _elsewhere(csrf: str) -> dict[str, dict[str, Any]]:
    """How a form of another site, or of nobody's page, differs from one of ours."""
    return {
        "without its proof": {"csrf": ""},
        "with a proof of another's": {"csrf": csrf[::-1]},
        "of another origin": {"headers": {"Origin": _EVIL}},
        "of an origin that hides": {"headers": {"Origin": "null"}},
        "that the browser calls another site's": {"headers": {"Sec-Fetch-Site": "cross-site"}},
        "of a neighbouring host": {"headers": {"Sec-Fetch-Site": "same-site"}},
    }


async def _from_elsewhere(context: Context, browser: Browser) -> tuple[int, str]:
    """How many forms were refused, and which one was not."""
    cases = {**_elsewhere(browser.csrf), "without the cookie": {"cookies": ""}}
    for what, how in cases.items():
        heard = await browser.post(context, "/sign-in", {"email": _LONG, "password": "none"}, **how)
        if not _refused(heard):
            return 0, f"a form {what} answered {heard.status} at the sign-in page"
    return len(cases), ""


def _refused(heard: Heard) -> bool:
    return heard.status == 403 and isinstance(heard.body, bytes) and _UNPROVED in heard.body


async def _of_a_session(context: Context) -> str | Finding:
    """The same with a person's session, at an act that is everybody's own and changes nothing but a cookie."""
    source = probe.fresh_source(context)
    try:
        async with somebody(context, Role.MEMBER, source) as who:
            page = await probe.ask(context, "GET", "/", source=source, headers=who.cookie(context))
            proof = _CSRF.search(page.body) if isinstance(page.body, bytes) else None
            if page.status != 200 or proof is None:
                return failed(f"the overview answered {page.status} to a person")
            browser = Browser(source, [], {}, proof[1].decode())
            cookie = who.cookie(context)["Cookie"]
            proper = await browser.post(context, "/theme", {"theme": "dark"}, cookies=cookie)
            if proper.status != 303:
                return failed(f"a form of our own page answered {proper.status} to a person")
            for what, how in _elsewhere(browser.csrf).items():
                heard = await browser.post(context, "/theme", {"theme": "dark"}, cookies=cookie, **how)
                if not _refused(heard):
                    return failed(f"a form {what} answered {heard.status} to a person")
    except Nobody as e:
        return f"; none was tried with a session: {e}"
    return ", and with a session"
