"""The unscoped door: transactions that belong to no workspace.

Whoever imports this module can see every tenant's rows, so its importers are a short
list, kept in the import contracts. Everybody else receives a transaction that was born
bound to one workspace.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")
Tx_co = TypeVar("Tx_co", covariant=True)


class SystemStore(Protocol[Tx_co]):
    """Transactions outside of any workspace."""

    def system_write(self, verb: Callable[[Tx_co], Awaitable[T]]) -> Awaitable[T]: ...

    def system_read(self, verb: Callable[[Tx_co], Awaitable[T]]) -> Awaitable[T]: ...
