"""The dashboard in Debian's Chromium: come in, watch a message arrive, open it; hostile mail runs and loads nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from tests.edges.web.dashboard.fake import CANARY, FakePlatform
from tests.edges.web.fake_inbound import MESSAGE, ROUTE

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


class Served:
    """The dashboard over a platform in memory, on a real port."""

    def __init__(self, platform: FakePlatform, url: str) -> None:
        self.platform, self.url = platform, url


@pytest.fixture
async def served(entropy: Any) -> AsyncIterator[Served]:
    import socket

    from granian.constants import Interfaces
    from granian.server.embed import Server

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    platform = FakePlatform()
    around = Surroundings(public_url=f"http://127.0.0.1:{port}")
    app = Starlette(routes=routes(platform, around, entropy))
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
    task = asyncio.create_task(server.serve())
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.05)
    yield Served(platform, around.public_url)
    server.stop()  # type: ignore[no-untyped-call]
    await task


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield made
        await made.close()


async def watch(browser: Any, served: Served, **kw: Any) -> tuple[Any, list[str], list[str]]:
    """A page that records each request to another place and everything the browser complains about."""
    context = await browser.new_context(**kw)
    page = await context.new_page()
    elsewhere: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda r: None if r.url.startswith((served.url, "data:")) else elsewhere.append(r.url))
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("dialog", lambda d: asyncio.ensure_future(d.accept()))
    return page, elsewhere, complaints


async def come_in(page: Any, served: Served) -> None:
    """Through the setup link, by keyboard."""
    await page.goto(f"{served.url}/setup/good")
    await page.keyboard.type("Acme")
    for text in ("ann@example.com", "correct horse battery", "correct horse battery"):
        await page.keyboard.press("Tab")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{served.url}/", timeout=8000)


@pytest.mark.claim("INPUT-1")
async def test_a_message_arrives_live_and_is_explained(served: Served, browser: Any) -> None:
    """Sign in by the setup link, see a message appear without reloading, open it and read why it went where it went."""
    page, elsewhere, complaints = await watch(browser, served)
    await come_in(page, served)
    assert await page.locator("#live-messages tr").count() == 0
    await page.evaluate("window.untouched = true")
    served.platform.text = "plain"
    served.platform.arrive("Your receipt", status="delivered", to="jo@example.org")
    link = page.get_by_role("link", name="Your receipt")
    await link.wait_for(timeout=8000)
    assert await page.evaluate("window.untouched") is True
    await link.click()
    await page.get_by_text("Attempt 2: Delivered").wait_for()
    assert await page.get_by_text("220 mx.example ESMTP").count() == 2
    assert (elsewhere, complaints) == ([], [])


@pytest.mark.asvs("1.2.1", "1.2.3", "3.2.2", "14.2.3")
@pytest.mark.claim("INPUT-1")
async def test_hostile_mail_runs_nothing_and_loads_nothing(served: Served, browser: Any) -> None:
    """Canaries in every field and in the HTML: no script runs, no dialog opens, no request leaves, on any page."""
    page, elsewhere, complaints = await watch(browser, served)
    await come_in(page, served)
    message = served.platform.arrive(CANARY)
    for path in (
        *("/", "/messages", f"/messages/{message}", f"/messages/{message}/text", f"/messages/{message}/headers"),
        *("/domains/dom_1", "/keys", "/suppressions", "/webhooks", "/webhooks/whk_1", "/audit"),
        *("/webhooks/whk_1/events/evt_1", "/received", f"/received/{MESSAGE}", "/routes", f"/routes/{ROUTE}"),
        *("/requests", "/settings", "/?span=7d"),
    ):
        await page.goto(served.url + path)
        assert "pwned" not in (await page.title()).replace(CANARY, ""), path
        assert await page.locator("img, [onerror], main script").count() == 0, path
    assert complaints == []
    await page.goto(f"{served.url}/messages/{message}/html")
    frame = page.frame_locator("iframe.mail")
    await frame.get_by_text("Dear reader").wait_for()
    await frame.get_by_text("go", exact=True).click()
    await asyncio.sleep(0.5)
    assert "pwned" not in (await page.title()).replace(CANARY, "")
    assert page.url.endswith("/html")
    await page.goto(f"{served.url}/messages/{message}/frame")
    await page.get_by_text("Dear reader").wait_for()
    assert await page.title() == "Message"
    assert elsewhere == []


async def test_what_a_reader_opened_stays_open(served: Served, browser: Any) -> None:
    """A list that refreshes itself does not close what somebody is reading, nor move the focus."""
    page, _, complaints = await watch(browser, served)
    await come_in(page, served)
    served.platform.text = "it said no"
    await page.goto(f"{served.url}/webhooks/whk_1")
    await page.get_by_text("what it said").first.click()
    async with page.expect_response("**/attempts"):
        pass
    await asyncio.sleep(0.3)
    assert await page.get_by_text("it said no").last.is_visible() is False
    assert await page.locator("details[open]").count() == 1
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert complaints == []


async def test_pages_fit_a_phone_and_both_lights(served: Served, browser: Any, tmp_path: Path) -> None:
    """At 390 pixels no page scrolls sideways; dark and light have different paper; pictures are kept if asked for."""
    folder = Path(os.environ.get("MAILWARD_SCREENSHOTS") or tmp_path)
    served.platform.text = "ok"
    for i, status in enumerate(("delivered", "bounced", "queued", "held")):
        served.platform.arrive(f"Invoice {i} for the month of March", status=status, to=f"customer{i}@example.org",
                               from_="Acme Billing <billing@acme.example>", tags=["invoice"],
                               metadata={"order": "A-17"})  # fmt: skip
    papers = set()
    cookies: list[Any] = []
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        page, _, complaints = await watch(
            browser, served, color_scheme=scheme, viewport={"width": width, "height": 844}
        )
        if cookies:
            await page.context.add_cookies(cookies)
        else:
            await page.goto(f"{served.url}/setup/good")
            await page.screenshot(path=folder / "setup.png")
            await come_in(page, served)
            cookies = await page.context.cookies()
        message = served.platform.kept[0].id
        for name, path in {
            "overview": "/", "messages": "/messages", "message": f"/messages/{message}",
            "html": f"/messages/{message}/html", "domain": "/domains/dom_1", "keys": "/keys",
            "suppressions": "/suppressions", "webhooks": "/webhooks", "webhook": "/webhooks/whk_1", "audit": "/audit",
        }.items():  # fmt: skip
            await page.goto(served.url + path)
            overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, (name, width, overflow)
            await page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
        papers.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert complaints == []
    assert len(papers) == 2
