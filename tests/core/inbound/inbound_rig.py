"""A world with routes and received messages, on whichever store the test runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from mailward.adapters.storage.records import BodyRef
from mailward.base import ids
from mailward.core.audit.model import to_entry
from mailward.core.inbound import routes
from mailward.core.inbound.lease import lease
from mailward.core.inbound.model import CopyState, HandedOver, InboundRoute, ReceivedFacts, Reception, Result, Work
from mailward.core.inbound.receive import receive
from mailward.core.inbound.routes import Allowed, RouteDraft, Shown
from mailward.core.inbound.settle import settle
from mailward.core.webhooks.endpoints import Reach
from mailward.core.webhooks.enqueue import tell
from mailward.policy.access import Actor, Permission
from mailward.policy.inbound_routes import MatchKind

RAW = b"\x01" * 16
WS = ids.WorkspaceId(ids.encode("ws", RAW))
ACTOR = Actor(WS, "key", ids.encode("key", b"1" * 16), frozenset(Permission))
OTHER_RAW = b"\x02" * 16
OTHER = Actor(ids.WorkspaceId(ids.encode("ws", OTHER_RAW)), "key", ids.encode("key", b"2" * 16), frozenset(Permission))
CONTENT = b"Subject: hi\r\n\r\nhello\r\n"
ALLOWED = Allowed(stored=True, reach=Reach(loopback_http=True))


def seal(plain: bytes) -> bytes:
    return b"sealed:" + plain


def facts(**more: Any) -> ReceivedFacts:
    given: dict[str, Any] = {
        "helo": "mx.example.org",
        "ip": "192.0.2.1",
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_256_GCM_SHA384",
        "mail_from": "ada@example.org",
        "recipients": ("help@in.example.com",),
        "header_from": "ada@example.org",
        "to": "help@in.example.com",
        "subject": "hi",
        "message_id": "<1@example.org>",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    return ReceivedFacts(**{**given, **more})


class World:
    """Verbs with less to write."""

    def __init__(self, store: Any, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy

    def us(self) -> int:
        return int(self.clock.now().timestamp() * 1e6)

    async def route(self, pattern: str = "help", actor: Actor = ACTOR, **more: Any) -> InboundRoute:
        return (await self.route_and_secret(pattern, actor, **more))[0]

    async def route_and_secret(
        self, pattern: str = "help", actor: Actor = ACTOR, **more: Any
    ) -> tuple[InboundRoute, Shown]:
        given = {"domain": "in.example.com", "kind": MatchKind.EXACT, "url": "https://x.example/in", **more}
        draft = RouteDraft(pattern=pattern, **given)
        made: tuple[InboundRoute, Shown] = await self.store.write(
            actor.workspace,
            lambda tx: routes.add_route(
                tx, actor, draft, allowed=ALLOWED, seal=seal, now=self.clock.now(), entropy=self.entropy
            ),
        )
        return made

    async def change(self, route: InboundRoute, **changes: Any) -> InboundRoute:
        name = ids.encode("rte", route.id)
        found: InboundRoute = await self.store.write(
            WS,
            lambda tx: routes.change_route(tx, ACTOR, name, changes, allowed=ALLOWED, seal=seal, now=self.clock.now()),
        )
        return found

    async def take(
        self,
        *to: InboundRoute,
        state: CopyState = CopyState.RECEIVED,
        attempts: tuple[HandedOver, ...] = (),
        workspace: bytes = RAW,
        body: bool = True,
        **more: Any,
    ) -> bytes:
        """One message, recorded; its raw id."""
        id = ids.new_raw(self.us() // 1000, self.entropy)
        copies = [(r.id, state, self.us()) for r in to]
        reception = Reception(id, self.us(), facts(**more), copies, list(attempts))

        async def verb(tx: Any) -> Any:
            return await receive(tx, [(reception, BodyRef(1, 2, 3) if body else None)])

        await self.store.write(ids.encode("ws", workspace), verb)
        return id

    async def lease(self, **more: Any) -> list[Work]:
        given = {"now": self.us(), "turn": 0, "limit": 100, **more}
        works: list[Work] = await self.store.system_write(lambda tx: lease(tx, **given))
        return works

    async def answer(self, works: list[Work], status: int, **more: Any) -> None:
        results = [Result(w, status, more.pop("text", b""), 5, **more) for w in works]
        await self.store.write(
            WS, lambda tx: settle(tx, results, now=self.clock.now(), entropy=self.entropy, tell=tell)
        )

    async def state(self, message: bytes, route: InboundRoute) -> tuple[CopyState, int, int | None]:
        async def verb(tx: Any) -> Any:
            return (await tx.inbound.copies([message]))[message]

        found = {c.route: c for c in await self.store.read(WS, verb)}
        c = found[route.id]
        return c.state, c.attempts, c.due

    async def read(self, verb: Callable[[Any], Any], actor: Actor = ACTOR) -> Any:
        return await self.store.read(actor.workspace, verb)

    async def write(self, verb: Callable[[Any], Any], actor: Actor = ACTOR) -> Any:
        return await self.store.write(actor.workspace, verb)

    async def acts(self, like: str) -> list[tuple[str, dict[str, str]]]:
        """Acts of the audit log that begin so, oldest first."""
        rows = await self.store.read(
            WS, lambda tx: tx.audit.page(RAW, before=None, limit=50, act=None, since=None, until=None)
        )
        found = [to_entry(r) for r in rows]
        return [(e.act, dict(e.facts or {})) for e in reversed(found) if e.act.startswith(like)]
