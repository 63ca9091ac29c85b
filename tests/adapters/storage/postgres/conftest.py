"""A PostgreSQL for the session, a database for each test, and stores on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from mailward.adapters.storage.postgres.access import Access
from mailward.adapters.storage.postgres.engine import Limits, PostgresStore
from mailward.adapters.storage.postgres.sql import Sql
from mailward.adapters.storage.records import Body, BodyRef, seal_records
from mailward.base.errors import NotFound, Unavailable
from tests.adapters.storage.postgres.transactions import Node
from tests.conftest import MovingClock, SeededEntropy
from tests.postgres_server import PostgresServer


class MemoryBodies:
    """A place of bodies that a test can take away."""

    def __init__(self, entropy: SeededEntropy) -> None:
        self._entropy = entropy
        self._records: dict[int, bytes] = {}
        self.groups: list[int] = []
        self.away = False

    async def append(self, bodies: Any) -> list[BodyRef]:
        if self.away:
            raise Unavailable("storage_unavailable", "Try again.", detail="objects away")
        given: list[Body] = list(bodies)
        self.groups.append(len(given))
        sealed, lengths = seal_records(given, self._entropy)
        number = len(self._records) + 1
        self._records[number] = sealed
        refs, at = [], 0
        for length in lengths:
            refs.append(BodyRef(number, at, length))
            at += length
        return refs

    async def read(self, ref: BodyRef) -> bytes:
        if ref.segment not in self._records:
            raise NotFound("content_gone", "Gone.")
        return self._records[ref.segment][ref.offset : ref.offset + ref.length]

    async def overwrite(self, workspace: bytes, message: bytes, ref: BodyRef) -> None:
        record = self._records[ref.segment]
        end = ref.offset + ref.length
        self._records[ref.segment] = record[: ref.offset] + bytes(ref.length) + record[end:]

    async def close(self) -> None: ...


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """An empty database with our schema."""
    name = await postgres_server.fresh_database()
    yield name
    await postgres_server.give_back(name)


@pytest.fixture
def bodies(entropy: SeededEntropy) -> MemoryBodies:
    return MemoryBodies(entropy)


OpenStore = Callable[..., Awaitable[PostgresStore]]


@pytest.fixture
async def open_store(
    postgres_server: PostgresServer, database: str, bodies: MemoryBodies, clock: MovingClock
) -> AsyncIterator[OpenStore]:
    """Opens a store, as a process would; transactions have no repositories. Closed afterwards."""
    made: list[PostgresStore] = []

    async def open(*, url: str | None = None, limits: Limits | None = None, **access: Any) -> PostgresStore:
        store = PostgresStore(
            Access(url or postgres_server.url("mailward_app", database), plaintext=("127.0.0.1",), **access),
            Sql,
            lambda writer: bodies,
            clock=clock,
            entropy=SeededEntropy(100 + len(made)),
            limits=limits or Limits(),
        )
        await store.open()
        made.append(store)
        return store

    yield open
    for store in made:
        await store.close()


@pytest.fixture
async def node(postgres_server: PostgresServer, database: str) -> AsyncIterator[Node]:
    """Transactions on connections of their own."""
    made = Node(postgres_server, database)
    yield made
    await made.close()


@pytest.fixture
async def admin(postgres_server: PostgresServer, database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A superuser, whom no policy binds."""
    db = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    yield db
    await db.close()
