"""What a suite of stores needs beside a store: another process on the same data, and the store's absence."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.store import Store
from tests.conftest import MovingClock, SeededEntropy
from tests.postgres_server import PostgresServer, open_store, superuser_url

Another = Callable[[], Awaitable[Store]]
Away = Callable[[], contextlib.AbstractAsyncContextManager[None]]


@pytest.fixture
async def another(
    request: pytest.FixtureRequest, store: Any, tmp_path: Path, clock: MovingClock
) -> AsyncIterator[Another]:
    """Opens a further store on the same data, as another process would."""
    made: list[Any] = []

    async def open() -> Store:
        entropy = SeededEntropy(50 + len(made))
        further: Any
        if isinstance(store, SqliteStore):
            further = SqliteStore(tmp_path / "data", bytes(range(32)), worker=1 + len(made), entropy=entropy)
            await further.open()
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            database = urlsplit(superuser_url(store)).path[1:]
            further = await open_store(server, database, tmp_path / "data", clock=clock, entropy=entropy)
        made.append(further)
        return further  # type: ignore[no-any-return]  # either satisfies the port

    yield open
    for further in made:
        await further.close()


@pytest.fixture
def away(store: Any, monkeypatch: pytest.MonkeyPatch) -> Away:
    """While entered, the store cannot take a message: the disk is full, or the database does not answer."""

    @contextlib.asynccontextmanager
    async def full() -> AsyncIterator[None]:
        def no_room(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            for call in ("pwritev", "posix_fallocate"):
                patch.setattr(f"mailward.adapters.storage.sqlite.segments.os.{call}", no_room)
            yield

    @contextlib.asynccontextmanager
    async def silent() -> AsyncIterator[None]:
        url = superuser_url(store)
        name = urlsplit(url).path[1:]
        admin = await asyncpg.connect(url.replace(f"/{name}", "/postgres"), ssl=False)
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            yield
        finally:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await admin.close()

    return full if isinstance(store, SqliteStore) else silent
