"""Roles and schema on a server where nobody is a superuser, as on a managed one."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest

from mailward.adapters.storage.postgres.migrate import bootstrap, migrate
from tests.postgres_server import PostgresServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of its own: roles belong to a whole server, and here an administrator has to make them."""
    with running_server() as made:
        yield made


@pytest.mark.asvs("13.2.3", "13.2.2")
async def test_an_administrator_without_superuser_sets_up(server: PostgresServer) -> None:
    """CREATEROLE and the database are enough, twice does no harm; only our roles connect and own, with no password."""
    db = await asyncpg.connect(server.url("postgres", "postgres"), ssl=False)
    await db.execute("CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'boss'")
    await db.execute("CREATE ROLE passer LOGIN PASSWORD 'passer'")
    await db.execute("CREATE DATABASE managed OWNER boss")
    await db.close()
    boss = await asyncpg.connect(server.url("boss:boss", "managed"), ssl=False)
    assert not await boss.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    await bootstrap(boss)
    await bootstrap(boss)
    looking = await asyncpg.connect(server.url("postgres", "managed"), ssl=False)
    given = await looking.fetch("SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'mailward%'")
    assert len(given) >= 4 and {row[0] for row in given} == {None}, "no password is there before somebody sets one"
    await looking.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await boss.execute("SET ROLE mailward_owner")
    await boss.close()

    owner = await asyncpg.connect(server.url("mailward_owner", "managed"), ssl=False)
    assert await migrate(owner, now_us=0)
    assert await migrate(owner, now_us=0) == []
    sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'mailward' AND tableowner <> 'mailward_owner'"
    assert await owner.fetchval(sql) == 0
    await owner.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(server.url("passer:passer", "managed"), ssl=False)
