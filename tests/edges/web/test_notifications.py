"""The address where SNS posts: bounded, over private connections, and as honest as the rest."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from mailward.base.errors import MailwardError, Unauthenticated, Unavailable
from mailward.edges.web.auth import Origin
from mailward.edges.web.public.notifications import NotificationEndpoint


class Taker:
    """Remembers what it was given; raises what it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.bodies: list[bytes] = []

    async def __call__(self, body: bytes) -> None:
        self.bodies.append(body)
        if self.error is not None:
            raise self.error


async def call(
    taker: Taker, body: bytes = b"{}", *, method: str = "POST", client: str = "127.0.0.1", length: int | None = -1
) -> tuple[int, dict[str, Any]]:
    """Status and problem of one request; `length` None leaves Content-Length out."""
    headers = [] if length is None else [(b"content-length", str(len(body) if length == -1 else length).encode())]
    scope = {"type": "http", "method": method, "scheme": "http", "client": (client, 1), "headers": headers}
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await NotificationEndpoint(taker, Origin([]))(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"] or b"{}")


async def test_a_notification_is_taken() -> None:
    """200 without a body, once it is settled."""
    taker = Taker()
    assert await call(taker, b'{"a":1}') == (200, {})
    assert taker.bodies == [b'{"a":1}']


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unauthenticated("notification_refused", "No."), 401),
        (Unavailable("report_early", "Later."), 503),
        (ValueError("secret"), 500),
    ],
)
async def test_what_the_taker_raises_is_told(error: Exception, status: int) -> None:
    """Unsigned is 401, too early is 503 so that it comes again, and a fault says nothing of itself."""
    told = await call(Taker(error))
    assert told[0] == status
    assert "secret" not in json.dumps(told[1])
    if isinstance(error, MailwardError):
        assert told[1]["code"] == error.code


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"method": "GET"}, 405),
        ({"length": None}, 411),
        ({"body": b"x" * 300_000}, 413),
        ({"body": b"x", "length": 5}, 400),
        ({"client": "192.0.2.1"}, 403),
    ],
)
async def test_nothing_else_reaches_the_taker(request_: dict[str, Any], status: int) -> None:
    """Another method, no length, too long, broken off, over a connection that others can read."""
    taker = Taker()
    assert (await call(taker, **request_))[0] == status
    assert taker.bodies == []
