"""Hashing threads: bounded."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.host.hashing import HashingThreads
from mailward.base.errors import LimitReached


@pytest.mark.asvs("15.2.2")
async def test_a_full_queue_refuses_at_once() -> None:
    """More than threads and queue hold is told to come again, and room frees up."""
    gate = threading.Event()
    threads = HashingThreads(threads=1, waiting=1)
    held = [asyncio.ensure_future(threads.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LimitReached):
        await threads.run(lambda: 1)
    gate.set()
    assert await asyncio.gather(*held) == [True, True]
    assert await threads.run(lambda: 1) == 1
    threads.close()


def test_the_clock_is_utc_and_entropy_fresh() -> None:
    """Aware times; no two reads alike."""
    assert SystemClock().now().utcoffset() is not None
    assert SystemClock().monotonic() <= SystemClock().monotonic()
    assert len({SystemEntropy().bytes(16) for _ in range(100)}) == 100
