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
    with Platform(workers=1, settings={"sign_in.provider": [one]}) as made:
        yield made


def mailed(platform: Platform) -> str:
    """The path of the invitation in the newest captured letter."""

    def ask(path: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{platform.http_port}/v1{path}",
            headers={"authorization": f"Bearer {platform.admin_key}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    [newest, *_] = ask("/messages?tag=invitation&limit=1")["data"]
    found = re.search(r"/invitation/mwi_[0-9A-Za-z]+", ask(f"/messages/{newest['id']}/content")["text"])
    assert found is not None
    return found[0]


@pytest.mark.claim("AUTHN-4")
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
        await browser.close()
