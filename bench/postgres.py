"""Mailward with its rows in a PostgreSQL of its own, and its bodies in local segments or in a bucket."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg

from bench.servers import MailwardServer, Mode
from tests.adapters.storage.objects.conftest import make_bucket, running_s3
from tests.postgres_server import PostgresServer, running_server
from tests.scenarios.peers import SmtpSink

# As an administrator of a small machine sets it; commits reach the disk before they are answered, as by default.
SERVER = (
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "deadlock_timeout=1s",
    "max_connections=100",
)
_BUCKET = "bench"
_INDEXED = """
SELECT EXISTS (SELECT FROM mailward.search_progress) AND NOT EXISTS (
    SELECT FROM mailward.search_progress p, LATERAL (
        SELECT 1 FROM mailward.messages m WHERE m.workspace = p.workspace AND m.id > p.upto LIMIT 1) later)
"""


class Database:
    """A server with one migrated database; `settings` are what a platform needs to use it."""

    def __init__(self, *, bucket: bool = False) -> None:
        self._bucket = bucket
        self._stack = contextlib.ExitStack()
        self._server: PostgresServer | None = None
        self._name = ""
        self.settings: dict[str, Any] = {}

    def __enter__(self) -> Database:
        with contextlib.ExitStack() as stack:
            server = self._server = stack.enter_context(running_server(settings=SERVER))
            self._name = asyncio.run(server.fresh_database())
            self.settings = {
                "storage.kind": "postgres",
                "storage.url": server.url("mailward_app", self._name),
                "storage.owner_url": server.url("mailward_owner", self._name),
                "storage.plaintext": ["127.0.0.1"],
            }
            if self._bucket:
                self.settings |= _bucket_settings(stack.enter_context(running_s3()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def roots(self) -> list[int]:
        """The postmaster; its tree is the whole server."""
        assert self._server is not None
        return [self._server.pid]

    def tidy(self) -> None:
        """What autovacuum and the checkpointer do sooner or later, done now: no measurement is charged for it alone."""
        asyncio.run(self._as_superuser("VACUUM (ANALYZE)", "CHECKPOINT"))

    def count(self) -> int:
        """Messages stored."""
        return int(asyncio.run(self._as_superuser("SELECT count(*) FROM mailward.messages")))

    def indexed(self) -> bool:
        """Has upkeep put everything stored into the index of the search?"""
        return bool(asyncio.run(self._as_superuser(_INDEXED)))

    async def _as_superuser(self, *statements: str) -> Any:
        assert self._server is not None
        db = await asyncpg.connect(self._server.url("postgres", self._name), ssl=False)
        try:
            value = None
            for statement in statements:
                value = await db.fetchval(statement)
            return value
        finally:
            await db.close()


def _bucket_settings(port: int) -> dict[str, Any]:
    make_bucket(port, _BUCKET)
    address = f"127.0.0.1:{port}"
    return {
        "objects.url": f"s3://{_BUCKET}/mail",
        "objects.endpoint": f"http://{address}",
        "objects.plaintext": [address],
        "objects.access_key": "key",
        "objects.secret_key": "secret",
    }


class MailwardOnPostgres(MailwardServer):
    """The same product, everything on, bodies in local segments; PostgreSQL is counted apart from its own processes."""

    name = "mailward-pg"
    bucket = False

    def __init__(self, mode: Mode, sink: SmtpSink) -> None:
        super().__init__(mode, sink)
        self._stack = contextlib.ExitStack()
        self.store = Database(bucket=self.bucket)

    def store_settings(self) -> dict[str, Any]:
        """In PostgreSQL."""
        return self.store.settings

    def __enter__(self) -> MailwardOnPostgres:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.store)
            super().__enter__()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            super().__exit__()
        finally:
            self._stack.close()

    def database(self) -> list[int]:
        """PostgreSQL. An object store is not counted: in use it is another machine's."""
        return self.store.roots()


class MailwardOnBucket(MailwardOnPostgres):
    """Bodies in a bucket of moto's server, slow and on the same cores: a look, not a figure to hold anyone to."""

    name = "mailward-s3"
    bucket = True
