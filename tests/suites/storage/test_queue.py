"""The queue between processes: no copy is handed out twice, and none is lost."""

from __future__ import annotations

import asyncio

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.store import Store
from mailward.core.delivery.lease import hand_back, lease
from mailward.core.delivery.model import Work
from tests.core.conftest import T0, WS, WS_ID, put, submission
from tests.raw import raw
from tests.suites.storage.conftest import Another

MINUTE = 60_000_000


async def take(store: Store, lessee: int, now: int = T0, limit: int = 100) -> list[Work]:
    return await store.system_write(lambda tx: lease(tx, lessee, now=now, until=now + MINUTE, limit=limit, turn=lessee))


async def test_two_processes_share_the_work(store: Store, another: Another) -> None:
    """Leasing at the same time, they get every due copy once between them."""
    further = await another()
    workspaces = (WS, b"b" * 16, b"c" * 16)
    await asyncio.gather(*(put(store, submission(n, "a@x.test", "b@x.test"), workspaces[n % 3]) for n in range(60)))
    seen: list[tuple[bytes, int]] = []

    async def work(one: Store, lessee: int) -> None:
        while works := await take(one, lessee, limit=7):
            seen.extend((w.id, c.n) for w in works for c in w.copies)

    await asyncio.gather(work(store, 1), work(further, 2), work(store, 3), work(further, 4))
    for _ in range(5):
        await work(store, 1)
    assert len(seen) == 120
    assert len(set(seen)) == 120


async def test_copies_come_in_the_order_of_the_recipients(store: Store) -> None:
    """Whatever order the store finds them in: the later became due first."""
    names = [f"r{n}@x.test" for n in range(40)]
    await put(store, submission(1, *names))
    for lessee in (1, 2):
        (work,) = await take(store, lessee, now=T0 + (lessee - 1) * (MINUTE + 1))
        assert [c.recipient for c in work.copies] == names
    away = [(0, T0 - n, 1, T0, None, work.id, n, 2) for n in range(40)]
    await store.write(WS_ID, lambda tx: tx.deliveries.settle(away))
    (work,) = await take(store, 3)
    assert [c.recipient for c in work.copies] == names


async def test_leases_that_ran_out_are_work_again(store: Store, another: Another) -> None:
    """A process that took everything and fell silent holds nobody up for longer than its leases."""
    further = await another()
    for n in range(5):
        await put(store, submission(n))
    assert len(await take(store, 1)) == 5
    assert await take(further, 2) == []
    assert len(await take(further, 2, now=T0 + MINUTE + 1)) == 5


BACKLOG = 100_000


async def crowd(store: Store, times: int) -> None:
    """Put so many copies of each copy of WS behind it, all of them due before T0."""
    head = "workspace, message, n + 1000 * i, recipient, state, due + i, lessee, attempts, updated, reason"
    if isinstance(store, SqliteStore):
        sql = (
            "WITH RECURSIVE more(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM more WHERE i < ?) "
            f"INSERT INTO t_deliveries SELECT {head}, dsn FROM t_deliveries, more"
        )
    else:
        # Their addresses are sealed for another place: whoever came so far into the crowd could not read them.
        sql = f"INSERT INTO open_deliveries SELECT {head} FROM open_deliveries, generate_series(1, ?::int) AS i"
    await raw(store, sql, times)


@pytest.mark.claim("RATE-1")
async def test_a_crowded_queue_keeps_no_quiet_one_waiting(store: Store) -> None:
    """Behind 100,000 older copies of one workspace, another's single message is in the first batch taken, whoever
    takes it; and the crowd gets the rest of the batch."""
    crowded = [f"a{n}@x.test" for n in range(250)]
    await put(store, submission(1, *crowded, due=T0 - MINUTE))
    await crowd(store, BACKLOG // len(crowded))
    quiet = b"b" * 16
    for lessee in range(1, 5):
        lone = submission(100 + lessee, "b@x.test")
        await put(store, lone, quiet)
        works = await take(store, lessee)
        assert [w.id for w in works if w.workspace == quiet] == [lone.id]
        assert sum(len(w.copies) for w in works if w.workspace == WS) >= 50


async def test_a_worker_hands_back_what_it_does_not_hold(store: Store) -> None:
    """Its old leases of messages it knows nothing of are due again; those it holds, fresh ones and another's stay."""
    for n in range(4):
        await put(store, submission(n))
    first = await take(store, 5, limit=3)
    other = await take(store, 6)
    held = frozenset([first[0].id])
    until = first[0].until

    async def back(at: int) -> int:
        return await store.system_write(lambda tx: hand_back(tx, 5, held=held, until=at, now=T0 + 7))

    assert await back(until - 1) == 0
    assert await back(until) == 2
    assert await back(until) == 0
    again = await take(store, 8, T0 + 8)
    assert sorted(w.id for w in again) == sorted(w.id for w in first[1:])
    assert len(other) == 1


async def test_leases_of_nobody_are_returned(store: Store) -> None:
    """What was committed for a worker after its leases had been returned is due; living workers keep theirs."""
    alive, _ = await store.system_write(lambda tx: tx.deliveries.take_slot(3, T0))
    for n in range(3):
        await put(store, submission(n))
    kept = await take(store, alive, limit=1)
    assert len(await take(store, alive + 77)) == 2
    assert alive in await store.system_read(lambda tx: tx.deliveries.generations())
    assert await store.system_read(lambda tx: tx.deliveries.any_orphans())
    assert await store.system_write(lambda tx: tx.deliveries.return_orphans(T0 + 7)) == 2
    assert not await store.system_read(lambda tx: tx.deliveries.any_orphans())
    assert await store.system_write(lambda tx: tx.deliveries.return_orphans(T0 + 7)) == 0
    assert {w.id for w in await take(store, alive, T0 + 8)}.isdisjoint({w.id for w in kept})
