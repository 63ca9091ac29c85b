"""The checks of pages, cookies and forms, over a platform in memory: they hold, and notice what is broken."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import httpx
import minijinja
import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from mailward.app.checks import pages, probe
from mailward.app.checks.probe import Heard
from mailward.app.checks.somebody import Nobody, Somebody
from mailward.app.context import Context
from mailward.base.ids import UserId
from mailward.core.evidence.model import Result
from mailward.edges.web.dashboard import guard
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from tests.edges.web.dashboard.fake import FakePlatform

_SECURE = {"http": "http://127.0.0.1:8080", "https": "https://mail.example.net"}


class House:
    """The dashboard over a platform in memory, as the checks ask it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, scheme: str, entropy: Any) -> None:
        settings = SimpleNamespace(http=SimpleNamespace(public_url=_SECURE[scheme]))
        self.context = cast(Context, SimpleNamespace(settings=settings, entropy=entropy))
        self.token = "session-0-ann@example.com"
        self.secure = scheme == "https"
        monkeypatch.setattr(probe, "ask", self.ask)
        monkeypatch.setattr(pages, "somebody", self.somebody)

    async def ask(
        self, context: Context, method: str, path: str, *, body: Any = None, source: str = "", headers: Any = None
    ) -> Heard:
        transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            found = await client.request(method, path, content=body, headers=headers)
        return Heard(found.status_code, found.headers, found.content, tuple(found.headers.get_list("set-cookie")))

    @asynccontextmanager
    async def somebody(self, context: Context, role: Any, source: str) -> AsyncIterator[Somebody]:
        yield Somebody(UserId("usr_1"), self.token)

    def _begin(self) -> None:
        """As the program would be after a start."""
        platform = FakePlatform()
        platform.live.add(self.token)
        surroundings = Surroundings(secure=self.secure)
        self.app = Starlette(routes=routes(cast(Any, platform), surroundings, self.context.entropy))

    async def escaped(self) -> tuple[Result, str]:
        self._begin()
        found = await pages.what_is_shown_is_escaped(self.context)
        return found.result, found.evidence

    async def bound(self) -> tuple[Result, str]:
        self._begin()
        found = await pages.cookies_and_forms_are_the_browsers_own(self.context)
        return found.result, found.evidence


@pytest.fixture(params=["http", "https"])
def house(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, entropy: Any) -> House:
    return House(monkeypatch, request.param, entropy)


def _mode(monkeypatch: pytest.MonkeyPatch, mode: Any) -> None:
    """Every environment that is made from now on escapes in this way."""
    real = minijinja.Environment

    def made(**how: Any) -> minijinja.Environment:
        return real(**{**how, "auto_escape_callback": lambda name: mode})

    monkeypatch.setattr(minijinja, "Environment", made)


@pytest.mark.claim("INPUT-1")
async def test_pages_that_do_not_escape_are_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escaping off, as JSON, in a way that cannot be made, off for one template, and one that switches it off."""
    result, evidence = await house.escaped()
    assert (result, "sign-in page and list of messages" in evidence) == (Result.PASSED, True), evidence
    for mode in (False, "none", "json", "custom"):
        with monkeypatch.context() as patched:
            _mode(patched, mode)
            assert (await house.escaped())[0] is Result.FAILED, mode
    real = minijinja.Environment
    for name in ("message_rows.html", "trust.html", "subject.html"):
        with monkeypatch.context() as patched:
            patched.setattr(
                minijinja,
                "Environment",
                lambda name=name, **how: real(
                    **{**how, "auto_escape_callback": lambda n: "html" if n != name else False}
                ),
            )
            result, evidence = await house.escaped()
            assert (result, name in evidence) == (Result.FAILED, True), evidence
    with monkeypatch.context() as patched:
        patched.setattr(pages, "_SWITCH", re.compile(r"\|\s*plain\b"))
        assert "switches escaping off" in (await house.escaped())[1]


@pytest.mark.claim("INPUT-1")
async def test_a_running_page_that_does_not_escape_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is asked, not only what is made here: text that comes back as it was sent, or not at all."""
    real = house.ask
    for old, new in ((b"&lt;script&gt;", b"<script>"), (b"&lt;script&gt;", b"")):

        async def given_back(
            context: Context, method: str, path: str, old: bytes = old, new: bytes = new, **how: Any
        ) -> Heard:
            heard = await real(context, method, path, **how)
            asked = method == "POST" or path.startswith("/messages")
            return replace(heard, body=heard.body.replace(old, new)) if asked else heard

        monkeypatch.setattr(probe, "ask", given_back)
        assert "does not escape" in (await house.escaped())[1]


def _given(**wrong: Any) -> Any:
    """`Response.set_cookie` with some of its arguments exchanged."""
    real = Response.set_cookie

    def set_cookie(self: Response, *given: Any, **how: Any) -> None:
        real(self, *given, **{**how, **wrong})

    return set_cookie


@pytest.mark.claim("AUTHN-2")
@pytest.mark.parametrize(
    "wrong", [{"httponly": False}, {"samesite": "none"}, {"samesite": None}, {"secure": False}, {"path": "/x"}]
)
async def test_a_lax_cookie_is_found(house: House, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]) -> None:
    """One that scripts read, that other sites send along, that goes in the clear, or that is not bound to the host."""
    result, evidence = await house.bound()
    assert (result, "and with a session" in evidence) == (Result.PASSED, True), evidence
    monkeypatch.setattr(Response, "set_cookie", _given(**wrong))
    assert (await house.bound())[0] is Result.FAILED


@pytest.mark.claim("AUTHN-2")
async def test_each_cookie_is_looked_at(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's, the ticket's, the form's, the device's and the theme's: one that is lax is enough."""
    real = Response.set_cookie
    for lax in (guard.SESSION, guard.STEP, guard.BEFORE, guard.DEVICE, guard.THEME):

        def set_cookie(self: Response, name: str, *given: Any, lax: str = lax, **how: Any) -> None:
            real(self, name, *given, **{**how, "httponly": name.removeprefix("__Host-") != lax})

        with monkeypatch.context() as patched:
            patched.setattr(Response, "set_cookie", set_cookie)
            assert (await house.bound())[0] is Result.FAILED, lax


@pytest.mark.claim("AUTHN-2")
async def test_forms_from_elsewhere_that_are_taken_are_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that looks at nothing, at the proof alone, at the origin alone, or only where nobody is signed in."""
    real = guard.require_own_form

    def nothing(request: Any, given: str, secret: str) -> None:
        return None

    def proof_alone(request: Any, given: str, secret: str) -> None:
        real(SimpleNamespace(headers={}), given, secret)  # type: ignore[arg-type]

    def origin_alone(request: Any, given: str, secret: str) -> None:
        real(request, guard.form_token(secret or "any"), secret or "any")

    def strangers_alone(request: Any, given: str, secret: str) -> None:
        if request.url.path == "/sign-in":
            real(request, given, secret)

    for lax in (nothing, proof_alone, origin_alone, strangers_alone):
        with monkeypatch.context() as patched:
            patched.setattr(guard, "require_own_form", lax)
            assert (await house.bound())[0] is Result.FAILED, lax


async def test_where_nobody_is_tried_it_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before there is an owner the public half is shown, and the evidence says what was not."""

    @asynccontextmanager
    async def nobody(*_: Any) -> AsyncIterator[Somebody]:
        if house.token:
            raise Nobody("nobody has an account here yet")
        yield Somebody(UserId("usr_1"), "")

    monkeypatch.setattr(pages, "somebody", nobody)
    for found in (await house.bound(), await house.escaped()):
        assert (found[0], "nobody has an account" in found[1]) == (Result.PASSED, True)
