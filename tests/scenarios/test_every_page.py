"""Every page of a running platform in Debian's Chromium: accessible in both lights, quiet and small."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import smtplib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from email.utils import formataddr
from enum import EnumType
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pyotp
import pytest
import pytest_asyncio

from mailward.core.registers.model import TYPES
from tests.edges.web.dashboard.fake import CANARY
from tests.scenarios.granted_read import live_grant
from tests.scenarios.holding_on import Browser as Visitor
from tests.scenarios.pages import OPERATORS, PAGES, REFUSALS, STRANGERS
from tests.scenarios.peers import REPOSITORY, wait_until
from tests.scenarios.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHROMIUM = "/usr/bin/chromium"
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
# Each page in light is painted for review by every run; in dark and on a phone where somebody says where to.
PICTURES = Path(os.environ.get("MAILWARD_SCREENSHOTS") or REPOSITORY / "build" / "screenshots")
# Rules of WCAG 2.2 up to AA and the common good practices; nothing is left out. Other colours change contrast alone.
# Frames hold somebody's mail without script: axe could not run in them.
AXE: dict[str, dict[str, Any]] = {
    "light": {"resultTypes": ["violations"], "iframes": False},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"], "iframes": False},
}
LARGEST = 100_000
OWNER = "ann@example.com"
PASSWORD = "correct horse battery staple"


class House:
    """A platform with a little of everything, and the ids of it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.url = f"http://127.0.0.1:{platform.http_port}"
        self.ids: dict[str, str] = {}
        self.cookies: list[Any] = []
        self.eve: list[Any] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API with the administrator's key."""
        request = urllib.request.Request(
            f"{self.url}/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self.platform.admin_key}", "content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            refused.add_note(f"{method} {path}: {refused.read(500)!r}")
            raise

    def furnish(self) -> None:
        """Messages in several states, a domain, an address that is suppressed, a webhook, a route."""
        sender = "Acme Billing <hello@demo.mailward.test>"
        self.ask("POST", "/suppressions", {"address": "gone.customer@example.org"})
        for n, subject in enumerate(("Your receipt for order A-1042", "Reset your password", "Willkommen bei Acme")):
            sent = self.ask(
                "POST",
                "/messages",
                {
                    "from": sender,
                    "to": [f"ada.lovelace+orders{n}@a-rather-long-domain-name.example.com", "jo@example.org"],
                    "subject": subject,
                    "text": "Thank you.",
                    "html": "<h1>Thank you</h1><p>It is on its way.</p>",
                    "tags": ["receipt", "shop"],
                    "metadata": {"order": "A-1042"},
                },
            )
            self.ids["message"] = sent["id"]
        mixed = {
            "from": sender,
            "to": ["gone.customer@example.org", "jo@example.org"],
            "subject": "Partly",
            "text": "x",
        }
        self.ids["bounced"] = self.ask("POST", "/messages", mixed)["id"]
        self.ids["domain"] = self.ask("POST", "/domains", {"name": "shop.example.com"})["id"]
        hook = {"url": "http://127.0.0.1:9/hook", "events": ["message.delivered"], "description": "the shop"}
        self.ids["webhook"] = self.ask("POST", "/webhooks", hook)["id"]
        self.ids["event"] = self.ask("POST", f"/webhooks/{self.ids['webhook']}/test")["event"]
        draft = {"name": "welcome", "subject": "Welcome", "html": "<h1>Hello {{ name }}</h1>", "sample": {"name": "Jo"}}
        self.ids["template"] = self.ask("POST", "/templates", draft)["name"]
        route = {"domain": "demo.mailward.test", "kind": "catch_all", "url": "http://127.0.0.1:9/in"}
        self.ids["route"] = self.ask("POST", "/routes", route)["id"]
        self.invite("grace@demo.mailward.test")
        wait_until(self._receives, "the route to be known", 20)
        wait_until(lambda: self.ask("GET", "/received")["data"], "received mail", 20)
        self.ids["received"] = self.ask("GET", "/received")["data"][0]["id"]
        found = re.search(r"/setup/(\S+)", self.platform.cli("setup-link").stdout)
        assert found is not None
        self.ids["setup"] = found[1]

    def _receives(self) -> bool:
        letter = "From: Jo <jo@example.org>\r\nTo: shop@demo.mailward.test\r\nSubject: A question\r\n\r\nHow?\r\n"
        try:
            with smtplib.SMTP("127.0.0.1", self.platform.mx_port, timeout=20) as session:
                session.sendmail("jo@example.org", ["shop@demo.mailward.test"], letter)
        except smtplib.SMTPRecipientsRefused:
            return False
        return True

    def invite(self, email: str) -> None:
        """Invite somebody; the token of the letter's link is kept."""
        self.ask("POST", "/invitations", {"email": email})
        self.ids["invitation"] = self.mailed("invitation", email)

    def mailed(self, tag: str, to: str) -> str:
        """The token of the link in the newest captured letter of a kind."""
        asked = f"/messages?tag={tag}&to={to}"
        wait_until(lambda: self.ask("GET", asked)["data"], f"a letter: {tag}", 20)
        text = self.ask("GET", f"/messages/{self.ask('GET', asked)['data'][0]['id']}/content")["text"]
        found = re.search(r"/(?:invitation|reset|address)/(\w+)", text)
        assert found is not None
        return found[1]

    def be_mailed(self) -> None:
        """The owner, who is signed in, asks for another password and another address; both links wait."""
        with Visitor(self.platform, httpx.Cookies({c["name"]: c["value"] for c in self.cookies})) as ann:
            assert ann.post("/security", "/security/address", {"email": "other.ann@example.com"}) == 200
        with Visitor(self.platform) as somebody:
            assert somebody.post("/forgot", "/forgot", {"email": OWNER}) == 200
        self.ids["address"] = self.mailed("address-change", OWNER)
        self.ids["reset"] = self.mailed("password-reset", OWNER)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    platform = Platform(workers=1)
    with platform:
        made = House(platform)
        made.furnish()
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """One for all: starting it costs more than most of what is looked at."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield made
        await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: Any) -> AsyncIterator[Any]:
    """The browser, without what the test before left open in it."""
    yield chromium
    for context in list(chromium.contexts):
        await context.close()


async def picture(page: Any, name: str) -> None:
    """The whole page as a picture."""
    if name.endswith("-light") or "MAILWARD_SCREENSHOTS" in os.environ:
        PICTURES.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


async def come_in(page: Any, house: House) -> None:
    """Through the setup link, as the first person does."""
    await page.goto(f"{house.url}/setup/{house.ids['setup']}")
    for label, text in (("Workspace name", "Acme"), ("Your email address", OWNER)):
        await page.get_by_label(label).first.fill(text)
    for name in ("password", "again"):
        await page.locator(f"input[name={name}]").first.fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{house.url}/", timeout=15_000)
    house.cookies = await page.context.cookies()
    await asyncio.to_thread(house.be_mailed)


async def become_operator(page: Any, house: House) -> None:
    """A second factor for the owner, whom the command line then makes an operator."""
    await page.goto(f"{house.url}/security/totp")
    secret = (await page.locator("main p code").inner_text()).replace(" ", "")
    await page.locator("input[name=code]").fill(pyotp.TOTP(secret).now())
    await page.get_by_role("button", name="Add it").click()
    await page.locator("ul.codes").wait_for()
    await picture(page, "security-codes-light")
    await asyncio.to_thread(house.platform.cli_json, "operator", "add", OWNER)
    house.ids["grant"] = await live_grant(house.platform, house.ask("GET", "/workspace")["id"])
    house.cookies = await page.context.cookies()


async def report(page: Any, house: House, title: str, what: str) -> str:
    """Report a weakness as a stranger; the path of the page where it is followed."""
    await page.goto(f"{house.url}/report")
    await page.get_by_label("What is it").fill(title)
    await page.get_by_label("What you found").fill(what)
    await page.get_by_role("button", name="Send the report").click()
    found = re.search(r"/report/[\w-]+", await page.inner_text("main"))
    assert found is not None
    return found[0]


async def inside(browser: Any, house: House, **kw: Any) -> Any:
    """A page of another window in which the same person is signed in."""
    context = await browser.new_context(**kw)
    if not house.cookies:
        await come_in(await context.new_page(), house)
        house.cookies = await context.cookies()
    await context.add_cookies(house.cookies)
    return await context.new_page()


class Looker:
    """Opens pages one after the other in one window, and keeps whatever is wrong with them."""

    def __init__(self, page: Any, house: House) -> None:
        self.page, self.house = page, house
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.faults: list[str] = []
        self.sizes: dict[str, int] = {}
        own = (house.url, "data:")
        page.on("request", lambda r: None if r.url.startswith(own) else self.elsewhere.append(r.url))
        page.on("console", lambda m: self._complained(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self._complained(str(e)))

    def _complained(self, text: str) -> None:
        # A page that says no, said so on purpose: `look` compares its status.
        if "status of 404" not in text:
            self.complaints.append(f"{self.page.url} {text}")

    @classmethod
    async def at(cls, browser: Any, house: House) -> Looker:
        """A window with axe in each page. Their own policy forbids foreign script; the debugger is not bound by it."""
        from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]

        context = await browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
        await context.add_init_script(AXE_SCRIPT)
        return cls(await context.new_page(), house)

    async def look_at(self, pages: dict[str, str]) -> None:
        """Each page in light, then in dark, then as wide as a phone."""
        for name, path in pages.items():
            await self._look(name, path)

    async def _look(self, name: str, path: str) -> None:
        page = self.page
        answer = await page.goto(self.house.url + path.format(**self.house.ids))
        assert answer is not None
        if answer.status != REFUSALS.get(name, 200):
            self.faults.append(f"{name}: status {answer.status}")
        if name not in STRANGERS and page.url.endswith("/sign-in"):
            self.faults.append(f"{name}: nobody is signed in")
        self.sizes[name] = len(gzip.compress(await answer.body()))
        for light in ("light", "dark", "phone"):
            if light == "dark":
                await page.emulate_media(color_scheme="dark")
            if light == "phone":
                await page.emulate_media(color_scheme="light")
                await page.set_viewport_size({"width": 390, "height": 844})
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                self.faults.append(f"{name} {light}: {wide} px too wide")
            await picture(page, f"{name}-{light}")
            if light in AXE:
                found = await page.evaluate("options => axe.run(document, options)", AXE[light])
                for v in found["violations"]:
                    self.faults.append(f"{name} {light}: {v['id']}: {v['nodes'][0]['html'][:160]}")
        await page.set_viewport_size({"width": 1280, "height": 900})

    def found(self) -> tuple[list[str], list[str], list[str], dict[str, int]]:
        """Faults, complaints of the browser, requests to others, and pages over 100 kB with what they load."""
        static = REPOSITORY / "src/mailward/edges/web/dashboard/static"
        names = ("app.css", "app.js", "plots.js", "vendor/htmx-4.0.1.min.js", "vendor/uplot-1.6.32.min.js")
        shared = sum(len(gzip.compress((static / f).read_bytes())) for f in names)
        large = {n: s for n, s in self.sizes.items() if s + shared > LARGEST}
        return self.faults, self.complaints, self.elsewhere, large


NOTHING: tuple[list[str], list[str], list[str], dict[str, int]] = ([], [], [], {})


@pytest.mark.asvs("14.2.3")
@pytest.mark.claim("INPUT-1")
@pytest.mark.timeout(240)
async def test_every_page_is_accessible_quiet_and_small(house: House, browser: Any) -> None:
    """No axe violation, no complaint of the browser, no request elsewhere, under 100 kB, nothing wider than a phone."""
    looker = await Looker.at(browser, house)
    house.ids["followed"] = await report(looker.page, house, "Something leaks", "Open /x and see.")
    await looker.look_at(STRANGERS)
    await come_in(looker.page, house)
    house.cookies = await looker.page.context.cookies()
    await looker.look_at(PAGES)
    assert looker.found() == NOTHING


@pytest.mark.claim("INPUT-1")
@pytest.mark.timeout(120)
async def test_so_is_every_page_of_an_operator(house: House, browser: Any) -> None:
    """Whoever runs the installation finds their pages in the menu, as good as the others."""
    looker = await Looker.at(browser, house)
    page = looker.page
    if house.cookies:
        await page.context.add_cookies(house.cookies)
    else:
        await come_in(page, house)
        house.cookies = await page.context.cookies()
        await report(page, house, "Something leaks", "Open /x and see.")
    await become_operator(page, house)
    await page.goto(f"{house.url}/")
    for words in ("Operator", "Public registers", "Incidents", "Reports"):
        await page.get_by_role("navigation").get_by_role("link", name=words, exact=True).click()
        await page.wait_for_url("**/operator**")
    house.ids["report"] = await page.locator("main a[href^='/operator/reports/']").first.get_attribute("href")
    await looker.look_at(OPERATORS)
    assert looker.found() == NOTHING


async def test_colours_can_be_chosen_without_script(house: House, browser: Any) -> None:
    """The choice is kept in a cookie and holds on the next page, whatever the system says, with script off."""
    await inside(browser, house)
    page = await inside(browser, house, java_script_enabled=False, color_scheme="light")
    await page.goto(f"{house.url}/keys?revoked=shown")
    await page.get_by_role("button", name="Dark").click()
    assert page.url == f"{house.url}/keys?revoked=shown"
    assert await page.locator("html").get_attribute("data-theme") == "dark"
    assert await page.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"
    await page.goto(f"{house.url}/domains")
    assert await page.locator("html").get_attribute("data-theme") == "dark"
    await page.get_by_role("button", name="Auto").click()
    assert await page.locator("html").get_attribute("data-theme") is None


async def test_a_template_is_previewed_while_it_is_typed(house: House, browser: Any) -> None:
    """A moment after typing its frame shows what would be sent, or why not; nothing is kept, nothing in it runs, and
    the way back stays as it was."""
    page = await inside(browser, house)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if "script" in m.text.lower() else None)
    await page.goto(f"{house.url}/templates/{house.ids['template']}")
    before = await page.evaluate("history.length")
    html, frame = page.locator("textarea[name=html]"), page.frame_locator("iframe[name=typed]")
    await html.fill("<p>Dear {{ name }}</p><script>parent.document.title = 'ran'</script>")
    await frame.locator("p", has_text="Dear Jo").wait_for()
    assert "Subject: Welcome" in await frame.locator("body").inner_text()
    await html.fill("{{ unknown }}")
    await frame.locator("strong", has_text="unknown").wait_for()
    assert (await page.evaluate("history.length"), await page.title() == "ran") == (before, False)
    assert house.ask("GET", f"/templates/{house.ids['template']}")["html"] == "<h1>Hello {{ name }}</h1>"
    await picture(page, "template-typed-light")
    assert complaints == []


async def test_a_refused_request_is_in_the_log(house: House, browser: Any) -> None:
    """What was asked with a key is listed within seconds under the id that its answer carried."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        house.ask("POST", "/messages", {"from": "nobody"})
    with refused.value:
        wanted = refused.value.headers["x-request-id"]
    page = await inside(browser, house)
    await page.goto(f"{house.url}/requests?only=failed&operation=sendMessage")
    # The list asks again by itself.
    await page.get_by_text(wanted).wait_for(timeout=20_000)


def furnish_with_hostility(house: House) -> None:
    """The canary in every field that people, programs or strangers fill in and a page shows."""
    for path, body in {
        "/keys": {"name": CANARY[:100], "scopes": ["read"]},
        "/smtp-credentials": {"name": CANARY[:100]},
        "/roles": {"name": CANARY[:100], "permissions": ["message.read"]},
        "/webhooks": {"url": "http://127.0.0.1:9/h?" + quote(CANARY), "events": [], "description": CANARY[:100]},
    }.items():
        house.ask("POST", path, body)
    message = {
        "from": formataddr((CANARY[:60], "hello@demo.mailward.test")), "to": ["jo@example.org"],
        "subject": CANARY, "text": CANARY, "html": CANARY, "tags": ["hostile"], "metadata": {"note": CANARY[:90]},
    }  # fmt: skip
    house.ids["message"] = house.ask("POST", "/messages", message)["id"]
    house.invite("eve@demo.mailward.test")
    with Visitor(house.platform) as eve:
        eve.http.headers["user-agent"] = CANARY
        at = f"/invitation/{house.ids['invitation']}"
        form = {"name": CANARY[:100], "password": PASSWORD + " too", "again": PASSWORD + " too"}
        assert eve.post(at, at, form) == 303
        house.eve = [{"name": c.name, "value": c.value, "url": house.url} for c in eve.http.cookies.jar]
    owner = {c["name"]: c["value"] for c in house.cookies}
    with Visitor(house.platform, httpx.Cookies(owner)) as ann:
        for kind, type_ in TYPES.items():
            fields = {f.name: f.type for f in msgspec.structs.fields(type_)}
            form = {
                name: CANARY[:100] if wanted is str else "1" for name, wanted in fields.items() if wanted in (str, int)
            }
            form |= {"half": "2026-H1"} if "half" in fields else {}
            form |= {name: next(iter(t)).value for name, t in fields.items() if isinstance(t, EnumType)}
            at = f"/operator/registers/{kind.value}"
            assert ann.post(at, at, form) == 303, kind
        posted = {"title": CANARY[:100], "text": CANARY}
        assert ann.post("/operator/status", "/operator/status", posted) == 303
        signed = {"do": "sign", "name": CANARY[:100], "title": CANARY[:100], "company": CANARY[:100]}
        assert ann.post("/settings/registers", "/settings/registers", signed) == 303


@pytest.mark.claim("INPUT-1")
@pytest.mark.timeout(180)
async def test_nothing_that_anybody_typed_runs(house: House, browser: Any) -> None:
    """Names of keys, roles, people, browsers, registers, incidents, reports and messages with script in them: it is
    shown as text on every page, to the owner, to the member it came from, and to strangers."""
    await inside(browser, house)
    if "report" not in house.ids:
        await become_operator(await inside(browser, house), house)
    await asyncio.to_thread(furnish_with_hostility, house)
    looker = await Looker.at(browser, house)
    page = looker.page
    house.ids["followed"] = await report(page, house, CANARY[:150], CANARY)
    page.on("dialog", lambda d: looker.faults.append(f"a dialog on {page.url}"))
    shown = 0

    async def walk(pages: dict[str, str]) -> None:
        nonlocal shown
        for name, path in pages.items():
            await page.goto(house.url + path.format(**house.ids))
            if "pwned" in (await page.title()).replace(CANARY, "").replace(CANARY[:100], ""):
                looker.faults.append(f"{name}: it ran")
            made = await page.locator("img[src='x'], svg[onload], main script:not([src]), [onerror]").count()
            if made:
                looker.faults.append(f"{name}: {made} elements were made")
            shown += "<script>document.title" in await page.inner_text("body")

    public = {n: p for n, p in STRANGERS.items() if n not in REFUSALS and not n.startswith(("setup", "invitation"))}
    await walk(public)
    await page.context.add_cookies(house.cookies)
    await page.goto(f"{house.url}/operator/reports")
    house.ids["report"] = await page.locator("main a[href^='/operator/reports/']").first.get_attribute("href")
    await walk({n: p for n, p in PAGES.items() if n not in REFUSALS} | OPERATORS)
    await page.context.clear_cookies()
    await page.context.add_cookies(house.eve)
    await walk({n: PAGES[n] for n in ("overview", "messages", "security", "workspaces")})
    assert shown >= 12, "the canary is seen, as text"
    # What a letter's own HTML would load is refused in its frame, and says so; no script was even tried.
    assert [c for c in looker.complaints if "script" in c.lower()] == []
    assert (looker.faults, looker.elsewhere) == ([], [])
