"""Every page of a running platform in Debian's Chromium: accessible in both lights, quiet, small, and on a picture."""

from __future__ import annotations

import gzip
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.pages import PAGES, STRANGERS
from tests.scenarios.peers import REPOSITORY, wait_until
from tests.scenarios.platform import Platform

CHROMIUM = "/usr/bin/chromium"
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
PICTURES = Path(os.environ.get("MAILWARD_SCREENSHOTS") or REPOSITORY / "build" / "screenshots")
# Rules of WCAG 2.2 up to AA and the common good practices; nothing is left out.
AXE = {"resultTypes": ["violations"]}
LARGEST = 100_000
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a platform that lives for this test


class House:
    """A platform with a little of everything, and the ids of it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.url = f"http://127.0.0.1:{platform.http_port}"
        self.ids: dict[str, str] = {}
        self.cookies: list[Any] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API with the administrator's key."""
        request = urllib.request.Request(
            f"{self.url}/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self.platform.admin_key}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

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
        route = {"domain": "demo.mailward.test", "kind": "catch_all", "url": "http://127.0.0.1:9/in"}
        self.ids["route"] = self.ask("POST", "/routes", route)["id"]
        wait_until(lambda: self.ask("GET", f"/messages/{self.ids['bounced']}")["status"] == "partly", "delivery", 20)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    platform = Platform(workers=1)
    with platform:
        made = House(platform)
        made.furnish()
        yield made


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield made
        await made.close()


async def come_in(page: Any, house: House) -> None:
    """Through the setup link, as the first person does."""
    found = re.search(r"/setup/(\S+)", house.platform.cli("setup-link").stdout)
    assert found is not None
    await page.goto(f"{house.url}/setup/{found[1]}")
    for label, text in (("Workspace name", "Acme"), ("Your email address", "ann@example.com")):
        await page.get_by_label(label).first.fill(text)
    for name in ("password", "again"):
        await page.locator(f"input[name={name}]").first.fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{house.url}/", timeout=15_000)


async def inside(browser: Any, house: House, **kw: Any) -> Any:
    """A page of another window in which the same person is signed in."""
    context = await browser.new_context(**kw)
    if not house.cookies:
        await come_in(await context.new_page(), house)
        house.cookies = await context.cookies()
    await context.add_cookies(house.cookies)
    return await context.new_page()


@pytest.mark.asvs("14.2.3")
@pytest.mark.claim("INPUT-1")
@pytest.mark.timeout(180)
async def test_every_page_is_accessible_quiet_and_small(house: House, browser: Any) -> None:
    """No axe violation in light or dark, no complaint of the browser, no request elsewhere, under 100 kB, no sideways scroll."""
    from axe_playwright_python.base import AXE_SCRIPT

    axe = AXE_SCRIPT
    PICTURES.mkdir(parents=True, exist_ok=True)
    # The page's own policy forbids foreign script, as it should: axe is put in by the debugger, which it does not bind.
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = await context.new_page()
    elsewhere: list[str] = []
    complaints: list[str] = []
    sizes: dict[str, int] = {}
    page.on("request", lambda r: None if r.url.startswith((house.url, "data:")) else elsewhere.append(r.url))
    page.on("console", lambda m: complaints.append(f"{page.url} {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: complaints.append(f"{page.url} {e}"))
    faults: list[str] = []

    async def look(name: str, path: str, light: str) -> None:
        answer = await page.goto(house.url + path.format(**house.ids))
        assert answer is not None
        if answer.status >= 400 and name != "problem":
            faults.append(f"{name}: status {answer.status}")
        if name not in STRANGERS and page.url.endswith("/sign-in"):
            faults.append(f"{name}: nobody is signed in")
        if light == "light":
            sizes[name] = len(gzip.compress(await answer.body()))
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            faults.append(f"{name} {light}: {wide} px too wide")
        await page.screenshot(path=PICTURES / f"{name}-{light}.png", full_page=True)
        if light != "phone":
            found = await page.evaluate(
                f"(async () => {{ {axe}\n; return await axe.run(document, {json.dumps(AXE)}); }})()"
            )
            for v in found["violations"]:
                faults.append(f"{name} {light}: {v['id']}: {v['nodes'][0]['html'][:160]}")

    for name, path in STRANGERS.items():
        await look(name, path, "light")
    await come_in(page, house)
    house.cookies = await context.cookies()
    for light in ("light", "dark"):
        await page.emulate_media(color_scheme=light)
        for name, path in PAGES.items():
            await look(name, path, light)
    await page.set_viewport_size({"width": 390, "height": 844})
    for name, path in PAGES.items():
        await look(name, path, "phone")
    complaints = [c for c in complaints if "404" not in c]
    shared = sum(
        len(gzip.compress((REPOSITORY / "src/mailward/edges/web/dashboard/static" / f).read_bytes()))
        for f in ("app.css", "app.js", "plots.js", "vendor/htmx-4.0.1.min.js", "vendor/uplot-1.6.32.min.js")
    )
    assert (faults, complaints, elsewhere) == ([], [], [])
    assert {n: s for n, s in sizes.items() if s + shared > LARGEST} == {}


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
