"""What a worker knows of domains: one look at the store does for all who asked before it began."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from mailward.app.knowledge import Knowledge, KnownDomain
from mailward.app.store import Store
from mailward.base.errors import Unavailable


class SlowStore:
    """A store whose answer takes some turns of the loop; only what `refresh` asks it for."""

    def __init__(self) -> None:
        self.counters = {"auth_epoch": 1, "domains_epoch": 1}
        self.looks = 0
        self.fails = 0

    async def system_read(self, verb: Any) -> dict[str, int]:
        """Its counters, as they are when the question arrives."""
        self.looks += 1
        found = dict(self.counters)
        for _ in range(3):
            await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise Unavailable("storage_unavailable", "Try again.")
        return found


async def _no_domains() -> dict[bytes, dict[str, KnownDomain]]:
    return {}


async def _nothing() -> None:
    return None


@pytest.fixture
def slow() -> SlowStore:
    return SlowStore()


@pytest.fixture
async def knowledge(slow: SlowStore) -> Knowledge:
    made = Knowledge(cast("Store", slow), _no_domains, _nothing)
    await made.refresh()
    slow.looks = 0
    return made


async def test_many_who_ask_at_once_share_a_look(slow: SlowStore, knowledge: Knowledge) -> None:
    """Five hundred messages to be judged anew: one look is under way, the next is that of all who asked meanwhile."""
    first = asyncio.create_task(knowledge.refresh())
    await asyncio.sleep(0)
    # The first look has read the counters already: it does not do for whoever asks from here on.
    slow.counters["auth_epoch"] = 2
    assert await asyncio.gather(*(knowledge.refresh() for _ in range(500))) == [True] * 500
    assert not await first
    assert slow.looks == 2
    assert knowledge.epochs == (2, 1)


async def test_a_look_that_failed_does_for_nobody(slow: SlowStore, knowledge: Knowledge) -> None:
    """Who waited behind it looks for themselves; the look that succeeds does for the rest."""
    slow.fails, slow.counters = 2, {"auth_epoch": 3, "domains_epoch": 1}
    asked = await asyncio.gather(*(knowledge.refresh() for _ in range(4)), return_exceptions=True)
    assert [type(a) for a in asked] == [Unavailable, Unavailable, bool, bool]
    assert slow.looks == 3
    assert knowledge.epochs == (3, 1)
