"""Statements that are put off: together, in time, and never those of what failed."""

from __future__ import annotations

import asyncpg
import pytest

from mailward.adapters.storage.postgres.sql import ENTER, as_one, entering
from tests.adapters.storage.postgres.transactions import OTHER, WS, Node

_COUNT = (
    "INSERT INTO hours(workspace, hour, what, shard, count) VALUES ($1, $2, $3, 0, 1) "
    "ON CONFLICT (workspace, hour, what, shard) DO UPDATE SET count = hours.count + excluded.count"
)
_HOURS = "SELECT hour, count FROM hours WHERE workspace = $1 ORDER BY hour"


def test_parameters_are_numbered_on() -> None:
    """Each statement keeps its own, a parameter that is named twice included."""
    assert as_one(
        ("INSERT INTO a VALUES ($1, $2, $1)", "DELETE FROM b WHERE x = $1", "UPDATE c SET y = $2, z = $1")
    ) == (
        "WITH s0 AS (INSERT INTO a VALUES ($1, $2, $1)), s1 AS (DELETE FROM b WHERE x = $3) UPDATE c SET y = $5, z = $4"
    )


async def test_what_is_put_off_is_there_for_whoever_reads_next(node: Node) -> None:
    """The same statement twice makes two of it, in order; another one goes along."""
    async with node.begin(WS) as tx:
        for hour in (1, 2, 1):
            await tx.later(_COUNT, WS, hour, "accepted")
        assert await tx.rows(_HOURS, WS) == [(1, 2), (2, 1)]
        await tx.later(_COUNT, WS, 3, "accepted")
    async with node.begin(WS) as tx:
        assert await tx.rows(_HOURS, WS) == [(1, 2), (2, 1), (3, 1)]


async def test_what_changes_the_same_rows_is_not_one_statement(node: Node) -> None:
    """A statement sees what one before it wrote into its table; a WITH of its own comes last, and there is but one."""
    moved = (
        "WITH gone AS (DELETE FROM hours WHERE workspace = $1 AND hour = $2 RETURNING count) "
        "INSERT INTO usage(workspace, day, what, shard, count) SELECT $1, $2, 'moved', 0, count FROM gone"
    )
    async with node.begin(WS) as tx:
        await tx.later(_COUNT, WS, 1, "accepted")
        await tx.later(moved, WS, 1)
        await tx.later(_COUNT, WS, 2, "accepted")
        assert await tx.rows(_HOURS, WS) == [(2, 1)]
        assert await tx.rows("SELECT what, count FROM usage WHERE workspace = $1", WS) == [("moved", 1)]
    assert as_one(("INSERT INTO a VALUES ($1)", "WITH g AS (DELETE FROM b WHERE x = $1) INSERT INTO c SELECT $2")) == (
        "WITH s0 AS (INSERT INTO a VALUES ($1)), g AS (DELETE FROM b WHERE x = $2) INSERT INTO c SELECT $3"
    )


async def test_what_a_failed_attempt_put_off_is_not_done(node: Node) -> None:
    """Not later either; what was put off before it stays."""
    async with node.begin(WS) as tx:
        await tx.later(_COUNT, WS, 1, "accepted")
        with pytest.raises(ValueError, match="no"):  # noqa: PT012 - what is put off inside is the point
            async with tx.attempt():
                await tx.later(_COUNT, WS, 2, "accepted")
                raise ValueError("no")
        assert await tx.rows(_HOURS, WS) == [(1, 1)]


async def test_the_wall_stands_for_what_is_put_off(node: Node) -> None:
    """A row for another workspace is refused when its turn comes."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # noqa: PT012 - refused when its turn comes
        async with node.begin(WS) as tx:
            await tx.later(_COUNT, OTHER, 1, "accepted")
            await tx.rows(_HOURS, WS)


async def test_a_transaction_enters_its_scope_with_its_first_look(node: Node) -> None:
    """The counters are read as the system, and what follows is a tenant's, for this transaction alone."""
    async with node.begin(None) as tx:
        await tx.run("INSERT INTO counters(name, value) VALUES ('auth_epoch', 7)")
    tx = await node.connect()
    await tx._db.execute("BEGIN; SET LOCAL ROLE mailward_system")
    assert [tuple(r) for r in await tx._db.fetch(ENTER, *entering(WS))] == [("auth_epoch", 7)]
    assert await tx._db.fetchval("SELECT current_user || ' ' || current_setting('mailward.workspace')") == (
        f"mailward_tenant {WS.hex()}"
    )
    await tx._db.execute("ROLLBACK")
    assert await tx._db.fetchval("SELECT current_user") == "mailward_app"
