"""Upkeep tasks run, repeat while there is work, and fail alone."""

from __future__ import annotations

import asyncio

from mailward.edges.workers.upkeep import Task, Upkeep


async def test_a_task_repeats_at_once_while_it_finds_work_and_a_failing_one_fails_alone() -> None:
    """Five pieces of work are done without waiting for the interval; the neighbour's error is reported."""
    left = 5
    done = asyncio.Event()
    errors: list[str] = []

    async def work() -> int:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()
        return max(left, 0)

    async def broken() -> int:
        raise ValueError("no")

    upkeep = Upkeep([Task("work", 60, work), Task("broken", 60, broken)], failed=lambda n, e: errors.append(n))
    upkeep.start()
    await asyncio.wait_for(done.wait(), 5)
    await upkeep.stop()
    assert errors == ["broken"]
    assert left <= 0
