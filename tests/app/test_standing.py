"""What a process knows of ended and paused credentials, and how much a worker lets through."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.allowance import Allowance
from mailward.app.knowledge import Knowledge
from mailward.app.settings import Limits
from mailward.app.standing import Standings
from mailward.base.errors import LimitReached, Unauthenticated
from mailward.base.ids import WorkspaceId
from mailward.core.identity.credentials import Wish, create_key, revoke_key
from mailward.core.identity.succession import rotate
from mailward.edges.smtpd.replies import translate
from mailward.edges.web.limits import LocalLimiter
from mailward.policy.access import Actor, Permission

WS = WorkspaceId("ws_" + "0" * 25 + "1")
OWNER = Actor(WS, "session", "usr_" + "0" * 25 + "9", frozenset(Permission))


async def _key(store: SqliteStore, clock: Any, entropy: Any) -> str:
    issued = await store.write(WS, lambda tx: create_key(tx, OWNER, Wish("a"), now=clock.now(), entropy=entropy))
    return issued.credential.id


def _us(clock: Any) -> int:
    return int(clock.now().timestamp() * 1_000_000)


@pytest.mark.claim("KEYS-2")
async def test_ended_and_paused_ones_are_refused_whoever_holds_them(
    store: SqliteStore, clock: Any, entropy: Any
) -> None:
    """An actor that proved itself before still cannot send after: revoked, past its grace, paused."""
    good, revoked, old, paused = [await _key(store, clock, entropy) for _ in range(4)]
    await store.write(WS, lambda tx: revoke_key(tx, OWNER, revoked, now=clock.now()))
    await store.write(WS, lambda tx: rotate(tx, OWNER, old, now=clock.now(), entropy=entropy))
    await store.system_write(lambda tx: tx.credentials.pause(paused, "why", clock.now()))
    standings = Standings(store, clock.now)
    await standings.load()
    standings.require(good, _us(clock))
    standings.require(old, _us(clock))
    with pytest.raises(Unauthenticated):
        standings.require(revoked, _us(clock))
    with pytest.raises(LimitReached) as told:
        standings.require(paused, _us(clock))
    assert re.match(rb"450[ -]4\.7\.1 ", translate(told.value))
    clock.move(hours=24)
    with pytest.raises(Unauthenticated):
        standings.require(old, _us(clock))
    standings.require(good, _us(clock))


async def test_an_epoch_is_adopted_after_what_hangs_on_it(store: SqliteStore, clock: Any, entropy: Any) -> None:
    """When the new epoch can be seen, the revoked credential is refused already."""
    standings = Standings(store, clock.now)
    seen: list[int] = []

    async def changed() -> None:
        await standings.load()
        seen.append(knowledge.epochs[0])

    async def nothing() -> dict[bytes, Any]:
        return {}

    knowledge = Knowledge(store, nothing, changed)
    await knowledge.refresh()
    id = await _key(store, clock, entropy)
    held = knowledge.epochs
    await store.write(WS, lambda tx: revoke_key(tx, OWNER, id, now=clock.now()))
    assert await knowledge.refresh()
    assert seen[-1] == held[0] < knowledge.epochs[0]
    assert standings.ended(id, _us(clock))


@pytest.mark.claim("RATE-2")
def test_a_refused_message_is_not_counted(clock: Any) -> None:
    """The rate of a domain is the workspace's own; what it refuses spends nothing, and traffic counts recipients."""
    limits = Limits(messages_per_minute=3, smtp_messages_per_minute_domain=2)
    allowance = Allowance(limits, LocalLimiter(clock.monotonic))
    actor = Actor(WS, "key", "key_1")
    other = Actor(WorkspaceId("ws_" + "0" * 25 + "2"), "session", "usr_1")
    for domain in ("a.test", "a.test", "b.test"):
        allowance(actor, domain, 5)
        if domain == "a.test":
            continue
        with pytest.raises(LimitReached):
            allowance(actor, "c.test", 1)
    allowance(other, "a.test", 1)
    assert allowance.take_traffic() == {(WS, "key_1"): 15}
    assert allowance.take_traffic() == {}
    fresh = Allowance(limits, LocalLimiter(clock.monotonic))
    fresh(actor, "a.test", 1)
    fresh(actor, "a.test", 1)
    with pytest.raises(LimitReached) as told:
        fresh(actor, "a.test", 1)
    assert re.match(rb"451[ -]4\.7\.1 ", translate(told.value))
    fresh(actor, "b.test", 1)  # the third of the workspace: the refused one was not counted
