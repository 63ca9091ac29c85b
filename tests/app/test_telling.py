"""The owner is mailed when the platform disables a webhook, once, from a domain of the workspace."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.app.candidate import Candidate
from mailward.app.knowledge import KnownDomain
from mailward.app.telling import OwnerMail
from mailward.base import ids
from mailward.base.errors import Forbidden, LimitReached, MailwardError
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.model import Member
from mailward.core.inbound import routes
from mailward.core.inbound.routes import Allowed, RouteDraft
from mailward.core.webhooks import endpoints, enqueue
from mailward.core.webhooks.lease import lease
from mailward.core.webhooks.model import Result
from mailward.core.webhooks.settle import settle
from mailward.policy.access import Actor, Permission, Role
from mailward.policy.inbound_routes import MatchKind
from tests.conftest import MovingClock, SeededEntropy

RAW = b"a" * 16
WS = WorkspaceId(ids.encode("ws", RAW))
ACTOR = Actor(WS, "key", "key_1", frozenset(Permission))
OWN = KnownDomain(b"d" * 16, "example.com", False, False, "bounce.example.com")
RESERVED = KnownDomain(b"e" * 16, "demo.mailward.test", True, False, "bounce.demo.mailward.test")


class World:
    """A workspace with an owner and a member, whose endpoint answered 410."""

    def __init__(self, store: SqliteStore, clock: MovingClock, entropy: SeededEntropy) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.sent: list[tuple[Actor, Candidate]] = []
        self.refusal: MailwardError | None = None
        self.domains = {"example.com": OWN, RESERVED.name: RESERVED}

    async def accept(self, actor: Actor, candidate: Candidate) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.sent.append((actor, candidate))

    def mail(self, *, capture: bool = False) -> OwnerMail:
        return OwnerMail(
            self.store, domains=lambda workspace: self.domains, accept=self.accept, clock=self.clock,
            entropy=self.entropy, public_url="https://mail.example", capture=capture,
        )  # fmt: skip

    async def begin(self, *roles: Role) -> None:
        for n, role in enumerate(roles):
            user = UserId(ids.encode("usr", bytes([n]) * 16))
            member = Member(user, f"{role.value}{n}@owner.example", "", role, self.clock.now())

            async def join(tx: SqliteTx, member: Member = member) -> None:
                await tx.people.add_member(WS, member)

            await self.store.write(WS, join)
        now = self.clock.now()

        async def made(tx: SqliteTx) -> None:
            hook, _ = await endpoints.create(
                tx, ACTOR, "https://hooks.example/secret-path", seal=bytes, now=now, entropy=self.entropy
            )
            await enqueue.send_test(tx, ACTOR, ids.encode("whk", hook.id), now=now, entropy=self.entropy)

        await self.store.write(WS, made)
        (work,) = await self.store.system_write(lambda tx: lease(tx, now=int(now.timestamp() * 1e6), turn=0))
        gone = [Result(work, 410, b"", 1)]
        await self.store.write(WS, lambda tx: settle(tx, gone, now=now, entropy=self.entropy))

    async def told(self) -> str:
        return (await self.store.read(WS, lambda tx: endpoints.page(tx, ACTOR)))[0].owner_told


@pytest.fixture
def world(store: SqliteStore, clock: MovingClock, entropy: SeededEntropy) -> World:
    return World(store, clock, entropy)


async def test_the_owner_is_mailed_once(world: World) -> None:
    """From the workspace's own domain to its managers, with the reason and the link, without the URL's path."""
    await world.begin(Role.MANAGER, Role.MEMBER)
    assert await world.told() == "due"
    assert await world.mail().run() == 1
    ((actor, candidate),) = world.sent
    assert (actor.workspace, candidate.from_domain) == (WS, "example.com")
    assert [r for r, _ in candidate.recipients] == ["workspace_manager0@owner.example"]
    read: Any = message_from_bytes(candidate.content, policy=policy.default)
    assert (read["auto-submitted"], read["from"]) == ("auto-generated", "Mailward <mailward@example.com>")
    text = read.get_content()
    assert "it answered 410 Gone" in text
    assert "https://mail.example/webhooks/whk_" in text
    assert "secret-path" not in candidate.content.decode()
    assert await world.told() == "mailed"
    assert await world.mail().run() == 0


@pytest.mark.parametrize("case", ["no domain", "only the reserved one", "no manager", "refused"])
async def test_what_cannot_be_mailed_is_said_so(world: World, case: str) -> None:
    """No domain to send from, nobody to send to, or a refusal: the endpoint says so, and it is not tried again."""
    await world.begin(Role.MEMBER if case == "no manager" else Role.MANAGER)
    if case == "no domain":
        world.domains = {}
    elif case == "only the reserved one":
        world.domains = {RESERVED.name: RESERVED}
    elif case == "refused":
        world.refusal = Forbidden("domain_not_verified", "No.")
    assert await world.mail().run() == 0
    assert await world.told() == "not mailed"
    assert await world.mail().run() == 0


async def test_in_capture_mode_the_reserved_domain_will_do(world: World) -> None:
    """Its mail stays on the machine, where its reader is."""
    await world.begin(Role.MANAGER)
    world.domains = {RESERVED.name: RESERVED}
    assert await world.mail(capture=True).run() == 1


async def test_a_limit_is_waited_out(world: World) -> None:
    """The mail stays due, and the next run sends it under the same idempotency key."""
    await world.begin(Role.MANAGER)
    world.refusal = LimitReached("rate_limited", "Later.", retry_after=1)
    with pytest.raises(LimitReached):
        await world.mail().run()
    assert await world.told() == "due"
    world.refusal = None
    assert await world.mail().run() == 1
    assert world.sent[0][1].idempotency is not None


async def test_the_owner_of_a_route_is_mailed_too(world: World) -> None:
    """Once, with what senders are told meanwhile and the link, without the URL's path."""
    await world.begin(Role.MANAGER)
    await world.mail().run()
    world.sent.clear()
    draft = RouteDraft("in.example.com", MatchKind.CATCH_ALL, "", "https://in.example/secret-path")
    now = world.clock.now()

    async def off(tx: SqliteTx) -> None:
        made, _ = await routes.add_route(
            tx, ACTOR, draft, allowed=Allowed(), seal=bytes, now=now, entropy=world.entropy
        )
        gone = replace(made, enabled=False, disabled_reason="it answered 410 Gone", disabled_at=1, owner_told="due")
        await tx.inbound.update_route(gone)

    await world.store.write(WS, off)
    assert await world.mail().run() == 1
    text = message_from_bytes(world.sent[0][1].content, policy=policy.default).get_content()
    assert "https://mail.example/routes/rte_" in text
    assert "try again later" in text.replace("\n", " ")
    assert "secret-path" not in text
    assert await world.mail().run() == 0
