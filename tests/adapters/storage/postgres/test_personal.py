"""Personal logins: one workspace's rows, read-only, and nothing once the grant is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from mailward.adapters.storage.postgres.personal import READER, drop_ended, make_login
from tests.conftest import SeededEntropy
from tests.postgres_server import PostgresServer

OURS, THEIRS, ACCESS = b"\x0a" * 16, b"\x0b" * 16, b"\x0c" * 16


@pytest.mark.claim("AUTHZ-3")
async def test_a_login_sees_one_workspace_while_the_grant_lives(postgres_server: PostgresServer, database: str) -> None:
    """It sees its workspace's rows, whatever it sets, changes nothing, and at the end sees none though connected."""
    admin: Any = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    owner: Any = await asyncpg.connect(postgres_server.url("mailward_owner", database), ssl=False)
    role = ""
    try:
        for workspace in (OURS, THEIRS):
            await admin.execute("INSERT INTO mailward.pauses VALUES ($1, '', 1, 'x')", workspace)
        ends = datetime.now(UTC) + timedelta(minutes=60)
        role, password = await make_login(admin, owner, ACCESS, OURS, ends, SeededEntropy())
        assert password not in str(await admin.fetch("SELECT rolpassword FROM pg_authid WHERE rolname = $1", role))
        person: Any = await asyncpg.connect(postgres_server.url(f"{role}:{password}", database), ssl=False)
        assert [r[0] for r in await person.fetch("SELECT workspace FROM pauses")] == [OURS]
        await person.execute(f"SET mailward.workspace = '{THEIRS.hex()}'")
        assert [r[0] for r in await person.fetch("SELECT workspace FROM pauses")] == [OURS]
        await person.execute("SET default_transaction_read_only = off")
        for refused in (
            "DELETE FROM pauses", "SELECT * FROM data_keys", "SELECT * FROM credentials", "SELECT * FROM sessions",
            "SELECT * FROM operator_logins", "SET ROLE mailward_system", "SET ROLE mailward_owner",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await person.execute(refused)
        await admin.execute("UPDATE mailward.operator_logins SET ended = 1 WHERE access = $1", ACCESS)
        assert await person.fetch("SELECT workspace FROM pauses") == []
        assert await drop_ended(admin, owner, datetime.now(UTC)) == 1
        assert await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role) is None
        person.terminate()
    finally:
        if role:
            await admin.execute(f"DROP ROLE IF EXISTS {role}")
        await admin.execute(f"DROP OWNED BY {READER}")
        await admin.execute(f"DROP ROLE {READER}")
        await admin.close()
        await owner.close()
