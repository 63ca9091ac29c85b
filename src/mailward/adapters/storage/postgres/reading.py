"""Reading transactions: a snapshot of committed state each, over a few connections of their own."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import asyncpg

from mailward.adapters.storage.postgres.connect import Connector, drop, part
from mailward.adapters.storage.postgres.failures import READING, again, cancelled, lost, unavailable
from mailward.adapters.storage.postgres.sql import Sql, scope_sql
from mailward.adapters.storage.postgres.transaction import MakeTx, begin_sql
from mailward.base.errors import Unavailable

T = TypeVar("T")

_SECONDS = 30.0
# How long a reader waits for a free connection before it is told to come again.
_WAIT_SECONDS = 10.0


class Readers:
    """Connections that read. Opened when needed, kept while they work."""

    def __init__(self, connector: Connector, make_tx: MakeTx, *, connections: int) -> None:
        self._connector = connector
        self._make_tx = make_tx
        self._free = asyncio.Semaphore(connections)
        self._idle: list[tuple[Any, Sql]] = []
        self._open: set[Any] = set()

    async def read(self, workspace: bytes | None, verb: Any) -> Any:
        """Run a verb on a snapshot; what it would change is refused by the server. Unavailable when that is away."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as e:
            raise unavailable(e, READING) from e
        try:
            try:
                return await self._once(workspace, verb)
            except BaseException as e:
                if not _away(e):
                    raise
            # The connection may have been dead for a while, and the idle ones with it: a fresh one says more.
            while self._idle:
                drop(self._idle.pop()[0])
            try:
                return await self._once(workspace, verb)
            except BaseException as e:
                if _away(e):
                    raise unavailable(e, READING) from e
                raise
        finally:
            self._free.release()

    async def _once(self, workspace: bytes | None, verb: Any) -> Any:
        db, tx = await self._take()
        fine = False
        try:
            async with asyncio.timeout(_SECONDS):
                await db.execute(begin_sql(read_only=True) + scope_sql(workspace))
                tx.bound(workspace)
                try:
                    found = await verb(tx)
                except Exception as e:
                    # Not for a deadline that passed: who did not answer the question does not answer ROLLBACK either.
                    fine = not lost(e) and await self._end(db)
                    raise
                fine = await self._end(db)
                return found
        finally:
            tx.unbound()
            if fine:
                self._idle.append((db, tx))
            else:
                self._open.discard(db)
                drop(db)

    async def _end(self, db: Any) -> bool:
        await db.execute("ROLLBACK")
        return True

    async def _take(self) -> tuple[Any, Sql]:
        while self._idle:
            db, tx = self._idle.pop()
            if not db.is_closed():
                return db, tx
            self._open.discard(db)
        try:
            db = await self._connector.connect()
        except Unavailable as e:
            raise unavailable(e, READING) from e
        self._open.add(db)
        return db, self._make_tx(db)

    async def close(self) -> None:
        """Close every connection; what still reads is cut off."""
        await asyncio.gather(*(part(db) for db in self._open))
        self._open.clear()
        self._idle.clear()


def _away(error: BaseException) -> bool:
    """A write through this door is a fault of the verb, not a sign that the server became a standby."""
    away = lost(error) or again(error) or cancelled(error)
    return away and not isinstance(error, asyncpg.ReadOnlySQLTransactionError)
