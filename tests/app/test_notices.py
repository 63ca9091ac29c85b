"""What happened to a credential is mailed to the owners of its workspace: once for each pause, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.candidate import Candidate
from mailward.app.knowledge import KnownDomain
from mailward.app.letters import Letters
from mailward.app.notices import OwnerNotices
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity import people
from mailward.core.identity.bursts import note_traffic, release
from mailward.core.identity.credentials import Wish, create_smtp
from mailward.core.identity.model import User
from mailward.core.workspaces import change as workspaces
from mailward.policy.access import Actor, Permission, Role
from mailward.policy.bursts import BurstRule
from tests.conftest import MovingClock, SeededEntropy

WS = WorkspaceId(ids.encode("ws", b"a" * 16))
FOUNDER = Actor(WS, "cli", "cli", frozenset(Permission))
DOMAIN = KnownDomain(b"d" * 16, "example.com", False, False, "bounce.example.com")
RULE = BurstRule(factor=10, floor=100)


class World:
    """A workspace with a manager, an administrator and a credential, and the letters that were handed over."""

    def __init__(self, store: SqliteStore, clock: MovingClock, entropy: SeededEntropy) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.sent: list[Candidate] = []
        self.able = True
        self.id = ""

    async def settle(self) -> None:
        await self.store.system_write(self._people)
        made = await self.store.write(
            WS, lambda tx: create_smtp(tx, FOUNDER, Wish("printer"), now=self.clock.now(), entropy=self.entropy)
        )
        self.id = made.credential.id
        await self.traffic(20)

    async def _people(self, tx: Any) -> None:
        now = self.clock.now()
        await workspaces.create(tx, FOUNDER, "Acme", now=now, entropy=self.entropy, id=WS)
        for name, role in (("ann", Role.MANAGER), ("bob", Role.ADMIN)):
            user = User(UserId(ids.new("usr", now, self.entropy)), f"{name}@else.example", name, "x", now)
            await tx.people.add_user(user)
            await people.add_member(tx, FOUNDER, user, role, now=now)

    async def traffic(self, recipients: int) -> list[str]:
        counts = {(WS, self.id): recipients}
        return await self.store.system_write(lambda tx: note_traffic(tx, counts, RULE, now=self.clock.now()))

    async def run(self) -> int:
        letters = Letters(
            self.store, domains=lambda _: {DOMAIN.name: DOMAIN} if self.able else {}, accept=self._accept,
            clock=self.clock, entropy=self.entropy, capture=False,
        )  # fmt: skip
        return await OwnerNotices(self.store, letters, self.clock, public_url="https://mail.example/").run()

    async def _accept(self, actor: Actor, candidate: Candidate) -> None:
        self.sent.append(candidate)


@pytest.fixture
async def world(store: SqliteStore, clock: MovingClock, entropy: SeededEntropy) -> World:
    """A credential with a habit of twenty recipients, two days later."""
    made = World(store, clock, entropy)
    await made.settle()
    clock.move(days=2)
    return made


@pytest.mark.claim("RATE-2")
async def test_owners_are_mailed_once_for_each_pause(world: World) -> None:
    """The manager gets one letter that names the credential; released and paused again, another one."""
    assert await world.traffic(300) == [world.id]
    await world.traffic(300)
    assert [await world.run(), await world.run()] == [1, 0]
    (letter,) = world.sent
    assert [to for to, _ in letter.recipients] == ["ann@else.example"]
    assert letter.subject == "A credential of yours was paused"
    text = message_from_bytes(letter.content, policy=policy.default).get_content()
    assert '"printer"' in text and world.id in text and "https://mail.example/keys" in text
    world.clock.move(minutes=20)
    await world.store.write(WS, lambda tx: release(tx, FOUNDER, world.id, now=world.clock.now()))
    world.clock.move(days=3)
    assert await world.traffic(9000) == [world.id]
    assert (await world.run(), len(world.sent)) == (1, 2)


@pytest.mark.claim("RATE-2")
@pytest.mark.parametrize(("after", "mailed"), [({"hours": 20}, 1), ({"hours": 25}, 0)])
async def test_what_cannot_be_mailed_is_tried_for_a_day(world: World, after: dict[str, float], mailed: int) -> None:
    """Without a domain that may send the notice waits; one that comes within the day is told, a later one is not."""
    world.able = False
    await world.traffic(300)
    assert await world.run() == 0
    move: Callable[..., Any] = world.clock.move
    move(**after)
    world.able = mailed == 1
    assert await world.run() == mailed
    world.able = True
    assert await world.run() == 0
    assert len(world.sent) == mailed
