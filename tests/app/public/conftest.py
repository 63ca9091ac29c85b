"""An installation in a folder of its own, and its public pages asked in this process."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.routing import Router

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.installation import Installation
from mailward.app.public.reading import PublicReader
from mailward.app.settings import Http, Server, Settings
from mailward.edges.web.auth import Origin
from mailward.edges.web.limits import LocalLimiter
from mailward.edges.web.trust.site import routes
from tests.app.guard.solving import solution


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return html.unescape(self.body.decode())


class Site:
    """The pages as the web server would call them."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.reader = PublicReader(installation)
        limiter = LocalLimiter(installation.clock.monotonic)
        self.app = Router(routes(self.reader, "https://mail.example", Origin(), limiter))

    def proof(self) -> str:
        """A solved puzzle, as the form's script would send it."""
        return solution(self.reader._challenges.offer(now=self.reader.now))

    def forget(self) -> None:
        """As after the seconds for which answers are kept."""
        self.reader._kept.clear()

    async def ask(
        self, path: str, body: bytes | None = None, *, peer: str = "127.0.0.1", scheme: str = "http", **headers: str
    ) -> Answer:
        sent: list[dict[str, Any]] = []
        fields = [(b"host", b"mail.example")] + [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        if body is not None:
            fields.append((b"content-type", b"application/x-www-form-urlencoded"))
        scope = {
            "type": "http", "method": "GET" if body is None else "POST", "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": fields, "client": (peer, 1), "scheme": scheme, "root_path": "",
            "http_version": "1.1", "server": ("mail.example", 443),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body or b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers_back = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers_back, b"".join(m.get("body", b"") for m in sent[1:]))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A fresh installation with its public pages."""
    settings = Settings(server=Server(data=str(tmp_path)), http=Http(public_url="https://mail.example"))
    installation = Installation(settings, worker=0)
    SqliteStore.prepare(tmp_path, installation.vault.database_key(), SystemClock())
    await installation.open()
    yield Site(installation)
    await installation.close()
