"""Received mail without a store: routes in a dict, and one message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.edges.web.schema import inbound, messages
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Actor

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ROUTE = ids.encode("rte", b"\x01" * 16)
MESSAGE = ids.encode("rcv", b"\x02" * 16)


def route(**more: Any) -> dict[str, Any]:
    """Everything a route shows."""
    return {
        "id": ROUTE, "domain": "in.example.com", "kind": "exact", "pattern": "help", "url": "https://x.example/in",
        "with_credentials": True, "format": "mailward", "mode": "store", "authorize_url": "", "require_tls": False,
        "on_scanner_down": "defer", "attachments": "inline", "signature": "hmac", "description": "",
        "enabled": True, "created_at": NOW, **more,
    }  # fmt: skip


def message(**more: Any) -> dict[str, Any]:
    """One line of the list."""
    copy = inbound.Copy(route=ROUTE, state="failed", attempts=10)
    return {
        "id": MESSAGE, "received_at": NOW, "mail_from": "ada@example.org", "recipients": ["help@in.example.com"],
        "from_": "Ada <ada@example.org>", "subject": "<b>Hi</b>", "message_id": "<1@x>", "size": 10,
        "remote_ip": "192.0.2.1", "tls_version": "TLSv1.3", "spf": "pass", "dkim": "none", "dmarc": "pass",
        "scan": "clean", "reason": None, "copies": [copy], **more,
    }  # fmt: skip


def detail(**more: Any) -> inbound.ReceivedDetail:
    """The same with everything."""
    authentication = {
        "spf": {"result": "pass", "domain": "example.org", "reason": "it is listed"},
        "dkim": [], "dmarc": {"result": "pass", "domain": "example.org", "policy": "none", "reason": ""},
        "arc": {"result": "none", "sealers": [], "reason": ""},
    }  # fmt: skip
    scan = {"verdict": "clean", "reason": "", "engines": ["yara"], "matches": []}
    return inbound.ReceivedDetail(
        **message(), to="help@in.example.com", helo="mx.example.org", tls_cipher="TLS_AES_256_GCM_SHA384",
        sha256="0" * 64, content_kept=True, authentication=authentication, scan_report=scan, defects=["bare_newline"],
        processing_ms=1.5, **more,
    )  # fmt: skip


class FakeInbound:
    """A dict of routes and one message."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {ROUTE: route()}
        self.done: list[tuple[str, str]] = []

    def _route(self, id: str) -> dict[str, Any]:
        if id not in self.kept:
            raise NotFound("not_found", "There is no route with that id.")
        return self.kept[id]

    def _message(self, id: str) -> None:
        if id != MESSAGE:
            raise NotFound("not_found", "There is no received message with that id.")

    async def create_route(self, actor: Actor, request: inbound.CreateRoute) -> inbound.NewRoute:
        facts = route(id=ids.encode("rte", bytes([len(self.kept) + 1]) * 16), domain=request.domain, url=request.url)
        self.kept[facts["id"]] = facts
        return inbound.NewRoute(**facts, secret="whsec_x")

    async def routes(self, actor: Actor, query: PageQuery) -> inbound.RoutePage:
        return inbound.RoutePage(data=[inbound.Route(**f) for f in self.kept.values()][: query.limit])

    async def route(self, actor: Actor, route: str) -> inbound.Route:
        return inbound.Route(**self._route(route))

    async def change_route(self, actor: Actor, route: str, request: inbound.ChangeRoute) -> inbound.Route:
        if isinstance(request.enabled, bool):
            self._route(route)["enabled"] = request.enabled
        return inbound.Route(**self._route(route))

    async def remove_route(self, actor: Actor, route: str) -> None:
        self._route(route)
        del self.kept[route]

    async def rotate_secret(self, actor: Actor, route: str) -> inbound.NewRoute:
        return inbound.NewRoute(**self._route(route), secret="whsec_y")

    def _replay(self, route: str) -> inbound.InboundReplay:
        self._route(route)
        return inbound.InboundReplay(
            id=ids.encode("rpl", b"\x03" * 16), route=route, since=NOW, until=NOW, only="failed", total=1, waiting=1,
            handed_over=0, failed=0, finished=False, more=False,
        )  # fmt: skip

    async def replay_range(self, actor: Actor, route: str, request: inbound.ReplayRange) -> inbound.InboundReplay:
        self.done.append(("replay_range", route))
        return self._replay(route)

    async def replay_progress(self, actor: Actor, route: str, replay: str) -> inbound.InboundReplay:
        return self._replay(route)

    async def find(self, actor: Actor, query: inbound.ReceivedQuery) -> inbound.ReceivedPage:
        return inbound.ReceivedPage(data=[inbound.ReceivedSummary(**message())])

    async def get(self, actor: Actor, message: str) -> inbound.ReceivedDetail:
        self._message(message)
        return detail()

    async def attempts(self, actor: Actor, message: str, query: PageQuery) -> inbound.HandOverPage:
        self._message(message)
        attempt = inbound.HandOverAttempt(
            id=ids.encode("att", b"\x04" * 16), route=ROUTE, at=NOW, number=1, outcome="retry", status=500,
            elapsed_ms=12, response="<script>alert(1)</script>", next_try_at=NOW,
        )  # fmt: skip
        return inbound.HandOverPage(data=[attempt])

    async def raw(self, actor: Actor, message: str) -> bytes:
        self._message(message)
        return b"Subject: Hi\r\n\r\nhello\r\n"

    async def content(self, actor: Actor, message: str) -> messages.Content:
        self._message(message)
        return messages.Content(subject="<b>Hi</b>", text="hello", html="", attachments=[])

    async def replay(self, actor: Actor, message: str, request: inbound.ReplayMessage) -> inbound.Started:
        return self._started(message, "replay")

    async def release(self, actor: Actor, message: str) -> inbound.Started:
        return self._started(message, "release")

    async def discard(self, actor: Actor, message: str) -> inbound.Started:
        return self._started(message, "discard")

    async def erase(self, actor: Actor, message: str) -> None:
        self._started(message, "erase")

    def _started(self, message: str, act: str) -> inbound.Started:
        self._message(message)
        self.done.append((act, message))
        return inbound.Started(copies=1)
