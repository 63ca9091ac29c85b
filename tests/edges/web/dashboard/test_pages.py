"""The dashboard's pages over a platform in memory: who may see them, what they escape, what they refuse."""

from __future__ import annotations

import gzip
import hashlib
import ipaddress
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from starlette.applications import Starlette

from mailward.base.errors import LimitReached, Refused
from mailward.edges.web import dashboard
from mailward.edges.web.auth import Origin
from mailward.edges.web.dashboard.mail_html import sanitise
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.policy.access import Permission
from tests.edges.web.dashboard.fake import HOSTILE_HTML, FakePlatform
from tests.edges.web.fake_inbound import MESSAGE, ROUTE

BASE = "http://127.0.0.1:8080"
PAGES = (
    *("/", "/messages", "/messages/{m}", "/messages/{m}/html", "/messages/{m}/text", "/messages/{m}/headers"),
    *("/messages/rows", "/messages/{m}/live", "/domains", "/domains/dom_1", "/keys", "/suppressions"),
    *("/webhooks", "/webhooks/whk_1", "/webhooks/whk_1/attempts", "/audit", "/settings", "/requests", "/requests/rows"),
    "/settings/tracking",
    *("/webhooks/whk_1/events/evt_1", "/templates", "/templates/welcome", "/alerts", "/domains/transfers"),
    *("/received", f"/received/{MESSAGE}", f"/received/{MESSAGE}/raw", "/routes", f"/routes/{ROUTE}"),
)
ACTS = (
    *("/messages/{m}/cancel", "/messages/{m}/resend", "/domains", "/domains/dom_1/check", "/domains/dom_1/rotate"),
    *("/domains/dom_1/remove", "/keys", "/keys/key_1/revoke", "/credentials", "/credentials/smtp_1/revoke"),
    *("/keys/key_1/rotate", "/keys/key_1/release", "/credentials/smtp_1/rotate", "/credentials/smtp_1/release"),
    *("/suppressions", "/suppressions/remove", "/suppressions/import", "/suppressions/export", "/webhooks"),
    *("/webhooks/whk_1/test", "/webhooks/whk_1/switch", "/webhooks/whk_1/rotate", "/webhooks/whk_1/replay"),
    *("/webhooks/whk_1/replay-range", "/messages/{m}/release", "/messages/release-held", "/messages/sending"),
    *(f"/received/{MESSAGE}/{act}" for act in ("replay", "release", "discard")),
    *("/routes", *(f"/routes/{ROUTE}/{act}" for act in ("switch", "rotate", "replay", "remove"))),
    *("/templates", "/templates/welcome"),
    *(f"/templates/welcome/{a}" for a in ("publish", "rollback", "remove", "preview")),
    *("/webhooks/whk_1/remove", "/audit/export", "/sign-out", "/messages/{m}/erase", "/settings/retention"),
    *("/settings/tracking", "/settings/tracking/opt-outs"),
    *(
        "/settings/leaks",
        "/settings/redaction",
        "/alerts/alr_1/acknowledge",
        "/domains/dom_1/transfer",
        "/domains/transfers/trf_x/grant",
        "/domains/transfers/trf_x/refuse",
    ),
)


# Acts that ask who proved themselves more than ten minutes ago to do it again.
DANGEROUS = (
    "/domains/dom_1/remove", "/audit/export", "/suppressions/export", "/settings/retention", "/messages/{m}/erase",
    "/settings/redaction",
    "/keys/key_1/release", "/keys", "/security/sessions/ses_1/end", "/security/sessions/end-others",
)  # fmt: skip


class Visitor:
    """A browser without script, and the platform it looks at."""

    def __init__(self, entropy: Any, secure: bool = False) -> None:
        self.platform = FakePlatform()
        self.message = self.platform.arrive(self.platform.text)
        app = Starlette(routes=routes(self.platform, Surroundings(secure=secure), entropy))
        base = BASE.replace("http:", "https:") if secure else BASE
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)

    async def get(self, path: str, **kw: Any) -> httpx.Response:
        return await self.http.get(path.format(m=self.message), **kw)

    async def token(self, path: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(path)).text)
        assert found is not None
        return found[1]

    async def post(self, path: str, data: dict[str, Any] | None = None, **kw: Any) -> httpx.Response:
        return await self.http.post(path.format(m=self.message), data=data or {}, **kw)

    async def arrive(self) -> httpx.Response:
        """Come in by the setup link."""
        password = "correct horse battery"
        data = {"csrf": await self.token("/setup/good"), "email": "ann@example.com", "workspace_name": "Acme"}
        return await self.post("/setup/good", {**data, "password": password, "again": password})


@pytest.fixture
async def visitor(entropy: Any) -> Visitor:
    return Visitor(entropy)


@pytest.fixture
async def inside(visitor: Visitor) -> Visitor:
    assert (await visitor.arrive()).status_code == 200
    visitor.platform.done.clear()
    return visitor


async def test_tracking_is_chosen_and_says_what_is_missing(inside: Visitor) -> None:
    """The form sends what it shows; only a domain whose mode changes is named; an opt-out by hand is confirmed."""
    page = (await inside.get("/settings/tracking")).text
    assert "Nothing is tracked:" in page and "<script>" not in page
    token = await inside.token("/settings/tracking")
    domain = "d.dom_01jd2s8k3xq4v6w8y0z1a2b3c4"
    form = {"csrf": token, "workspace": "clicks", "s.transactional": "", "s.broadcast": "both", domain: ""}
    assert (await inside.post("/settings/tracking", form)).status_code == 303
    ((what, asked),) = inside.platform.done
    assert (what, asked.workspace, asked.domains) == ("track", "clicks", {})
    assert asked.streams == {"transactional": None, "broadcast": "both"}
    assert (await inside.post("/settings/tracking", {**form, "workspace": "all"})).status_code == 422
    at, address = "/settings/tracking/opt-outs", {"csrf": token, "address": "a@example.com"}
    assert "may be tracked again" not in (await inside.post(at, {**address, "what": "in"})).text
    assert "is not tracked any more" in (await inside.post(at, {**address, "what": "out"})).text
    assert "may be tracked again" in (await inside.post(at, {**address, "what": "in"})).text


async def test_the_setup_link_signs_in_once(visitor: Visitor) -> None:
    """The form creates the person, the cookie is HttpOnly and SameSite, and the link only leads inside then."""
    answer = await visitor.arrive()
    assert answer.status_code == 200
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("mailward="))
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert (await visitor.get("/")).status_code == 200
    again = await visitor.get("/setup/good")
    assert (again.status_code, again.headers["location"]) == (303, "/")
    visitor.http.cookies.clear()
    assert (await visitor.get("/setup/good")).status_code == 404


async def test_the_first_key_is_shown_once_in_blocks_to_paste(visitor: Visitor) -> None:
    """The answer to the setup form holds a key in each block and a password; the page asked again holds neither."""
    first = (await visitor.arrive()).text
    assert first.count("mw_the_secret_shown_once") == 4 and first.count("pw_shown_once") == 1
    assert [d[:2] for d in visitor.platform.done][-2:] == [("key", "First steps"), ("credential", "First steps")]
    again = (await visitor.get("/")).text
    assert "shown_once" not in again and "YOUR_KEY" in again
    made = await visitor.post("/first-steps", {"csrf": await visitor.token("/")})
    assert made.status_code == 200 and "mw_the_secret_shown_once" in made.text


async def test_over_tls_cookies_are_bound_to_the_host(entropy: Any) -> None:
    """With TLS the cookie has the __Host- prefix and Secure."""
    answer = await Visitor(entropy, secure=True).arrive()
    cookies = [c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-mailward=")]
    assert cookies and "Secure" in cookies[0] and "Path=/" in cookies[0] and "Domain" not in cookies[0]


@pytest.mark.asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4")
async def test_over_tls_every_cookie_is_of_this_host_alone(entropy: Any) -> None:
    """Each cookie of a stranger, a person and a choice of colours: __Host-, Secure, HttpOnly, SameSite, no domain."""
    visitor = Visitor(entropy, secure=True)
    answers = [await visitor.get("/sign-in"), await visitor.arrive()]
    token = await visitor.token("/settings")
    answers.append(await visitor.post("/theme", {"csrf": token, "theme": "dark"}))
    assert 'data-theme="dark"' in (await visitor.get("/settings")).text
    answers.append(await visitor.post("/sign-out", {"csrf": token}))
    data = {"csrf": await visitor.token("/sign-in"), "email": "ann@example.com", "password": "correct horse battery"}
    answers.append(await visitor.post("/sign-in", data))
    cookies = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    names = {cookie.partition("=")[0] for cookie in cookies}
    assert names == {f"__Host-mailward{of}" for of in ("", "_form", "_theme", "_device")}
    for cookie in cookies:
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= parts, cookie
        assert not any(part.startswith("domain") for part in parts), cookie


async def test_a_weak_password_is_explained_and_what_was_typed_stays(visitor: Visitor) -> None:
    """The form comes back with the reason, the address and never the password."""
    data = {"csrf": await visitor.token("/setup/good"), "email": "ann@example.com", "workspace_name": "Ac<me"}
    answer = await visitor.post("/setup/good", {**data, "password": "short-pw", "again": "short-pw"})
    assert answer.status_code == 422
    assert "too easy to guess" in answer.text and "ann@example.com" in answer.text and "Ac&lt;me" in answer.text
    assert "short-pw" not in answer.text


async def test_wrong_and_unknown_sign_ins_look_alike(inside: Visitor) -> None:
    """The same page for a wrong password and for an address nobody has."""
    inside.http.cookies.clear()
    pages = []
    for email in ("ann@example.com", "bob@example.com"):
        token = await inside.token("/sign-in")
        answer = await inside.post("/sign-in", {"csrf": token, "email": email, "password": "wrong wrong wrong"})
        assert answer.status_code == 401
        pages.append(answer.text.replace(email, ""))
    assert pages[0] == pages[1]


@pytest.mark.claim("AUTHN-5")
async def test_who_has_to_wait_is_told_how_long(inside: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """After too many wrong tries the page says so to people, and Retry-After to programs."""

    async def locked(*given: Any, **named: Any) -> Any:
        raise LimitReached("too_many_failures", "Too many failed sign-ins. Try again in 2 minutes.", retry_after=90.2)

    monkeypatch.setattr(inside.platform.sessions, "sign_in", locked)
    inside.http.cookies.clear()
    token = await inside.token("/sign-in")
    answer = await inside.post("/sign-in", {"csrf": token, "email": "ann@example.com", "password": "x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "91")
    assert "Try again in 2 minutes" in answer.text


@pytest.mark.asvs("6.3.4", "7.2.1")
@pytest.mark.parametrize("path", [*PAGES, "/messages/{m}/frame", "/messages/{m}/raw"])
async def test_a_stranger_is_sent_to_sign_in(visitor: Visitor, path: str) -> None:
    """No page shows anything without a session; a fragment tells the script to leave."""
    answer = await visitor.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    fragment = await visitor.get(path, headers={"hx-request": "true"})
    assert fragment.headers["hx-redirect"] == "/sign-in" and not fragment.content


@pytest.mark.asvs("1.1.2", "1.2.1", "1.2.3", "3.2.2", "3.4.6", "3.7.1", "14.3.2")
@pytest.mark.claim("INPUT-1")
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_escapes_and_forbids_inline_code(inside: Visitor, path: str) -> None:
    """Hostile text in every field stays text; the policy allows no inline code; the page is small and not cached."""
    answer = await inside.get(path)
    assert answer.status_code == 200
    text = answer.text
    assert "<script>" not in text and "<img" not in text and 'onerror="' not in text and "<svg onload" not in text
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:", re.sub(r"&[a-z#0-9]+;[^<]*", "", text))
    assert "49" not in re.findall(r"svg onload[^<]{0,80}", text)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy and policy.startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert len(gzip.compress(answer.content)) < 100_000


@pytest.mark.asvs("3.5.1", "3.5.3")
@pytest.mark.parametrize("path", ACTS)
async def test_a_forged_form_does_nothing(inside: Visitor, path: str) -> None:
    """Without the session's token, or from another site even with it, every act is refused."""
    token = await inside.token("/keys")
    for data, headers in (
        ({}, {}),
        ({"csrf": "wrong"}, {}),
        ({"csrf": token}, {"origin": "https://evil.example"}),
        ({"csrf": token}, {"origin": "null"}),
        ({"csrf": token}, {"sec-fetch-site": "cross-site"}),
    ):
        answer = await inside.post(path, data, headers=headers)
        assert answer.status_code == 403 or (not data and answer.status_code == 422), answer.status_code
    as_json = await inside.http.post(path.format(m=inside.message), json={"csrf": token})
    assert as_json.status_code == 422
    assert inside.platform.done == []
    assert (await inside.get("/")).status_code == 200


@pytest.mark.asvs("3.5.1")
async def test_a_token_of_another_session_is_refused(inside: Visitor) -> None:
    """The token is bound to the session it was made for."""
    old = await inside.token("/keys")
    inside.http.cookies.clear()
    data = {"csrf": await inside.token("/sign-in"), "email": "ann@example.com", "password": "correct horse battery"}
    assert (await inside.post("/sign-in", data)).status_code == 303
    assert (await inside.post("/keys/key_1/revoke", {"csrf": old})).status_code == 403


@pytest.mark.asvs("7.4.1")
async def test_signing_out_ends_the_session(inside: Visitor) -> None:
    """A kept copy of the cookie is worth nothing afterwards."""
    kept = dict(inside.http.cookies)
    await inside.post("/sign-out", {"csrf": await inside.token("/")})
    inside.http.cookies.update(kept)
    assert (await inside.get("/")).status_code == 303


@pytest.mark.asvs("14.3.1")
async def test_signing_out_clears_the_browser(inside: Visitor) -> None:
    """The answer has the session's cookie dropped, and whatever else a browser may have kept."""
    answer = await inside.post("/sign-out", {"csrf": await inside.token("/")})
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert any(c.startswith('mailward="";') and "Max-Age=0" in c for c in answer.headers.get_list("set-cookie"))


@pytest.mark.asvs("7.4.4")
@pytest.mark.parametrize("path", [p for p in PAGES if not p.endswith(("/rows", "/live", "/raw", "/attempts"))])
async def test_every_page_has_the_way_out(inside: Visitor, path: str) -> None:
    """A button that signs out, on each page that takes a session."""
    assert 'action="/sign-out"' in (await inside.get(path)).text


@pytest.mark.asvs("3.4.3", "4.1.1")
@pytest.mark.parametrize("path", [p for p in PAGES if not p.endswith("/raw")])
async def test_every_page_says_what_it_is_and_what_it_loads(inside: Visitor, path: str) -> None:
    """HTML in UTF-8, under a policy that allows this host alone: no base, no plugin, no frame around it."""
    answer = await inside.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert "object-src" not in policy
    assert set(" ".join(policy.values()).split()) <= {"'none'", "'self'", "data:"}


@pytest.mark.asvs("6.2.6", "6.2.7")
def test_passwords_are_hidden_and_managers_welcome() -> None:
    """Every password field masks what is typed, tells managers what it is for, and nothing hinders pasting."""
    folder = Path(dashboard.__file__).parent
    fields = [f for p in (folder / "templates").glob("*.html") for f in re.findall(r"<input[^>]+>", p.read_text())]
    secret = [f for f in fields if re.search(r'name="(password|again|old|new)"', f)]
    assert len(secret) >= 8
    for field in secret:
        assert 'type="password"' in field
        assert 'autocomplete="current-password"' in field or 'autocomplete="new-password"' in field
        assert int(re.findall(r'maxlength="(\d+)"', field)[0]) >= 64
    text = "".join(p.read_text() for p in (folder / "static").glob("*.js"))
    assert not re.search("onpaste|['\"]paste['\"]|clipboardData", "".join(fields) + text)


@pytest.mark.asvs("14.3.3")
def test_scripts_keep_nothing_in_the_browser() -> None:
    """None of ours touches storage or cookies: what is kept are cookies that scripts cannot read."""
    folder = Path(dashboard.__file__).parent / "static"
    text = "".join(path.read_text() for path in folder.glob("*.js"))
    assert len(text) > 1000
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|\bcaches\.|serviceWorker", text)


@pytest.mark.asvs("15.3.1")
async def test_acts_reach_the_platform(inside: Visitor) -> None:
    """Each form does its one thing and sends the browser on, or shows a secret once."""
    csrf = await inside.token("/keys")
    for path, data in (
        ("/messages/{m}/cancel", {}),
        ("/domains", {"name": "example.com"}),
        ("/domains/dom_1/check", {}),
        ("/domains/dom_1/rotate", {}),
        ("/domains/dom_1/remove", {"confirm": "example.com"}),
        ("/keys/key_1/revoke", {}),
        ("/keys/key_1/release", {}),
        ("/credentials/smtp_1/release", {}),
        ("/suppressions", {"address": "a@example.com"}),
        ("/suppressions/remove", {"address": "a@example.com"}),
        ("/webhooks/whk_1/test", {}),
        ("/webhooks/whk_1/switch", {"enabled": "no"}),
        ("/webhooks/whk_1/replay", {"event": "evt_1"}),
        ("/webhooks/whk_1/replay-range", {"since": "2026-03-01T00:00", "until": "", "only": "all"}),
        ("/webhooks/whk_1/remove", {}),
        (f"/received/{MESSAGE}/replay", {}),
        (f"/received/{MESSAGE}/release", {}),
        (f"/received/{MESSAGE}/discard", {}),
        (f"/routes/{ROUTE}/switch", {"enabled": "no"}),
        (f"/routes/{ROUTE}/replay", {"since": "2026-03-01T00:00", "until": "", "only": "all"}),
        (f"/routes/{ROUTE}/remove", {}),
        ("/messages/{m}/release", {}),
        ("/messages/release-held", {"stream": "broadcast"}),
        ("/messages/sending", {"to": "pause", "stream": "broadcast", "reason": "wrong list"}),
        ("/messages/sending", {"to": "resume"}),
        ("/messages/{m}/erase", {"confirm": "erase"}),
        ("/settings/retention", {"messages_days": "30", "content_days": ""}),
        (
            "/settings/redaction",
            {
                "subject": "redact",
                "subject_hours": "24",
                "addresses": "keep",
                "ip": "never",
                "body": "never",
                "body_hours": "",
            },
        ),
    ):
        assert (await inside.post(path, {"csrf": csrf, **data})).status_code == 303, path
    assert len(inside.platform.done) == 22
    since = datetime(2026, 3, 1, tzinfo=UTC)
    assert ("replay", "whk_1", (since, None, "all")) in inside.platform.done
    assert ("pause", "broadcast", "wrong list") in inside.platform.done
    assert ("resume", None) in inside.platform.done
    made = await inside.post("/keys", {"csrf": csrf, "name": "shop", "scopes": ["send", "read"]})
    assert "mw_the_secret_shown_once" in made.text and ("key", "shop", ["send", "read"]) in inside.platform.done
    assert "mw_the_secret_shown_once" not in (await inside.get("/keys")).text
    assert "pw_shown_once" in (await inside.post("/credentials", {"csrf": csrf, "name": "x"})).text
    assert "mw_the_secret_shown_once" in (await inside.post("/keys/key_1/rotate", {"csrf": csrf})).text
    assert "pw_shown_once" in (await inside.post("/credentials/smtp_1/rotate", {"csrf": csrf})).text
    for page in ("/", "/keys"):
        assert 'action="/credentials/smtp_1/release"' in (await inside.get(page)).text
    hook = {"csrf": csrf, "url": "https://hooks.example/", "events": ["message.bounced"]}
    assert "whsec_once" in (await inside.post("/webhooks", hook)).text
    assert "1 added" in (await inside.post("/suppressions/import", {"csrf": csrf, "lines": "a@b.example"})).text


@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/keys", {"name": "x"}),
        ("/keys", {"name": "x", "scopes": "root"}),
        ("/domains", {"name": "nodots"}),
        ("/domains/dom_1/remove", {"confirm": "other.example"}),
        ("/messages/{m}/erase", {"confirm": "yes"}),
        ("/settings/retention", {"messages_days": "-1"}),
        ("/settings/retention", {"messages_days": "0"}),
        ("/suppressions", {"address": "a"}),
        ("/webhooks", {"url": "ftp://x", "events": "message.bounced"}),
        ("/webhooks", {"url": "https://hooks.example/"}),
        ("/webhooks/whk_1/replay-range", {"since": "yesterday"}),
        ("/suppressions", {"address": "a\0b@example.com"}),
    ],
)
async def test_a_wrong_entry_is_explained(inside: Visitor, path: str, data: dict[str, str]) -> None:
    """422 with a sentence on a page, nothing done."""
    answer = await inside.post(path, {"csrf": await inside.token("/keys"), **data})
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert inside.platform.done == []


@pytest.mark.parametrize(
    "path", ["/messages?status=nope", "/messages?cursor=%00", "/audit?act='--", "/messages/x/zzz", "/domains?cursor=()"]
)
async def test_odd_addresses_are_refused_politely(inside: Visitor, path: str) -> None:
    """A filter or path that cannot be is a 4xx page."""
    assert 400 <= (await inside.get(path)).status_code < 500


@pytest.mark.asvs("8.3.1")
async def test_a_reader_sees_no_form(visitor: Visitor) -> None:
    """Without the permission to change, the pages have no form beside sign-out and search."""
    visitor.platform.permissions = frozenset(p for p in Permission if p.value.endswith(".read"))
    await visitor.arrive()
    for path in PAGES:
        page = (await visitor.get(path)).text
        assert set(re.findall(r'method="post" action="([^"]+)"', page)) <= {"/sign-out", "/theme", "/audit/export"}, (
            path
        )
    assert "/frame" not in (await visitor.get("/messages/{m}")).text


@pytest.mark.asvs("1.2.2", "1.3.1", "1.3.4", "3.2.1")
@pytest.mark.claim("INPUT-1")
async def test_message_html_is_inert(inside: Visitor) -> None:
    """The frame's policy loads and runs nothing, and its markup names no other host."""
    answer = await inside.get("/messages/{m}/frame")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "canary.invalid" not in answer.text and "<script" not in answer.text and "javascript" not in answer.text
    assert "data:image/gif" in answer.text and "Dear reader" in answer.text
    page = await inside.get("/messages/{m}/html")
    assert 'sandbox=""' in page.text


@pytest.mark.asvs("1.3.1", "1.3.5")
def test_sanitising_again_changes_nothing() -> None:
    """The sanitiser is stable: what it lets through it lets through again."""
    once = sanitise(HOSTILE_HTML)
    assert sanitise(once) == once
    assert "position" not in once


@pytest.mark.asvs("3.2.1", "5.4.1")
async def test_the_raw_message_is_a_download(inside: Visitor) -> None:
    """Never rendered: an attachment of type message/rfc822 that browsers do not sniff."""
    answer = await inside.get("/messages/{m}/raw")
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.asvs("5.3.1", "13.4.1", "13.4.3")
async def test_static_files_and_their_sums(visitor: Visitor) -> None:
    """Files are served by content hash; nothing else is; vendored files are the ones the table names."""
    page = (await visitor.get("/sign-in")).text
    for url in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        answer = await visitor.get(url)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    for path in ("/static/../ports.py", "/static/vendor/VENDORED.md", "/static/%2e%2e/ports.py", "/static/"):
        assert (await visitor.get(path)).status_code == 404
    folder = Path(dashboard.__file__).parent / "static" / "vendor"
    table = (folder / "VENDORED.md").read_text()
    for name, digest in re.findall(r"^\| (\S+\.(?:js|css)) \|.*\| ([0-9a-f]{64}) \|$", table, re.M):
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.asvs("4.1.3", "12.2.1", "15.3.4")
async def test_plain_http_from_elsewhere_is_refused(visitor: Visitor, entropy: Any) -> None:
    """Passwords and sessions never cross a network in the clear; a listed proxy's TLS counts."""
    app = Starlette(routes=routes(visitor.platform, Surroundings(), entropy))
    remote = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("192.0.2.9", 1)), base_url="http://mail.example"
    )
    forged = {"x-forwarded-proto": "https", "x-forwarded-for": "127.0.0.1"}
    for headers in ({}, forged):
        answer = await remote.get("/sign-in", headers=headers)
        assert answer.status_code == 403 and "HTTPS" in answer.text
    trusting = Origin([ipaddress.ip_network("192.0.2.0/24")])
    app = Starlette(routes=routes(visitor.platform, Surroundings(), entropy, trusting))
    remote = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("192.0.2.9", 1)), base_url="http://mail.example"
    )
    assert (await remote.get("/sign-in", headers=forged)).status_code == 200


@pytest.mark.asvs("13.4.2", "16.5.1")
async def test_a_fault_of_ours_shows_no_detail(inside: Visitor) -> None:
    """An unforeseen error is a 500 page that names nothing of the inside."""

    async def broken(*a: Any) -> Any:
        raise RuntimeError("secret detail")

    inside.platform.domains.list = broken
    answer = await inside.get("/domains")
    assert answer.status_code == 500
    assert "RuntimeError" not in answer.text and "secret detail" not in answer.text


@pytest.mark.asvs("5.2.1")
async def test_an_endless_form_is_cut_off(inside: Visitor) -> None:
    """Beyond 1 MB, or with thousands of fields, a form is refused."""
    token = await inside.token("/keys")
    assert (await inside.post("/suppressions/import", {"csrf": token, "lines": "x" * 1_100_000})).status_code == 413
    assert (await inside.post("/keys", {"csrf": token, **{f"f{i}": "1" for i in range(1000)}})).status_code == 422


async def test_what_needs_somebody_is_said_on_the_overview(inside: Visitor) -> None:
    """A drifting domain, a disabled webhook and a pause each have their banner there and on their own page."""
    for page, texts in (
        ("/", ("DNS no longer shows the records", "was disabled", "Sending is paused")),
        ("/domains", ("It stops sending after",)),
        ("/domains/dom_1", ("it stops sending after",)),
        ("/webhooks", ("was disabled",)),
        ("/messages", ("Sending is paused", "Release all")),
    ):
        shown = (await inside.get(page)).text
        for text in texts:
            assert text in shown, (page, text)


async def test_a_webhook_that_does_not_answer_stays_disabled_and_says_why(inside: Visitor) -> None:
    """The refusal is on the endpoint's own page, beside its attempts."""
    csrf = await inside.token("/webhooks/whk_1")
    inside.platform.webhooks.refusal = "The endpoint did not take the test event, so it stays disabled."
    answer = await inside.post("/webhooks/whk_1/switch", {"csrf": csrf, "enabled": "yes"})
    assert answer.status_code == 409
    assert "did not take the test event" in answer.text and "Attempts" in answer.text


async def test_a_received_message_shows_how_it_came_and_what_was_said(inside: Visitor) -> None:
    """Verdicts with reasons, TLS, each attempt with the endpoint's words as text, and the octets as a download."""
    page = (await inside.get(f"/received/{MESSAGE}")).text
    for seen in ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "it is listed", "192.0.2.1", "bare_newline", "<b>500</b>"):
        assert seen in page
    assert "<script>alert(1)" not in page
    assert "<b>Hi</b>" not in page
    raw = await inside.get(f"/received/{MESSAGE}/raw")
    assert raw.content == b"Subject: Hi\r\n\r\nhello\r\n"
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.headers["content-type"].startswith("message/rfc822")


@pytest.mark.asvs("15.3.1")
async def test_a_routes_secret_is_shown_once(inside: Visitor) -> None:
    """In the answer to its making and of a rotation, and on no page after."""
    csrf = await inside.token("/routes")
    given = {"csrf": csrf, "domain": "in.example.com", "url": "https://x.example/in", "kind": "catch_all"}
    assert "whsec_x" in (await inside.post("/routes", given)).text
    assert "whsec_" not in (await inside.get(f"/routes/{ROUTE}")).text
    assert "whsec_y" in (await inside.post(f"/routes/{ROUTE}/rotate", {"csrf": csrf})).text
    assert (await inside.post("/routes", {**given, "url": "gopher://x"})).status_code == 422


@pytest.mark.asvs("7.5.1", "7.5.2")
@pytest.mark.claim("AUTHN-3")
@pytest.mark.parametrize("path", DANGEROUS)
async def test_dangerous_acts_ask_for_a_fresh_proof(inside: Visitor, path: str) -> None:
    """Without a proof of the last minutes the act is not done; the way leads to the proof and back to the page."""
    data = {"csrf": await inside.token("/keys"), "name": "x", "scopes": "admin"}
    inside.platform.stale = True
    inside.platform.done.clear()
    answer = await inside.post(path, data, headers={"referer": f"{BASE}/keys?revoked=shown"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/security/again?next=%2Fkeys%3Frevoked%3Dshown")
    assert inside.platform.done == []


@pytest.mark.asvs("2.3.1")
@pytest.mark.claim("AUTHN-3")
async def test_nothing_goes_on_before_a_missing_factor(inside: Visitor) -> None:
    """A session that lacks a factor sees the pages on which it is added or shown, and no other."""
    data = {"csrf": await inside.token("/keys")}
    for missing, leads in (("enrol", "/security"), ("step-up", "/security/again")):
        inside.platform.missing = missing
        for answer in (await inside.get("/messages"), await inside.post("/suppressions", data)):
            assert (answer.status_code, answer.headers["location"]) == (303, leads)
        live = await inside.get("/messages/rows", headers={"hx-request": "true"})
        assert live.headers["hx-redirect"] == leads


@pytest.mark.asvs("3.7.2")
@pytest.mark.parametrize(
    "referer", ["https://evil.example/x", "//evil.example", "", "http://127.0.0.1:8080//evil.example", "javascript:x"]
)
async def test_the_way_back_is_always_ours(inside: Visitor, referer: str) -> None:
    """Whatever a referer says, the proof leads to a page of this host."""
    data = {"csrf": await inside.token("/keys")}
    inside.platform.stale = True
    answer = await inside.post("/domains/dom_1/remove", data, headers={"referer": referer} if referer else {})
    assert answer.headers["location"] == "/security/again?next=%2F"


@pytest.mark.parametrize(
    ("referrer", "back"),
    [
        (f"{BASE}/messages?tag=a", "/messages?tag=a"),
        ("https://elsewhere.example/messages", "/"),
        (f"{BASE}//elsewhere.example", "/"),
        (f"{BASE}/\\elsewhere.example", "/"),
        ("", "/"),
    ],
)
async def test_choosing_colours_leads_back_and_nowhere_else(inside: Visitor, referrer: str, back: str) -> None:
    """The choice is kept in a cookie of its own, and the reader lands on the page they were on, or on the overview."""
    data = {"csrf": await inside.token("/settings"), "theme": "dark"}
    answer = await inside.post("/theme", data, headers={"referer": referrer})
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert 'data-theme="dark"' in (await inside.get("/settings")).text
    refused = await inside.post("/theme", {**data, "theme": 'x" onload=y'})
    assert refused.status_code == 422


async def test_a_template_is_written_previewed_and_published_without_script(inside: Visitor) -> None:
    """What cannot be kept is shown again as typed; the preview is a frame that can load and run nothing."""
    page = (await inside.get("/templates/welcome")).text
    assert '<iframe class="mail" sandbox=""' in page
    assert "<script>alert(1)" not in page
    frame = await inside.get("/templates/welcome/frame")
    assert frame.headers["content-security-policy"].startswith("default-src 'none';")
    assert frame.headers["content-security-policy"].endswith("sandbox")
    assert "<script" not in frame.text
    csrf = await inside.token("/templates/welcome")
    typed = {"csrf": csrf, "subject": "S", "html": "<b>kept as typed</b>", "text": "", "layout": "", "description": ""}
    answer = await inside.post("/templates/welcome", {**typed, "sample": "{"})
    assert answer.status_code == 422
    assert "&lt;b&gt;kept as typed" in answer.text
    assert "not a JSON object" in answer.text
    assert (await inside.post("/templates/welcome", {**typed, "sample": '{"x": 1}'})).status_code == 303
    assert (await inside.post("/templates/welcome/publish", {"csrf": csrf})).status_code == 303
    assert (await inside.post("/templates/welcome/rollback", {"csrf": csrf, "version": "1"})).status_code == 303
    refused = Refused("domain_not_verified", "That domain is not verified.")
    inside.platform.messages.submit = AsyncMock(return_value=[refused])
    answer = await inside.post("/templates/welcome/test", {"csrf": csrf, "from": "a@demo.test", "to": "b@example.com"})
    assert "That domain is not verified." in answer.text


@pytest.mark.asvs("7.6.2")
async def test_no_other_site_can_begin_a_sign_in_with_a_provider(visitor: Visitor) -> None:
    """A link or picture elsewhere leads to our own page; the button there, or an address typed, to the provider."""

    class Provided:
        providers = ()

        async def begin(self, provider: str, session: Any = None) -> tuple[str, str]:
            return f"https://id.example/{provider}", "cookie"

    visitor.platform.federated = Provided()
    for site, leads in (
        ("cross-site", "/sign-in"), ("same-site", "/sign-in"), ("same-origin", "https://id.example/company"),
        ("none", "https://id.example/company"),
    ):  # fmt: skip
        answer = await visitor.get("/sign-in/with/company", headers={"sec-fetch-site": site})
        assert (answer.status_code, answer.headers["location"]) == (303, leads), site
        assert ("mailward_federation" in answer.headers.get("set-cookie", "")) is leads.startswith("https"), site
