"""What hostile input may cost: seconds of the processor, the least of a few tries.

A neighbour on the machine can make a try dearer and never cheaper; so one try within the
bound shows that the work itself is. The collector, which would walk the objects of other
tests, waits meanwhile.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_TRIES = 4


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives back or raises; AssertionError when each try costs that much of the processor or more."""
    spent: list[float] = []
    for _ in range(_TRIES):
        gc.disable()
        began = time.process_time()
        try:
            found = work()
        except Exception:
            if _cheap(began, seconds, spent):
                raise
        else:
            if _cheap(began, seconds, spent):
                return found
    raise AssertionError(f"{min(spent):.3f} s of the processor, {seconds} s are allowed")


async def awaited_within(seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """`within` for what is awaited; nothing else may run on the loop."""
    spent: list[float] = []
    for _ in range(_TRIES):
        gc.disable()
        began = time.process_time()
        try:
            found = await work()
        except Exception:
            if _cheap(began, seconds, spent):
                raise
        else:
            if _cheap(began, seconds, spent):
                return found
    raise AssertionError(f"{min(spent):.3f} s of the processor, {seconds} s are allowed")


def _cheap(began: float, seconds: float, spent: list[float]) -> bool:
    spent.append(time.process_time() - began)
    gc.enable()
    return spent[-1] < seconds
