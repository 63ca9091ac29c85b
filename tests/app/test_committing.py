"""Which machines have a committing process, and what it does while there is no database."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.committing.door import listen
from mailward.adapters.storage.postgres.engine import PostgresStore
from mailward.adapters.vault.vault import Vault
from mailward.app import serving
from mailward.app.committing import has_committer
from mailward.app.plan import CommitterPlan
from mailward.app.settings import Server, Settings, Storage
from mailward.base.errors import Unavailable


@pytest.mark.parametrize(
    ("kind", "workers", "roles", "has"),
    [
        ("embedded", 1, ["web", "sender"], True),
        ("postgres", 2, ["web", "sender"], True),
        ("postgres", 1, ["web", "sender"], False),
        ("postgres", 2, ["upkeep"], False),
        ("postgres", 2, ["sender", "upkeep"], True),
    ],
)
def test_a_machine_has_one_where_workers_share_it(kind: str, workers: int, roles: list[str], has: bool) -> None:
    """The file always; on PostgreSQL a single worker, as that of upkeep is, commits by itself."""
    settings = Settings(server=Server(workers=workers, roles=roles), storage=Storage(kind=kind))
    assert has_committer(settings) is has


async def test_without_a_database_it_waits_and_greets_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that connect meanwhile hear nothing, so they commit by themselves; it serves once it can."""
    tries: list[bool] = []
    there = False

    async def open(store: PostgresStore) -> None:
        tries.append(there)
        if not there:
            raise Unavailable("storage_unavailable", "Try again.", detail="away")

    async def close(store: PostgresStore) -> None: ...

    monkeypatch.setattr(PostgresStore, "open", open)
    monkeypatch.setattr(PostgresStore, "close", close)
    monkeypatch.setattr(serving, "_AGAIN_SECONDS", 0.001)
    settings = Settings(
        server=Server(data=str(tmp_path)),
        storage=Storage(kind="postgres", url="postgresql://mailward_app@127.0.0.1:9/x", plaintext=["127.0.0.1"]),
    )
    entropy = SystemEntropy()
    vault = Vault(tmp_path / "keys", entropy, now=SystemClock().now())
    listener = listen(tmp_path / "run" / "commit.sock")
    plan = CommitterPlan(settings=settings, supervisor=os.getppid(), listener=os.dup(listener.fileno()))
    running = asyncio.ensure_future(serving.serve(plan, vault, [], entropy, worker=1))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "run" / "commit.sock"))
    async with asyncio.timeout(5):
        while len(tries) < 3:
            await asyncio.sleep(0.001)
        assert not reader._buffer  # type: ignore[attr-defined]
        there = True
        assert await reader.readexactly(4) != b""
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await reader.read()) != b""
        await running
    writer.close()
    listener.close()
