"""Transactions side by side, each on a connection of its own: what the repositories do to each other."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from mailward.adapters.storage.postgres.sealed import FieldCipher
from mailward.adapters.storage.postgres.sql import scope_sql
from mailward.adapters.storage.postgres.tx import PgTx
from mailward.core.messages.model import FACTS_ENCODER, MessageFacts
from tests.conftest import SeededEntropy
from tests.postgres_server import PostgresServer

WS = b"\x0a" * 16
OTHER = b"\x0b" * 16
DAY_MS = 86_400_000
DAY = 20_500
T0 = DAY * DAY_MS * 1000


def derive(purpose: str, context: bytes = b"") -> bytes:
    """Keys as a vault would give them."""
    return hashlib.sha256(purpose.encode() + b"\0" + context).digest()


def cipher() -> FieldCipher:
    return FieldCipher(derive, SeededEntropy(7))


def id_of(n: int, day: int = DAY) -> bytes:
    """A message's id in a day."""
    return (day * DAY_MS + n).to_bytes(6, "big") + n.to_bytes(10, "big")


def facts(subject: str = "Hello") -> bytes:
    return FACTS_ENCODER.encode(
        MessageFacts("api", "key_x", "d.test", "a@d.test", "A <a@d.test>", "b@x.test", subject, "<1@d.test>", 10)
    )


class Node:
    """Opens transactions on a database as nodes do."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self._url = server.url("mailward_app", database)
        self._open: list[Any] = []

    async def connect(self) -> PgTx:
        """A connection outside of any transaction, with its repositories."""
        db = await asyncpg.connect(self._url, ssl=False)
        await db.execute("SET search_path = mailward")
        self._open.append(db)
        tx = PgTx(db, cipher())
        tx.shard = len(self._open)
        return tx

    @asynccontextmanager
    async def begin(self, workspace: bytes | None, tx: PgTx | None = None) -> AsyncIterator[PgTx]:
        """A transaction in a scope; commits at the end, rolls back on an error."""
        tx = tx or await self.connect()
        transaction = tx._db.transaction()
        await transaction.start()
        try:
            await tx._db.execute(scope_sql(workspace))
            tx.bound(workspace)
            yield tx
            await tx.catch_up()
        except BaseException:
            await transaction.rollback()
            raise
        finally:
            tx.unbound()
        await transaction.commit()

    async def close(self) -> None:
        for db in self._open:
            db.terminate()


async def put(tx: PgTx, *numbers: int, day: int = DAY, state: int = 0, due: int = T0, lessee: int = 0) -> None:
    """Messages with one recipient each."""
    await tx.messages.insert([(id_of(n, day), T0 + n, 1, 0, 10, facts()) for n in numbers])
    await tx.deliveries.insert(
        [(id_of(n, day), 0, f"r{n}@x.test", state, due + n, lessee, T0, None, None) for n in numbers]
    )
