"""A credential that bursts is paused, its owner told; released, it is left alone for a day."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base.errors import Conflict, Forbidden, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.identity.bursts import list_paused, note_traffic, release
from mailward.core.identity.credentials import Wish, create_smtp, revoke_key
from mailward.policy.access import Actor, Permission
from mailward.policy.bursts import BurstRule
from tests.raw import raw

WS = WorkspaceId("ws_" + "0" * 25 + "1")
OTHER = WorkspaceId("ws_" + "0" * 25 + "2")
OWNER = Actor(WS, "session", "usr_" + "0" * 25 + "9", frozenset(Permission))
RULE = BurstRule(factor=10, floor=100)


class Traffic:
    """One credential and what it sends."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.id = ""

    async def make(self) -> None:
        issued = await self.store.write(
            WS, lambda tx: create_smtp(tx, OWNER, Wish("printer"), now=self.clock.now(), entropy=self.entropy)
        )
        self.id = issued.credential.id

    async def send(self, recipients: int) -> list[str]:
        counts = {(WS, self.id): recipients}
        return await self.store.system_write(lambda tx: note_traffic(tx, counts, RULE, now=self.clock.now()))

    async def epoch(self) -> int:
        return await self.store.system_read(lambda tx: tx.revocations.current())

    async def acts(self) -> list[str]:
        return [str(r[0]) for r in await raw(self.store, "SELECT act FROM t_audit ORDER BY seq")]


@pytest.fixture
async def sent(store: Store, clock: Any, entropy: Any) -> Traffic:
    """A credential that used to send twenty in ten minutes."""
    traffic = Traffic(store, clock, entropy)
    await traffic.make()
    assert await traffic.send(20) == []
    clock.move(days=2)
    return traffic


async def test_credentials_are_counted_in_one_order(clock: Any) -> None:
    """However they were used: two processes that count the same credentials never wait for each other crosswise."""
    counted: list[tuple[WorkspaceId, str]] = []

    class Credentials:
        async def add_traffic(self, workspace: WorkspaceId, id: str, slot: int, recipients: int) -> int:
            counted.append((workspace, id))
            return recipients

    tx: Any = SimpleNamespace(credentials=Credentials())
    keys = [(OTHER, "key_1"), (WS, "key_3"), (WS, "key_2")]
    assert await note_traffic(tx, dict.fromkeys(keys, 1), RULE, now=clock.now()) == []
    assert counted == [(WS, "key_2"), (WS, "key_3"), (OTHER, "key_1")]


@pytest.mark.claim("RATE-2")
async def test_a_burst_pauses_and_is_told(sent: Traffic) -> None:
    """Two processes report parts of one burst: together they pause it, once, and every process hears of it."""
    before = await sent.epoch()
    assert await sent.send(150) == []
    assert await sent.send(51) == [sent.id]
    assert await sent.send(500) == []
    assert await sent.epoch() == before + 1
    (found,) = await sent.store.read(WS, lambda tx: list_paused(tx, OWNER))
    assert found.id == sent.id
    assert found.pause_reason.startswith("201 recipients within ten minutes")
    assert (await sent.acts())[-1] == "credential.paused"
    assert await sent.store.read(OTHER, lambda tx: tx.credentials.paused()) == []


async def test_usual_traffic_goes_on(sent: Traffic) -> None:
    """Ten times the usual is not a burst yet, and the count starts anew with each slot."""
    assert await sent.send(200) == []
    sent.clock.move(minutes=10)
    assert await sent.send(200) == []


async def test_stepping_up_within_a_day_does_not_move_the_mark(sent: Traffic) -> None:
    """What was sent in the last day is not yet what is usual."""
    assert await sent.send(190) == []
    sent.clock.move(hours=1)
    assert await sent.send(201) == [sent.id]


@pytest.mark.claim("RATE-2")
async def test_the_owner_releases_it(sent: Traffic) -> None:
    """Released it sends on, is not judged for a day, and the log says who vouched for it."""
    await sent.send(300)
    before = await sent.epoch()
    await sent.store.write(WS, lambda tx: release(tx, OWNER, sent.id, now=sent.clock.now()))
    assert await sent.epoch() == before + 1
    assert (await sent.acts())[-1] == "credential.released"
    assert await sent.send(3000) == []
    sent.clock.move(hours=25)
    assert await sent.send(3000) == []  # by now that is what it sends
    assert await sent.send(40_000) == [sent.id]


async def test_who_may_not_release(sent: Traffic) -> None:
    """Neither the credential itself, nor who lacks the permission, nor another workspace; and only what is paused."""
    with pytest.raises(Conflict, match="not_paused"):
        await sent.store.write(WS, lambda tx: release(tx, OWNER, sent.id, now=sent.clock.now()))
    await sent.send(300)
    itself = Actor(WS, "smtp_credential", sent.id, frozenset(Permission))
    with pytest.raises(Conflict, match="releases_itself"):
        await sent.store.write(WS, lambda tx: release(tx, itself, sent.id, now=sent.clock.now()))
    nobody = Actor(WS, "key", "key_" + "0" * 26)
    with pytest.raises(Forbidden):
        await sent.store.write(WS, lambda tx: release(tx, nobody, sent.id, now=sent.clock.now()))
    stranger = Actor(OTHER, "session", "usr_" + "0" * 26, frozenset(Permission))
    with pytest.raises(NotFound):
        await sent.store.write(OTHER, lambda tx: release(tx, stranger, sent.id, now=sent.clock.now()))


async def test_a_revoked_one_is_not_paused(sent: Traffic) -> None:
    """What has ended needs no pause, and old slots are forgotten in time."""
    await sent.store.write(WS, lambda tx: revoke_key(tx, OWNER, sent.id, now=sent.clock.now()))
    assert await sent.send(300) == []
    assert await sent.store.system_write(lambda tx: tx.credentials.forget_traffic(10**9)) == 2
