"""Signing in with each factor in Debian's Chromium, with a virtual authenticator, on a running platform."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest

from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform
from tests.scenarios.test_every_page import ARGS, CHROMIUM, PASSWORD

EMAIL = "olive@demo.mailward.test"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform(workers=1) as made:
        yield made


class Person:
    """Somebody at a browser. Passkeys need a name, so the platform is called by one."""

    def __init__(self, page: Any, platform: Platform) -> None:
        self.page = page
        self.platform = platform
        self.url = f"http://localhost:{platform.http_port}"

    async def at(self, path: str) -> None:
        await self.page.wait_for_url(f"{self.url}{path}", timeout=15_000)

    async def press(self, words: str) -> None:
        await self.page.get_by_role("button", name=words, exact=True).first.click()

    async def sign_out(self) -> None:
        await self.press("Sign out")
        await self.at("/sign-in")

    async def password(self) -> None:
        await self.page.goto(f"{self.url}/sign-in")
        await self.page.locator("input[name=email]").fill(EMAIL)
        await self.page.locator("input[name=password]").fill(PASSWORD)
        await self.page.locator("button.primary").click()

    async def code(self, text: str, words: str = "Continue") -> None:
        await self.page.locator("input[name=code]").first.fill(text)
        await self.press(words)

    def letter(self, kind: str) -> str | None:
        """The text of the newest captured letter of a kind."""

        def ask(path: str) -> Any:
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.platform.http_port}/v1{path}",
                headers={"authorization": f"Bearer {self.platform.admin_key}"},
            )
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.loads(answer.read())

        found = ask(f"/messages?tag={kind}&limit=1")["data"]
        return str(ask(f"/messages/{found[0]['id']}/content")["text"]) if found else None

    def mailed(self) -> str:
        """The code of the newest letter with one."""
        found = re.search(r"Your code is (\d{3}) (\d{3})", self.letter("sign-in-code") or "")
        assert found is not None
        return found[1] + found[2]


@pytest.mark.claim("AUTHN-3")
@pytest.mark.timeout(120)
async def test_every_factor_signs_in_once(platform: Platform) -> None:
    """Setup link, password, TOTP, passkey, mailed code and recovery code; then sessions are listed and one is ended."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        context = await browser.new_context()
        page = await context.new_page()
        debugger = await context.new_cdp_session(page)
        await debugger.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        await debugger.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        complaints: list[str] = []
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("console", lambda m: complaints.append(m.text) if "Content Security" in m.text else None)
        olive = Person(page, platform)

        # The setup link and the password.
        found = re.search(r"/setup/(\S+)", platform.cli("setup-link").stdout)
        assert found is not None
        await page.goto(f"{olive.url}/setup/{found[1]}")
        await page.locator("input[name=workspace_name]").first.fill("Acme")
        await page.locator("input[name=email]").first.fill(EMAIL)
        await page.locator("input[name=password]").fill(PASSWORD)
        await page.locator("input[name=again]").fill(PASSWORD)
        await olive.press("Create workspace")
        await olive.at("/")

        # An authenticator app, and the codes that are shown once.
        await page.goto(f"{olive.url}/security/totp")
        image = page.locator("img[src='/security/totp.svg']")
        assert await image.evaluate("image => image.complete && image.naturalWidth > 50")
        secret = (await page.locator("main p code").inner_text()).replace(" ", "")
        app = pyotp.TOTP(secret)
        first = app.now()
        await olive.code(first, "Add it")
        recovery = await page.locator("ul.codes code").all_inner_texts()
        assert len(recovery) == 10

        # A passkey and codes by mail beside it.
        await page.goto(f"{olive.url}/security")
        await olive.press("Add a passkey or security key")
        await page.get_by_role("cell", name="Passkey or security key").wait_for()
        await olive.press("Use codes by email")
        await page.get_by_label("Code from the letter").wait_for()
        await olive.code(olive.mailed(), "Turn codes by email on")
        await page.get_by_role("cell", name="Code by email").first.wait_for()
        await olive.sign_out()

        # The passkey alone; then the password with the passkey as second factor.
        await olive.press("Sign in with a passkey")
        await olive.at("/")
        await olive.sign_out()
        await olive.password()
        await olive.at("/sign-in/factor")
        await olive.press("Use a passkey or security key")
        await olive.at("/")
        await olive.sign_out()

        # A code of the app that was used already is refused; a fresh one signs in.
        await olive.password()
        await olive.at("/sign-in/factor")
        await olive.code(first)
        await page.get_by_role("alert").wait_for()
        # The next step's code lies in the window, so nobody has to wait for it.
        await olive.code(app.at(int(time.time()) + 30))
        await olive.at("/")
        await olive.sign_out()

        # A mailed code, and a recovery code that works once.
        await olive.password()
        await olive.at("/sign-in/factor")
        await olive.press("Send me a code by email")
        await page.get_by_role("status").first.wait_for()
        await olive.code(olive.mailed())
        await olive.at("/")
        await olive.sign_out()
        for again in (False, True):
            await olive.password()
            await olive.at("/sign-in/factor")
            await olive.code(recovery[0])
            if again:
                await page.get_by_role("alert").wait_for()
                await olive.code(recovery[1])
            await olive.at("/")
            if not again:
                await olive.sign_out()

        # Elsewhere, too; seen in the list, and ended from here.
        other = await browser.new_context()
        there = Person(await other.new_page(), platform)
        await there.password()
        await there.at("/sign-in/factor")
        await there.code(recovery[2])
        await there.at("/")
        await page.goto(f"{olive.url}/security")
        await page.get_by_role("button", name="End the session on").first.click()
        await olive.at("/security")
        await there.page.goto(f"{there.url}/messages")
        await there.at("/sign-in")

        # A forgotten password: the letter's link asks for the factor, a mailed code does not count, all sessions end.
        await there.page.goto(f"{there.url}/forgot")
        await there.page.locator("input[name=email]").fill(EMAIL)
        await there.press("Send the letter")
        await there.page.get_by_role("status").wait_for()
        await asyncio.to_thread(wait_until, lambda: there.letter("password-reset") is not None, "the letter")
        link = re.search(r"/reset/\S+", there.letter("password-reset") or "")
        assert link is not None
        await there.page.goto(there.url + link[0])
        for code, ends in ((olive.mailed(), link[0]), (recovery[3], "/sign-in")):
            for field in ("password", "again"):
                await there.page.locator(f"input[name={field}]").fill(PASSWORD + " anew")
            await there.code(code, "Set the password")
            await there.at(ends)
        await page.goto(f"{olive.url}/messages")
        await olive.at("/sign-in")
        assert complaints == []
        await browser.close()
