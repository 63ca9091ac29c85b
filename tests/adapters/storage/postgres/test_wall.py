"""Row-level security, found out from the live catalogue: whatever table has an owner column is walled in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from mailward.adapters.storage.postgres.sql import scope_sql
from tests.postgres_server import PostgresServer

OURS = b"\x0a" * 16
THEIRS = b"\x0b" * 16
DAY = 20_500
# An id of that day: partitions are there for it.
ID = (DAY * 86_400_000).to_bytes(6, "big") + b"\x01" * 10

_OWNED = (
    "SELECT c.oid::regclass::text, c.relkind::text, c.relispartition FROM pg_class AS c "
    "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'workspace' AND NOT a.attisdropped "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
)
_COLUMNS = (
    "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = $1::text::regclass "
    "AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
)
_SAMPLES: dict[str, Any] = {"bytea": ID, "text": "x", "bigint": 1, "integer": 1, "smallint": 1}


@pytest.fixture
async def admin(postgres_server: PostgresServer, database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A superuser, whom no policy binds."""
    db = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    await db.execute("SET search_path = mailward")
    await db.fetch("SELECT make_day($1)", DAY)
    yield db
    await db.close()


@pytest.fixture
async def app(postgres_server: PostgresServer, database: str, admin: Any) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The role the server connects as."""
    db = await asyncpg.connect(postgres_server.url("mailward_app", database), ssl=False)
    yield db
    await db.close()


async def owned(admin: Any, *, partitions: bool = True) -> list[str]:
    """Every table with an owner column."""
    rows = await admin.fetch(_OWNED)
    assert all(r[1] in "rp" for r in rows), "a view or foreign table with an owner column needs a look of its own"
    found = [r[0] for r in rows if partitions or not r[2]]
    assert len(found) > 20
    return found


async def sample(admin: Any, table: str, workspace: bytes) -> dict[str, Any]:
    """A row of a table, with values that its types and checks accept."""
    values: dict[str, Any] = {}
    for name, kind in await admin.fetch(_COLUMNS, table):
        values[name] = workspace if name == "workspace" else _SAMPLES[kind]
        # What is unique over all workspaces must not be what stops a foreign row.
        if name in ("token_hash", "name_token"):
            values[name] = workspace
    if table == "deliveries":
        values["state"] = 3
    if table == "audit":
        values["leaf"] = b'{"actor":{"id":"x"},"target":"x"}'
    return values


async def insert(db: Any, table: str, values: dict[str, Any]) -> None:
    marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    columns = ", ".join(f'"{c}"' for c in values)
    await db.execute(f"INSERT INTO {table}({columns}) VALUES ({marks})", *values.values())


async def fill(admin: Any) -> None:
    """One row of each workspace in every table."""
    for table in await owned(admin, partitions=False):
        for workspace in (OURS, THEIRS):
            await insert(admin, table, await sample(admin, table, workspace))


async def rows_or_refusal(db: Any, scope: str, sql: str, *params: Any) -> list[Any] | None:
    """What a statement finds in a scope; None when the server refuses it."""
    transaction = db.transaction()
    await transaction.start()
    try:
        if scope:
            await db.execute(scope)
        found: list[Any] = await db.fetch(sql, *params)
        return found
    except asyncpg.InsufficientPrivilegeError:
        return None
    finally:
        await transaction.rollback()


TENANT_UNSET = "SET LOCAL ROLE mailward_tenant"
TENANT_EMPTY = "SET LOCAL ROLE mailward_tenant; SET LOCAL mailward.workspace = ''"


@pytest.mark.claim("AUTHZ-2")
async def test_every_table_with_an_owner_forces_its_policies(admin: Any) -> None:
    """Row-level security is on and forced for every table and partition that has an owner column."""
    for table in await owned(admin):
        flags = await admin.fetchrow(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass", table
        )
        assert tuple(flags) == (True, True), table


@pytest.mark.asvs("8.4.1")
@pytest.mark.claim("AUTHZ-2")
async def test_without_a_workspace_no_row_is_seen(admin: Any, app: Any) -> None:
    """Raw SQL on the application's role, bound to no workspace, finds nothing in any table, or is refused."""
    await fill(admin)
    for table in await owned(admin):
        assert await admin.fetchval(f"SELECT count(*) FROM {table}") == 2, table  # the rows are there to be seen
        name = f"mailward.{table}"
        assert await rows_or_refusal(app, "", f"SELECT * FROM {name}") is None, table
        for scope in (TENANT_UNSET, TENANT_EMPTY):
            assert not await rows_or_refusal(app, scope, f"SELECT * FROM {name}"), (table, scope)


@pytest.mark.asvs("8.4.1")
@pytest.mark.claim("AUTHZ-2")
async def test_a_workspace_sees_its_own_rows_and_no_others(admin: Any, app: Any) -> None:
    """Bound to a workspace, every table it may read shows exactly its own rows, even when asked for others by name."""
    await fill(admin)
    readable = 0
    for table in await owned(admin):
        name = f"mailward.{table}"
        found = await rows_or_refusal(app, scope_sql(OURS), f"SELECT workspace FROM {name}")
        assert found is None or [r[0] for r in found] == [OURS], table
        readable += found is not None
        asked = f"SELECT 1 FROM {name} WHERE workspace = $1"
        assert not await rows_or_refusal(app, scope_sql(OURS), asked, THEIRS), table
    assert readable > 20


@pytest.mark.asvs("8.4.1")
@pytest.mark.claim("AUTHZ-2")
async def test_a_workspace_changes_no_foreign_row(admin: Any, app: Any) -> None:
    """Bound to a workspace, nothing is inserted for another, updated, deleted, or given away, in any table."""
    await fill(admin)
    third = b"\x0c" * 16
    for table in await owned(admin):
        name = f"mailward.{table}"
        tenant = scope_sql(OURS)
        values = await sample(admin, await parent(admin, table), third)
        marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        columns = ", ".join(f'"{c}"' for c in values)
        put = f"INSERT INTO {name}({columns}) VALUES ({marks}) RETURNING 1"
        assert await rows_or_refusal(app, tenant, put, *values.values()) is None, table
        own = f"UPDATE {name} SET workspace = $1 WHERE workspace = $2 RETURNING 1"
        assert await rows_or_refusal(app, tenant, own, third, OURS) is None, table
        change = f"UPDATE {name} SET workspace = workspace WHERE workspace = $1 RETURNING 1"
        assert not await rows_or_refusal(app, tenant, change, THEIRS), table
        remove = f"DELETE FROM {name} WHERE workspace = $1 RETURNING 1"
        assert not await rows_or_refusal(app, tenant, remove, THEIRS), table
        assert not await rows_or_refusal(app, tenant, f"DELETE FROM {name} WHERE workspace <> $1 RETURNING 1", OURS)


async def parent(admin: Any, table: str) -> str:
    """The partitioned table a partition belongs to, or the table itself."""
    found = await admin.fetchval(
        "SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = $1::text::regclass", table
    )
    return str(found or table)


async def test_the_own_row_can_be_written(admin: Any, app: Any) -> None:
    """The refusals are about the workspace: the same insert for one's own is taken in every table a tenant writes."""
    taken = 0
    for table in await owned(admin, partitions=False):
        values = await sample(admin, table, OURS)
        marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        columns = ", ".join(f'"{c}"' for c in values)
        put = f"INSERT INTO mailward.{table}({columns}) VALUES ({marks}) RETURNING 1"
        if await admin.fetchval("SELECT has_table_privilege('mailward_tenant', $1::text, 'INSERT')", table):
            assert await rows_or_refusal(app, scope_sql(OURS), put, *values.values()), table
            taken += 1
    assert taken > 15


@pytest.mark.asvs("13.2.2")
@pytest.mark.claim("AUTHZ-2")
@pytest.mark.claim("NET-1")
@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE mailward_owner",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION mailward_owner",
        "ALTER TABLE mailward.messages DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE mailward.messages NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON mailward.messages",
        "CREATE POLICY mine ON mailward.messages USING (true)",
        "CREATE TABLE mailward.mine(workspace bytea)",
        "CREATE TABLE public.mine(workspace bytea)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine(workspace bytea)",
        "CREATE OR REPLACE FUNCTION mailward.bound_workspace() RETURNS bytea LANGUAGE sql AS 'SELECT null::bytea'",
        "TRUNCATE mailward.messages",
        "ALTER ROLE mailward_app BYPASSRLS",
        "ALTER ROLE mailward_tenant BYPASSRLS",
        "GRANT mailward_owner TO mailward_app",
        "INSERT INTO mailward.schema_migrations VALUES (1, 'x', 'x', 0)",
        "DELETE FROM mailward.schema_migrations",
        "UPDATE mailward.audit SET act = 'x'",
        "DELETE FROM mailward.audit",
        "UPDATE mailward.audit_heads SET root = ''",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY mailward.messages TO PROGRAM 'cat'",
    ],
)
async def test_the_application_cannot_lift_the_wall(app: Any, statement: str) -> None:
    """Neither the login role nor what it may become can lift the policies, create anything, or touch the record."""
    for role in ("", "SET LOCAL ROLE mailward_tenant", "SET LOCAL ROLE mailward_system"):
        transaction = app.transaction()
        await transaction.start()
        try:
            if role:
                await app.execute(role)
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError)):
                await app.execute(statement)
        finally:
            await transaction.rollback()


@pytest.mark.asvs("13.2.2")
async def test_the_application_owns_nothing(admin: Any) -> None:
    """No object of the database belongs to the application's roles, and none of them is more than a plain role."""
    names = ["mailward_app", "mailward_tenant", "mailward_system"]
    for catalogue, owner in (
        ("pg_class", "relowner"), ("pg_proc", "proowner"), ("pg_namespace", "nspowner"), ("pg_type", "typowner"),
        ("pg_database", "datdba"),
    ):  # fmt: skip
        sql = f"SELECT count(*) FROM {catalogue} JOIN pg_roles r ON r.oid = {owner} WHERE r.rolname = ANY($1)"
        assert await admin.fetchval(sql, names) == 0, catalogue
    powers = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit"
    assert await admin.fetchval(f"SELECT count(*) FROM pg_roles WHERE rolname = ANY($1) AND ({powers})", names) == 0


async def test_a_tenant_reads_no_record_of_migrations(app: Any) -> None:
    """What the installation keeps for itself is out of a workspace's reach: users, counters, migrations, marks."""
    for table in ("schema_migrations", "users", "counters", "setup_links", "worker_slots", "commit_marks"):
        assert await rows_or_refusal(app, scope_sql(OURS), f"SELECT * FROM mailward.{table}") is None, table


async def test_functions_are_for_who_needs_them(admin: Any) -> None:
    """No function of the schema is executable by everybody, and those with the owner's rights fix their search path."""
    rows = await admin.fetch(
        "SELECT p.proname, p.prosecdef, p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE') "
        "FROM pg_proc p WHERE p.pronamespace = 'mailward'::regnamespace"
    )
    assert rows
    for name, definer, config, everybody in rows:
        assert not everybody, name
        assert not definer or any(c.startswith("search_path=") for c in config or ()), name
