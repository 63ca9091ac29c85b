"""One transaction as the store of whatever reads and writes by itself, for checks whose transaction is undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mailward.app.store import Tx

T = TypeVar("T")


class Inside:
    """Everything is asked of `tx`, and nothing is committed."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def system_read(self, act: Callable[[Any], Awaitable[T]]) -> T:
        """What `act` finds."""
        return await act(self._tx)

    async def system_write(self, act: Callable[[Any], Awaitable[T]]) -> T:
        """What `act` makes, until the transaction is undone."""
        return await act(self._tx)
