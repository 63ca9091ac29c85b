"""Clients of the real web application, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from mailward_client import AsyncMailward, Mailward, Retries
from tests.edges.web.conftest import Site, make_site
from tests.edges.web.fake_platform import ADMIN

URL = "http://127.0.0.1"


class InProcess(httpx.BaseTransport):
    """Speaks ASGI to an application from code that does not await."""

    def __init__(self, site: Site) -> None:
        self._inner = httpx.ASGITransport(site.front, client=("127.0.0.1", 40000))
        self._loop = asyncio.new_event_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, to its end."""
        return self._loop.run_until_complete(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(
            httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    def close(self) -> None:
        """End its loop."""
        self._loop.close()


@pytest.fixture
def site() -> Site:
    """The application over a platform in memory."""
    return make_site()


@pytest.fixture
def mail(site: Site) -> Iterator[Mailward]:
    """The synchronous client, with a key of every scope, that never waits."""
    with Mailward(URL, ADMIN, transport=InProcess(site), sleep=lambda _: None) as client:
        yield client


@pytest.fixture
def mail_async(site: Site) -> AsyncMailward:
    """The asynchronous client of the same."""
    transport = httpx.ASGITransport(site.front, client=("127.0.0.1", 40000))
    return AsyncMailward(URL, ADMIN, transport=transport, retries=Retries(attempts=1))
