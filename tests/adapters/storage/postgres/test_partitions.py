"""Days: made before they are needed or when they are, dropped as a whole when nobody keeps them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from mailward.adapters.storage.postgres.sql import scope_sql
from mailward.adapters.storage.postgres.workspaces import _UNINDEXED
from mailward.core.messages.model import DeliveryState as S
from tests.adapters.storage.postgres.transactions import DAY, OTHER, T0, WS, Node, id_of, put

GROWING = ("messages", "deliveries", "attempts", "timeline", "search")


async def days(node: Node) -> list[int]:
    async with node.begin(None) as tx:
        return await tx.partitions.days()


async def test_a_day_is_made_with_the_first_message_of_it(node: Node) -> None:
    """Nobody has to have made a day: accepting does, and the message is there."""
    assert await days(node) == []
    async with node.begin(WS) as tx:
        await put(tx, 1)
    assert await days(node) == [DAY]
    async with node.begin(WS) as tx:
        assert (await tx.messages.get(id_of(1))) is not None


async def test_days_ahead_are_made_by_upkeep(node: Node) -> None:
    """Upkeep makes the coming days; accepting then makes none."""
    async with node.begin(None) as tx:
        await tx.partitions.make_ahead(DAY, 3)
    assert await days(node) == [DAY, DAY + 1, DAY + 2, DAY + 3]
    async with node.begin(WS) as tx:
        await put(tx, 1, day=DAY + 3)
    assert await days(node) == [DAY, DAY + 1, DAY + 2, DAY + 3]


async def test_a_day_that_was_rolled_back_is_made_again(node: Node) -> None:
    """A connection does not believe in a day it made in a transaction that came to nothing."""
    tx = await node.connect()

    async def undone() -> None:
        async with node.begin(WS, tx):
            await put(tx, 1)
            await put(tx, 2)  # asks again in the same transaction
            raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        await undone()
    assert await days(node) == []
    for n in (1, 2):
        async with node.begin(WS, tx):
            await put(tx, n)
    assert await days(node) == [DAY]


async def test_two_nodes_make_a_day_at_once(node: Node) -> None:
    """The second waits for the first and finds the day there; both messages are recorded."""
    first, second = await node.connect(), await node.connect()

    async def other() -> None:
        async with node.begin(OTHER, second):
            await put(second, 2)

    async with node.begin(WS, first):
        await put(first, 1)
        waiting = asyncio.create_task(other())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await waiting
    assert await days(node) == [DAY]
    async with node.begin(OTHER) as tx:
        assert (await tx.messages.get(id_of(2))) is not None


async def test_mail_goes_on_while_a_day_is_made(node: Node) -> None:
    """Making a day locks no other day: a transaction that made one does not keep a message of today waiting."""
    async with node.begin(WS) as tx:
        await put(tx, 1)
    async with node.begin(None) as maker:
        await maker.partitions.make_ahead(DAY + 1, 1)
        async with asyncio.timeout(5):
            async with node.begin(WS) as tx:
                await put(tx, 2)
                await tx.deliveries.of([id_of(1)])


async def test_a_day_goes_as_a_whole(node: Node, admin: Any) -> None:
    """A day without an open delivery is dropped with everything in it; other days and open deliveries stay."""
    async with node.begin(WS) as tx:
        await put(tx, 1, state=3)
        await put(tx, 1, day=DAY + 1, state=3)
        await tx.messages.timeline_add(id_of(1), T0, "held", "{}")
        await tx.messages.index([(b"t" * 8, id_of(1))], id_of(1))
    async with node.begin(None) as tx:
        assert await tx.retention.drop_day(id_of(0, DAY + 1)) == 1
        assert await tx.retention.drop_day(id_of(0, DAY + 1)) is None
    assert await days(node) == [DAY + 1]
    for table in GROWING:
        name = f"mailward.{table}"
        assert await admin.fetchval(f"SELECT count(*) FROM {name}") == (1 if table in ("messages", "deliveries") else 0)
    async with node.begin(WS) as tx:
        assert await tx.messages.get(id_of(1)) is None
        assert await tx.messages.get(id_of(1, DAY + 1)) is not None


@pytest.mark.parametrize("state", [0, 1, 2])
async def test_a_day_with_an_open_delivery_stays(node: Node, state: int) -> None:
    """A copy that is queued, leased or held keeps its day, until it has ended."""
    async with node.begin(WS) as tx:
        await put(tx, 1, state=state, lessee=5)
        await put(tx, 2, state=3)
    async with node.begin(None) as tx:
        assert await tx.retention.drop_day(id_of(0, DAY + 1)) is None
    assert await days(node) == [DAY]
    async with node.begin(WS) as tx:
        moved = await tx.deliveries.move(id_of(1), (S(state),), S.CANCELLED, due=0, now=T0, reason="cancelled")
        assert moved == 1
    async with node.begin(None) as tx:
        assert await tx.retention.drop_day(id_of(0, DAY + 1)) == 2


async def test_a_day_that_is_not_over_is_not_dropped(node: Node, admin: Any) -> None:
    """Whatever a node's clock says, the server does not drop today."""
    today = await admin.fetchval("SELECT extract(epoch FROM now())::bigint / 86400")
    async with node.begin(None) as tx:
        await tx.partitions.make_ahead(today, 1)
    with pytest.raises(asyncpg.RaiseError):
        async with node.begin(None) as tx:
            await tx.partitions.drop(today)
    assert await days(node) == [today, today + 1]


async def test_a_drop_does_not_keep_mail_waiting_for_long(node: Node) -> None:
    """While a reader holds the tables a drop gives up after a second, and the rest of its transaction stands."""
    async with node.begin(WS) as tx:
        await put(tx, 1, state=3)
    async with node.begin(WS) as reader:
        await reader.messages.get(id_of(1))
        async with node.begin(None) as tx:
            assert not await tx.partitions.drop(DAY)
            assert await tx.partitions.days() == [DAY]
    assert await days(node) == [DAY]


async def test_a_tenant_drops_nothing(node: Node) -> None:
    """Dropping days is the system's: a workspace's transaction may make one and no more."""
    async with node.begin(WS) as tx:
        await put(tx, 1, state=3)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with node.begin(WS) as tx:
            await tx.partitions.drop(DAY)


async def test_partitions_cannot_be_reached_by_name(node: Node, admin: Any) -> None:
    """Neither role is granted anything on a partition itself."""
    async with node.begin(WS) as tx:
        await put(tx, 1)
    found = await admin.fetch("SELECT relid::text FROM pg_partition_tree('mailward.messages') WHERE isleaf")
    assert found
    for (name,) in found:
        for scope in (WS, None):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with node.begin(scope) as tx:
                    await tx.rows(f"SELECT 1 FROM {name}")


async def plan(admin: Any, sql: str, *params: Any) -> str:
    """The plan of a statement in a workspace's scope, as text."""
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute("SET LOCAL search_path = mailward; " + scope_sql(WS))
        await admin.execute("SET LOCAL enable_seqscan = off")  # tables are too small for indexes to look worth it
        found = await admin.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *params)
        return json.dumps(json.loads(found))
    finally:
        await transaction.rollback()


@pytest.mark.parametrize(
    ("sql", "params", "within"),
    [
        ("SELECT facts FROM messages WHERE workspace = $1 AND id = $2", (WS, id_of(1)), {DAY}),
        ("SELECT n FROM deliveries WHERE workspace = $1 AND message = ANY($2::bytea[])", (WS, [id_of(1)]), {DAY}),
        ("SELECT n FROM attempts WHERE workspace = $1 AND message = $2", (WS, id_of(1, DAY + 2)), {DAY + 2}),
        ("DELETE FROM messages WHERE workspace = $1 AND id = ANY($2::bytea[])", (WS, [id_of(1)]), {DAY}),
        (
            "SELECT m.id FROM unnest($1::bytea[], $2::bytea[]) AS k(w, i) JOIN messages AS m "
            "ON m.workspace = k.w AND m.id = k.i WHERE m.id >= $3 AND m.id <= $4",
            ([WS], [id_of(1)], id_of(1), id_of(1, DAY + 1)),
            {DAY, DAY + 1},
        ),
    ],
)
async def test_a_look_up_reads_the_days_it_names(
    node: Node, admin: Any, sql: str, params: tuple[Any, ...], within: set[int]
) -> None:
    """A statement that names ids is planned over their days alone, by the primary key, however many days there are."""
    async with node.begin(None) as tx:
        await tx.partitions.make_ahead(DAY, 5)
    text = await plan(admin, sql, *params)
    names = {
        d: (await admin.fetchval("SELECT to_char(date '1970-01-01' + $1::int, 'YYYYMMDD')", d))
        for d in range(DAY, DAY + 6)
    }
    assert {d for d, name in names.items() if f"_{name}" in text} == within
    assert "pkey" in text


async def test_whether_there_is_something_to_index_is_not_asked_of_every_message(node: Node, admin: Any) -> None:
    """With thousands stored, and known to the planner, a few rows are read for each workspace, indexed or not."""
    async with node.begin(None) as tx:
        await tx.partitions.make_ahead(DAY, 2)
    await admin.execute("SET search_path = mailward")
    for workspace, indexed in ((WS, 20_000), (OTHER, 19_000)):
        await admin.execute(
            "INSERT INTO workspaces(workspace, name, created, settings) VALUES ($1, '', 0, '') ON CONFLICT DO NOTHING",
            workspace,
        )
        await admin.execute(
            "INSERT INTO messages(workspace, id, created, facts) SELECT $1, decode(lpad(to_hex($2::bigint + n / 100), "
            "12, '0') || lpad(to_hex(n), 20, '0'), 'hex'), 0, '' FROM generate_series(1, 20000) AS n",
            workspace,
            T0 // 1000,
        )
        await admin.execute(
            "INSERT INTO search_progress(workspace, upto) SELECT $1, id FROM messages WHERE workspace = $1 "
            "ORDER BY id LIMIT 1 OFFSET $2",
            workspace,
            indexed - 1,
        )
    await admin.execute("ANALYZE messages")
    text = await admin.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {_UNINDEXED}", bytes(16), b"\xff" * 16)

    def read(step: dict[str, Any]) -> float:
        own = step["Actual Rows"] * step["Actual Loops"] if step.get("Relation Name", "").startswith("messages") else 0
        return float(own) + sum(map(read, step.get("Plans", [])))

    assert read(json.loads(text)[0]["Plan"]) <= 4
    assert [r[0] for r in await admin.fetch(_UNINDEXED, bytes(16), b"\xff" * 16)] == [OTHER]
