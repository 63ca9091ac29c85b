"""The queue between processes: no copy is handed out twice, and none is lost."""

from __future__ import annotations

import asyncio

from mailward.app.store import Store
from mailward.core.delivery.lease import lease
from mailward.core.delivery.model import Work
from tests.core.conftest import T0, WS, put, submission
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


async def test_leases_that_ran_out_are_work_again(store: Store, another: Another) -> None:
    """A process that took everything and fell silent holds nobody up for longer than its leases."""
    further = await another()
    for n in range(5):
        await put(store, submission(n))
    assert len(await take(store, 1)) == 5
    assert await take(further, 2) == []
    assert len(await take(further, 2, now=T0 + MINUTE + 1)) == 5
