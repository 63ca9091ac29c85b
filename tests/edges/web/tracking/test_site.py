"""What strangers hear at a tracking host."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from mailward.base.errors import Unavailable
from mailward.edges.web.auth import Origin
from mailward.edges.web.limits import LocalLimiter
from mailward.edges.web.tracking.ports import Answer, Visit
from mailward.edges.web.tracking.site import IMAGE, RATE, TrackingSite
from mailward.protocol.tracking.tokens import Kind

HOST = "mw-link.a.example"
TARGET = "https://x.example/?a=1&b=2"


class FakeVisits:
    """Knows one token of each kind; keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[Visit, Kind]] = []
        self.out: list[bool] = []
        self.away = False

    async def visit(self, v: Visit, kind: Kind) -> Answer:
        if self.away:
            raise Unavailable("away", "Not now.")
        self.seen.append((v, kind))
        if v.token == "old":
            return Answer.OVER
        return Answer(TARGET if kind is Kind.CLICK else "") if v.token == "good" else Answer.NOBODY

    async def opt_out(self, v: Visit, *, sure: bool) -> Answer:
        self.out.append(sure)
        return Answer("") if v.token == "good" else Answer.NOBODY


class Stranger:
    """A browser at that host, over TLS unless said otherwise."""

    def __init__(self) -> None:
        self.visits = FakeVisits()
        self.now = 0.0
        site = TrackingSite(self.visits, Origin([ip_network("10.0.0.0/8")]), LocalLimiter(lambda: self.now))
        self.site: Any = site

    async def ask(self, method: str, path: str, *, scheme: str = "https", **headers: str) -> httpx.Response:
        """One request."""
        transport = httpx.ASGITransport(self.site, client=("192.0.2.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://{HOST}:8443") as client:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=given)


@pytest.fixture
def stranger() -> Stranger:
    """Somebody."""
    return Stranger()


async def test_a_click_goes_where_it_was_signed_to(stranger: Stranger) -> None:
    """302 to the target, not kept by anything on the way, and nothing of who asks but what rules need."""
    answer = await stranger.ask("GET", "/c/good", user_agent="Firefox/1", sec_purpose="prefetch", sec_gpc="1")
    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    assert answer.headers["cache-control"] == "no-store" and "set-cookie" not in answer.headers
    ((visit, kind),) = stranger.visits.seen
    assert (visit, kind) == (Visit(HOST, "good", "GET", "Firefox/1", "prefetch", True), Kind.CLICK)


@pytest.mark.parametrize("path", ["/c/bad", "/p/bad", "/c/", "/c/good/", "//c/good", "/x/good", "/", "/sign-in", "/c"])
async def test_what_is_nobodys_leads_nowhere(stranger: Stranger, path: str) -> None:
    """404 without a way on."""
    answer = await stranger.ask("GET", path)
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


async def test_links_end_with_their_message(stranger: Stranger) -> None:
    """410, and no way on."""
    answer = await stranger.ask("GET", "/c/old")
    assert (answer.status_code, answer.headers.get("location")) == (410, None)


async def test_the_image_is_the_same_for_everybody(stranger: Stranger) -> None:
    """43 octets, whatever the token; other sites may show it."""
    for token in ("good", "bad"):
        answer = await stranger.ask("GET", f"/o/{token}.gif")
        assert (answer.status_code, answer.content, len(IMAGE)) == (200, IMAGE, 43)
        assert answer.headers["content-type"] == "image/gif"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (await stranger.ask("HEAD", "/o/good.gif")).content == b""


async def test_only_the_button_opts_out(stranger: Stranger) -> None:
    """A GET shows the page and a POST does it; the page needs no script and takes none."""
    page = await stranger.ask("GET", "/p/good")
    assert page.status_code == 200 and '<form method="post">' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await stranger.ask("POST", "/p/good")).status_code == 200
    assert (await stranger.ask("POST", "/c/good")).status_code == 404
    assert stranger.visits.out == [False, True]


async def test_in_the_clear_nothing_is_answered(stranger: Stranger) -> None:
    """Beyond loopback plain HTTP is refused, before anything is looked up."""
    assert (await stranger.ask("GET", "/c/good", scheme="http")).status_code == 403
    assert not stranger.visits.seen


async def test_too_many_are_told_so_and_images_still_come(stranger: Stranger) -> None:
    """Past the rate a click is 429; an image is sent, and nobody is asked what it means."""
    for _ in range(RATE.quota):
        await stranger.site._limiter.take("192.0.2.9", RATE)
    answer = await stranger.ask("GET", "/c/good")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert (await stranger.ask("GET", "/o/good.gif")).content == IMAGE
    assert not stranger.visits.seen


async def test_a_store_that_is_away_is_no_refusal(stranger: Stranger) -> None:
    """503: the link is good, and somebody may try again."""
    stranger.visits.away = True
    assert (await stranger.ask("GET", "/c/good")).status_code == 503
