"""The first five minutes in Debian's Chromium: an empty data folder, the printed link, a key, four blocks to paste."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform, toml
from tests.scenarios.test_every_page import ARGS, CHROMIUM, picture

OWNER = "ada@demo.mailward.test"
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


class FreshPlatform(Platform):
    """`mailward up` on a folder that is not there yet, with nothing prepared beside its settings."""

    def start(self) -> None:
        """Run it. There is no key but those it prints."""
        self.config.write_text(toml(self._values))
        self.launch()

    @property
    def link(self) -> str:
        """The path of the printed setup link."""
        wait_until(lambda: "/setup/" in self.log, "the setup link", 20)
        found = re.search(r"/setup/mwl_[0-9A-Za-z]+", self.log)
        assert found is not None
        return found[0]


@pytest.fixture(scope="module")
def platform() -> Iterator[FreshPlatform]:
    made = FreshPlatform(workers=1)
    with made:
        yield made


def paste(block: str, text: str, folder: Path) -> str:
    """Run a block as somebody would who pasted it into a terminal or a file; what it printed."""
    match block:
        case "curl" | "smtp":
            command = ["bash", "-c", text]
        case "python":
            (folder / "first.py").write_text(text)
            command = [sys.executable, "-I", str(folder / "first.py")]
        case _:
            (folder / "first.js").write_text(text)
            command = ["node", str(folder / "first.js")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (block, done.stdout[-500:], done.stderr[-1500:])
    return done.stdout


@pytest.mark.claim("INPUT-1")
@pytest.mark.timeout(120)
async def test_from_nothing_to_mail_that_is_delivered(platform: FreshPlatform, tmp_path: Path) -> None:
    """The printed link, a passkey, a key that is shown once; each block works as it stands, and each message appears
    on the open page by itself and is delivered without leaving the machine."""
    from playwright.async_api import async_playwright

    printed, url = f"http://127.0.0.1:{platform.http_port}", f"http://localhost:{platform.http_port}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        elsewhere: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda r: None if r.url.startswith((url, printed, "data:")) else elsewhere.append(r.url))
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))

        debugger = await context.new_cdp_session(page)
        await debugger.send("WebAuthn.enable")
        await debugger.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

        # Browsers know no passkeys for an address; the page leads to the name.
        await page.goto(printed + platform.link)
        await picture(page, "setup-light")
        await page.get_by_role("link", name="Open this page at localhost").click()
        await page.wait_for_url(url + platform.link)
        await page.get_by_label("Workspace name").fill("Analytical Engines")
        await page.get_by_label("Your email address").fill(OWNER)
        await page.get_by_role("button", name="Create workspace with a passkey").click()
        await page.wait_for_url(f"{url}/", timeout=15_000)
        assert await page.locator("h1").inner_text() == "Analytical Engines"
        banner = await page.get_by_label("Capture mode").inner_text()
        assert "Nothing leaves this machine until a host name is set" in banner
        assert await page.get_by_text("No messages yet").is_visible()
        key = await page.locator("#first-key").inner_text()
        assert re.fullmatch(r"mwk_[0-9A-Za-z]{49}", key)
        await picture(page, "first-key-light")

        await page.evaluate("window.untouched = true")
        for block, name in (("curl", "curl"), ("python", "Python"), ("node", "Node"), ("smtp", "SMTP")):
            text = await page.locator(f"#with-{block}").text_content() or ""
            said = await asyncio.to_thread(paste, block, text, tmp_path)
            assert block == "smtp" or "msg_" in said, said
            await page.get_by_role("link", name=f"Hello from {name}", exact=True).wait_for(timeout=10_000)
        assert await page.evaluate("window.untouched") is True
        delivered = page.locator("#live-messages .s-delivered")
        await delivered.nth(3).wait_for(timeout=15_000)
        await picture(page, "first-messages-light")

        await page.get_by_role("link", name="Hello from Node", exact=True).click()
        await page.get_by_text("Attempt 1: Delivered").wait_for()
        await picture(page, "first-explained-light")

        # Reloading the first page, or going back to it, shows no secret; nor does the spent link, to anybody.
        await page.go_back()
        await page.reload()
        assert page.url == f"{url}/"
        assert key not in await page.content()
        await page.goto(url + platform.link)
        assert page.url == f"{url}/"
        stranger = await (await browser.new_context()).new_page()
        gone = await stranger.goto(url + platform.link)
        assert gone is not None and gone.status == 404
        assert (elsewhere, complaints) == ([], [])
        await browser.close()
