"""The doors of a store: what a transaction is, who shares one, and what happens when the store is away."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import apsw
import asyncpg
import pytest

from mailward.app.store import EPOCHS, Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Unavailable
from mailward.core.delivery.lease import lease
from mailward.core.delivery.model import Work
from mailward.core.submission.model import Idempotency, StaleJudgement
from tests.core.conftest import T0, WS, WS_ID, put, submission
from tests.raw import raw
from tests.suites.storage.conftest import Another, Away

OTHER = b"b" * 16
OTHER_ID = ids.encode("ws", OTHER)


async def count(store: Store, workspace: str = WS_ID) -> int:
    """How many messages a workspace has."""

    async def look(tx: Tx) -> int:
        return len(await tx.messages.page(before=None, limit=1000))

    return await store.read(workspace, look)


async def bump(tx: Tx, name: str) -> int:
    return await tx.counters.bump(name)


async def test_what_resolved_is_there_for_others(store: Store, another: Another) -> None:
    """A future of a writing door resolves when another process can read what it wrote."""
    further = await another()
    await put(store, submission(1))
    assert await count(further) == 1


@pytest.mark.asvs("2.3.3")
async def test_a_verb_that_fails_leaves_nothing_and_harms_nobody(store: Store) -> None:
    """Of verbs that run side by side, the one that raises is undone, and only that one."""

    async def bad(tx: Tx) -> None:
        await bump(tx, "bad")
        raise Conflict("no", "No.")

    results = await asyncio.gather(
        store.system_write(partial(bump, name="a")),
        store.write(WS_ID, bad),
        store.system_write(partial(bump, name="b")),
        return_exceptions=True,
    )
    assert isinstance(results[1], Conflict)
    counters = await store.system_read(lambda tx: tx.counters.all())
    assert {k: v for k, v in counters.items() if k in ("a", "b", "bad")} == {"a": 1, "b": 1}


async def test_items_that_wait_together_are_one_call_for_each_workspace(store: Store) -> None:
    """A list verb gets the items of its workspace together; an item that it refuses fails alone."""
    calls: list[tuple[bytes | None, int]] = []

    async def verb(tx: Tx, items: list[int]) -> list[Any]:
        calls.append((tx.workspace, len(items)))
        return [Conflict("odd", "Odd.") if n % 2 else n for n in items]

    futures = [store.write_item(verb, w, n) for n in range(50) for w in (WS, OTHER)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(r, Conflict) for r in results] == [bool(n % 2) for n in range(50) for _ in range(2)]
    assert sum(n for _, n in calls) == 100
    # However the first of them were caught, most went together.
    assert len(calls) <= 10


async def test_a_group_that_fails_as_a_whole_stays_apart(store: Store) -> None:
    """When a list verb raises, its items fail and other workspaces' items in the same commit do not."""

    async def verb(tx: Tx, items: list[int]) -> list[Any]:
        await bump(tx, ids.encode("ws", tx.workspace or b""))
        if tx.workspace == WS:
            raise Conflict("no", "No.")
        return items

    results = await asyncio.gather(*(store.write_item(verb, w, 1) for w in (WS, OTHER)), return_exceptions=True)
    assert isinstance(results[0], Conflict)
    assert results[1] == 1
    counters = await store.system_read(lambda tx: tx.counters.all())
    assert WS_ID not in counters
    assert counters[OTHER_ID] == 1


@pytest.mark.asvs("16.5.2")
async def test_the_store_is_away_and_comes_back(store: Store, away: Away) -> None:
    """Meanwhile a message is refused as Unavailable with nothing of it left; afterwards mail goes on by itself."""
    await put(store, submission(1))
    async with away():
        results = await asyncio.gather(*(put(store, submission(n)) for n in range(2, 6)), return_exceptions=True)
        assert [type(r) for r in results] == [Unavailable] * 4
    for _ in range(100):
        try:
            await put(store, submission(6))
            break
        except Unavailable:
            await asyncio.sleep(0.1)
    assert await count(store) == 2
    for table in ("t_deliveries", "t_messages"):
        rows = [r for name in _parts(store, table) for r in await raw(store, f"SELECT 1 FROM {name}")]
        assert len(rows) == 2, table


def _parts(store: Store, table: str) -> list[str]:
    """On PostgreSQL open deliveries have a table of their own."""
    if type(store).__name__ == "SqliteStore" or table != "t_deliveries":
        return [table]
    return ["t_deliveries", "t_open_deliveries"]


@pytest.mark.asvs("2.3.4")
async def test_two_processes_give_one_answer_to_an_idempotency_key(store: Store, another: Another) -> None:
    """The same key through two processes at once: one message, and the same receipt for everybody."""
    further = await another()
    key = Idempotency(b"k" * 32, b"body", T0 + 86_400_000_000)
    receipts = await asyncio.gather(
        *(put(s, submission(n * 2 + i, idempotency=key)) for n in range(20) for i, s in enumerate((store, further)))
    )
    assert len({r.id for r in receipts}) == 1
    assert sum(not r.replayed for r in receipts) == 1
    assert await count(store) == 1


@pytest.mark.parametrize("own", [False, True])
async def test_no_message_slips_past_a_revocation_in_another_process(store: Store, another: Another, own: bool) -> None:
    """Once an epoch has moved, for all or for this workspace, no process accepts on the one before, however the two
    race."""
    further = await another()
    moved = asyncio.Event()
    late: list[Any] = []

    async def accept(n: int) -> None:
        after = moved.is_set()
        try:
            await put(store, submission(n))
        except StaleJudgement:
            return
        late.append(n) if after else None

    async def revoke() -> None:
        await asyncio.sleep(0.01)
        if own:
            await further.write(WS_ID, lambda tx: tx.revocations.bump())
        else:
            await further.system_write(lambda tx: tx.counters.bump("auth_epoch"))
        moved.set()

    async def flood() -> None:
        for n in range(40):
            await asyncio.gather(*(accept(n * 5 + i) for i in range(5)))

    await asyncio.gather(flood(), revoke())
    assert late == []
    with pytest.raises(StaleJudgement):
        await put(store, submission(1000))


@pytest.mark.asvs("8.4.1")
async def test_a_workspace_sees_and_changes_only_its_own(store: Store) -> None:
    """Another workspace's message is not found, not listed, not moved and not counted."""
    mine = await put(store, submission(1))
    theirs = await put(store, submission(2), workspace=OTHER)

    async def reach(tx: Tx) -> tuple[Any, ...]:
        from mailward.core.messages.model import DeliveryState

        states = list(DeliveryState)
        return (
            await tx.messages.get(theirs.id),
            [m.id for m in await tx.messages.page(before=None, limit=10)],
            (await tx.deliveries.of([theirs.id]))[theirs.id],
            await tx.deliveries.move(theirs.id, states, DeliveryState.CANCELLED, due=0, now=T0, reason=None),
            await tx.messages.timeline(theirs.id),
            sum(n for _, _, n in await tx.messages.usage(0)),
        )

    assert await store.write(WS_ID, reach) == (None, [mine.id], [], 0, [], 1)
    assert await count(store, OTHER_ID) == 1


@pytest.mark.asvs("8.4.1")
async def test_a_workspaces_transaction_does_not_reach_the_installation(store: Store) -> None:
    """What belongs to no workspace, and the queue of all, is refused in a workspace's scope by the store itself."""
    await put(store, submission(1), workspace=OTHER)
    refusals = (apsw.AuthError, asyncpg.InsufficientPrivilegeError, PermissionError)
    for look in (lambda tx: tx.counters.all(), lambda tx: tx.people.any_user()):
        with pytest.raises(refusals):
            await store.write(WS_ID, look)

    async def take(tx: Tx) -> list[Work]:
        return await lease(tx, 1, now=T0, until=T0 + 1, limit=1, turn=0)

    with contextlib.suppress(*refusals):
        assert await store.write(WS_ID, take) == []
    assert [w.workspace for w in await store.system_write(take)] == [OTHER]


async def test_a_closed_store_says_so(another: Another) -> None:
    """After `close` every door is Unavailable, and what was queued before is done."""
    further = await another()
    future = further.system_write(partial(bump, name="last"))
    await further.close()
    assert await future == 1
    with pytest.raises(Unavailable):
        further.system_write(partial(bump, name="late"))
    with pytest.raises(Unavailable):
        further.system_read(lambda tx: tx.counters.all())


async def test_who_keeps_what_changed_in_memory_is_told(store: Store, another: Another) -> None:
    """An epoch that moved is told to the process that moved it and to the others, once it is committed."""
    further = await another()
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    store.watch(lambda topic: told.put_nowait(("here", topic)))
    there = partial(told.put_nowait, ("there", EPOCHS))
    store.tells(lambda topic: there())  # the way to others on one machine; a server tells them itself
    further.watch(lambda topic: there() if topic == EPOCHS else None)
    while not told.empty():  # on a server, listening begins with a look
        told.get_nowait()
    for name in ("auth_epoch", "domains_epoch", "inbound_epoch", "redaction_epoch"):
        before = await store.system_read(lambda tx, name=name: tx.counters.value(name))  # type: ignore[misc]
        await store.system_write(lambda tx, name=name: tx.counters.bump(name))  # type: ignore[misc]
        heard: set[tuple[str, str]] = set()
        while len(heard) < 2:
            heard.add(await asyncio.wait_for(told.get(), 10))
        assert heard == {("here", EPOCHS), ("there", EPOCHS)}, name
        assert await further.system_read(lambda tx, name=name: tx.counters.value(name)) == before + 1  # type: ignore[misc]
