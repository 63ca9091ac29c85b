"""The application over a platform in memory, and a client that speaks ASGI to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from mailward.edges.web import app
from mailward.edges.web.endpoint import Services
from mailward.edges.web.limits import LocalLimiter, WebLimits
from tests.edges.web.fake_platform import (
    ADMIN,
    CountingEntropy,
    FakeAuthenticator,
    FakePlatform,
    FakeReadiness,
    FixedClock,
)

SEND: dict[str, Any] = {
    "from": "Ada <ada@example.com>",
    "to": ["bob@example.net"],
    "subject": "Hello",
    "text": "Hi Bob",
}


@dataclass
class Site:
    """The application with everything it stands on."""

    front: app.Front
    services: Services
    platform: FakePlatform
    authenticator: FakeAuthenticator
    readiness: FakeReadiness
    clock: FixedClock

    def client(self, key: str | None = ADMIN, peer: str = "127.0.0.1", scheme: str = "http") -> httpx.AsyncClient:
        """A client with that key, seen as coming from `peer`."""
        transport = httpx.ASGITransport(self.front, client=(peer, 40000))
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://mailward.test", headers=headers)


def make_site(limits: WebLimits | None = None, **more: Any) -> Site:
    """A fresh site."""
    platform, authenticator, readiness, clock = FakePlatform(), FakeAuthenticator(), FakeReadiness(), FixedClock()
    services = Services(
        platform=platform,
        authenticator=authenticator,
        limiter=LocalLimiter(clock.monotonic),
        clock=clock,
        entropy=CountingEntropy(),
        limits=limits or WebLimits(),
        **more,
    )
    return Site(app.build(services, readiness), services, platform, authenticator, readiness, clock)


@pytest.fixture
def site() -> Site:
    """The application over a platform in memory."""
    return make_site()


@pytest.fixture
async def api(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of every scope."""
    async with site.client() as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, body: bytes | Any, **headers: str) -> httpx.Response:
    """POST bytes as JSON, or a value encoded so."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return await client.post(path, content=raw, headers=named)
