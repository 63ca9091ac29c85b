"""Coming in, in Debian's Chromium on a running platform: by a mailed invitation, and with a provider."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.peers import answers, free_port, stop, wait_until
from tests.scenarios.platform import Platform
from tests.scenarios.test_every_page import ARGS, CHROMIUM, PASSWORD

OWNER, NEW = "olive@demo.mailward.test", "new@demo.mailward.test"
CLAIMS = {"sub": "olive", "email": OWNER, "email_verified": True, "name": "Olive"}

QUINN: dict[str, Any] = {"sub": "quinn", "email": "quinn@demo.mailward.test", "email_verified": True, "name": "Quinn"}


@pytest.fixture(scope="module")
def provider() -> Iterator[int]:
    """The port of a real OpenID Connect server, in a process of its own."""
    port = free_port()
    args = ["-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--host", "127.0.0.1", "--require-nonce"]
    process = subprocess.Popen(
        [sys.executable, *args, "--user-claims", json.dumps(CLAIMS), "--user-claims", json.dumps(QUINN)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port), "the provider", 30)
        yield port
    finally:
        stop(process)


@pytest.fixture(scope="module")
def platform(provider: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    secret: Path = tmp_path_factory.mktemp("provider") / "secret"
    secret.write_text("not much of a secret")
    one = {
        "name": "company", "issuer": f"http://127.0.0.1:{provider}", "client_id": "mailward",
        "client_secret_file": str(secret), "networks": ["127.0.0.0/8"],
    }  # fmt: skip
    settings = {"sign_in.provider": [one], "http.trusted_proxies": ["127.0.0.1/32"]}
    with Platform(workers=1, settings=settings) as made:
        yield made


def letters(platform: Platform, kind: str) -> list[str]:
    """The texts of the captured letters of a kind, newest first."""

    def ask(path: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{platform.http_port}/v1{path}",
            headers={"authorization": f"Bearer {platform.admin_key}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    return [ask(f"/messages/{m['id']}/content")["text"] for m in ask(f"/messages?tag={kind}&limit=9")["data"]]


def mailed(platform: Platform, kind: str = "invitation", link: str = "/invitation") -> str:
    """The path of a link in the newest letter of a kind that has it, once that is there."""

    def found() -> list[str]:
        return [m[0] for text in letters(platform, kind) if (m := re.search(rf"{link}/mw[a-z]_[0-9A-Za-z]+", text))]

    wait_until(lambda: bool(found()), f"a letter with {link}", 10)
    return found()[0]


async def sign_in(page: Any, url: str, email: str, password: str) -> None:
    """Show a password on the sign-in page."""
    await page.goto(url + "/sign-in")
    await page.locator("[name=email]").fill(email)
    await page.locator("[name=password]").fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def strange(browser: Any, platform: Platform, guest: Any, password: str) -> None:
    """Somebody signs in as the guest from a browser and a network never seen: held until the mailed link is opened.
    Then the guest says by the letter about it that it was not them: nobody is signed in, the password is worthless,
    and another one is set by the letter that follows."""
    url = f"http://127.0.0.1:{platform.http_port}"
    await guest.get_by_role("button", name="Sign out").click()
    await guest.wait_for_url(url + "/sign-in")
    await sign_in(guest, url, NEW, password)
    await guest.wait_for_url(url + "/")
    away = await (
        await browser.new_context(extra_http_headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    ).new_page()
    await sign_in(away, url, NEW, password)
    await away.get_by_role("alert").get_by_text("looks unusual").wait_for()
    await away.goto(url + mailed(platform, "sign-in-held", "/sign-in/confirm"))
    await away.get_by_role("button", name="Yes, it is me").click()
    await away.get_by_role("heading", name="Confirmed").wait_for()
    await sign_in(away, url, NEW, password)
    await away.wait_for_url(url + "/")
    told = letters(platform, "sign-in-notice")[0]
    assert "203.0.113.9" in told
    assert "HeadlessChrome" in told or "Chrom" in told
    await guest.goto(url + mailed(platform, "sign-in-notice", "/sign-in/not-me"))
    await guest.get_by_role("button", name="It was not me: end everything").click()
    await guest.get_by_role("heading", name="Everything has ended").wait_for()
    for page in (away, guest):
        await page.goto(url + "/messages")
        await page.wait_for_url(url + "/sign-in")
    await sign_in(away, url, NEW, password)
    await away.get_by_role("alert").wait_for()
    await guest.goto(url + mailed(platform, "recovery", "/reset"))
    for name in ("password", "again"):
        await guest.fill(f"[name={name}]", password + " anew")
    await guest.get_by_role("button", name="Set the password").click()
    await guest.wait_for_url(url + "/sign-in")


HOSTILE = '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'


async def unpolluted(owner: Any, url: str) -> None:
    """Objects that would become every object's prototype, from the address, from values of a request, and from what
    an answer's header has the page do, change no object that a script makes afterwards."""

    async def answer(route: Any) -> None:
        await route.fulfill(body=HOSTILE, content_type="application/json", headers={"HX-Trigger": HOSTILE})

    await owner.route("**/messages/rows*", answer)
    await owner.goto(url + "/messages?__proto__[polluted]=1&constructor.prototype.polluted=1#__proto__[polluted]=1")
    asked = "values => htmx.ajax('GET', '/messages/rows', {target: 'main', swap: 'none', values: JSON.parse(values)})"
    await owner.evaluate(asked, HOSTILE)
    assert await owner.evaluate("[({}).polluted, [].polluted, (() => 0).polluted].every(x => x === undefined)")
    await owner.unroute_all()
    await owner.evaluate("Object.prototype.polluted = 1")
    assert await owner.evaluate("({}).polluted") == 1, "the question would have seen it"


async def moved(platform: Platform, owner: Any) -> None:
    """The owner changes the address: letters go to both, both have to be confirmed; then the old one signs in no more,
    and the new one, from which nobody came yet, is asked for one thing more after the right password."""
    url = f"http://127.0.0.1:{platform.http_port}"
    await owner.goto(url + "/security")
    await owner.get_by_label("New email address").fill("moved@demo.mailward.test")
    await owner.get_by_role("button", name="Change the address").click()
    wait_until(lambda: len(letters(platform, "address-change")) == 2, "both letters", 10)
    for n, text in enumerate(letters(platform, "address-change")):
        found = re.search(r"/address/mw[a-z]_[0-9A-Za-z]+", text)
        assert found is not None
        await owner.goto(url + found[0])
        await owner.get_by_role("button", name="Confirm").click()
        await owner.get_by_role("status").wait_for()
        await owner.goto(url + "/security")
        if n == 0:
            assert await owner.get_by_text("moved@demo.mailward.test").count() == 0
    await sign_in(owner, url, OWNER, PASSWORD)
    await owner.get_by_role("alert").get_by_text("not right").wait_for()
    await sign_in(owner, url, "moved@demo.mailward.test", PASSWORD)
    await owner.get_by_text("One more thing").wait_for()


@pytest.mark.asvs("15.3.6")
@pytest.mark.claim("AUTHN-4")
@pytest.mark.claim("AUTHN-7")
@pytest.mark.claim("AUTHN-8")
@pytest.mark.timeout(120)
async def test_people_come_in_by_invitation_and_by_a_provider(platform: Platform) -> None:
    """The owner invites, somebody new joins with the mailed link, once; the owner founds a workspace and goes between
    the two; then the provider, which verified their address, signs the owner in, and the link is listed; somebody else
    joins with the provider in place of a password, once it says that the invited address is theirs."""
    from playwright.async_api import async_playwright

    url = f"http://127.0.0.1:{platform.http_port}"
    setup = re.search(r"/setup/mwl_[0-9A-Za-z]+", platform.cli("setup-link").stdout)
    assert setup is not None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        owner = await (await browser.new_context()).new_page()
        await owner.goto(url + setup[0])
        await owner.fill("[name=workspace_name]", "Acme")
        await owner.fill("[name=email]", OWNER)
        for name in ("password", "again"):
            await owner.fill(f"[name={name}]", PASSWORD)
        await owner.click("button.primary")
        await owner.wait_for_url(url + "/")

        await owner.goto(url + "/team")
        await owner.get_by_label("Email address").fill(NEW)
        await owner.get_by_role("button", name="Invite").click()
        await owner.get_by_text(NEW).wait_for()
        guest = await (await browser.new_context()).new_page()
        link = mailed(platform)
        await guest.goto(url + link)
        await guest.get_by_label("Your name").fill("Newt")
        for name in ("password", "again"):
            await guest.fill(f"[name={name}]", "orange lantern walks slowly")
        await guest.get_by_role("button", name="Join workspace").click()
        await guest.wait_for_url(url + "/")
        refused = await guest.goto(url + "/team")  # a Member does not see who works there
        assert refused is not None and refused.status == 403
        await guest.goto(url + link)
        assert "no longer works" in await guest.inner_text("h1")

        await owner.goto(url + "/workspaces")
        await owner.get_by_label("Name").fill("Beta")
        await owner.get_by_role("button", name="Found workspace").click()
        await owner.wait_for_url(url + "/")
        await owner.locator("select[name=workspace]").select_option(label="Acme")
        await owner.get_by_role("button", name="Go", exact=True).click()
        await owner.goto(url + "/team")
        assert await owner.get_by_text(NEW).count() == 1

        again = await (await browser.new_context()).new_page()
        await again.goto(url + "/sign-in")
        await again.get_by_role("link", name="Sign in with Company").click()
        await again.get_by_role("button", name="olive").click()
        await again.wait_for_url(url + "/")
        await again.goto(url + "/security")
        links = again.get_by_role("table", name="Identities that sign you in")
        assert await links.get_by_text(OWNER).count() == 1
        await again.goto(f"{url}/sign-in/with/company/callback?code=x&state=forged")
        assert "did not work" in await again.inner_text("main")

        await owner.get_by_label("Email address").fill(QUINN["email"])
        await owner.get_by_role("button", name="Invite").click()
        await owner.get_by_text(QUINN["email"]).wait_for()
        quinn, link = await (await browser.new_context()).new_page(), mailed(platform)
        for sub in ("olive", "quinn"):
            await quinn.goto(url + link)
            await quinn.get_by_role("link", name="Join with Company").click()
            await quinn.get_by_role("button", name=sub).click()
            await quinn.wait_for_url(lambda at: at.startswith(url))
            if sub == "olive":
                assert "does not vouch" in await quinn.inner_text("main")
        await quinn.wait_for_url(url + "/")
        await quinn.goto(url + "/security")
        assert await quinn.get_by_role("table", name="Identities that sign you in").get_by_text(QUINN["email"]).count()
        await guest.goto(url + "/")
        await strange(browser, platform, guest, "orange lantern walks slowly")
        await unpolluted(owner, url)
        await moved(platform, owner)
        await browser.close()
