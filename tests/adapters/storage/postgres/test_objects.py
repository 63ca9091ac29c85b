"""Rows in PostgreSQL and bodies in a bucket: both or neither, and the sweep asks the one about the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.objects.bucket import Bucket
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.naming import object_name
from mailward.adapters.storage.objects.place import Place
from mailward.adapters.storage.objects.segments import ObjectSegments, open_objects
from mailward.adapters.storage.objects.sweep import sweep
from mailward.adapters.storage.postgres.access import Access
from mailward.adapters.storage.postgres.engine import Limits as StoreLimits
from mailward.adapters.storage.postgres.engine import PostgresStore
from mailward.adapters.storage.postgres.living import living_segments
from mailward.adapters.storage.postgres.partitions import PgPartitions
from mailward.adapters.storage.postgres.sql import Sql
from mailward.adapters.storage.records import BodyRef, open_record
from mailward.app.objects import Objects, object_chores, opener
from mailward.base import ids
from mailward.base.errors import Conflict, Unavailable
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.objects.conftest import bucket, place, proxy
from tests.adapters.storage.objects.faults import Fault, FaultProxy, cut, never, says
from tests.conftest import MovingClock, SeededEntropy
from tests.postgres_server import PostgresServer

__all__ = ["bucket", "place", "proxy"]

A, B = b"\x01" * 16, b"\x02" * 16


def message_id(n: int, clock: MovingClock) -> bytes:
    return int(clock.now().timestamp() * 1000).to_bytes(6, "big") + n.to_bytes(10, "big")


async def put(store: PostgresStore, workspace: bytes, message: bytes, ref: BodyRef) -> None:
    """A message's row, as far as the bucket is concerned."""

    async def verb(tx: Sql) -> None:
        await PgPartitions(tx).ensure([message])
        await tx.run(
            "INSERT INTO messages(workspace, id, created, segment, seg_offset, seg_length, facts) "
            "VALUES ($1, $2, 1, $3, $4, $5, '')",
            workspace, message, ref.segment, ref.offset, ref.length,
        )  # fmt: skip

    await store.write(ids.encode("ws", workspace), verb)


async def let_go(store: PostgresStore, message: bytes) -> None:
    """What retention does to a row when its content's time is over."""

    async def verb(tx: Sql) -> None:
        await tx.run("UPDATE messages SET segment = NULL, seg_offset = NULL, seg_length = NULL WHERE id = $1", message)

    await store.system_write(verb)


def settings_of(place: Place) -> Objects:
    """The section of the settings that leads to this place."""
    return Objects(
        url=place.url,
        endpoint=place.endpoint,
        access_key="key",
        secret_key="secret",
        plaintext=list(place.plaintext),
        deadline_seconds=2.0,
    )


@pytest.fixture
async def store(
    postgres_server: PostgresServer, database: str, place: Place, clock: MovingClock, entropy: SeededEntropy
) -> AsyncIterator[PostgresStore]:
    """A process's store: rows in PostgreSQL, bodies in the bucket."""
    made = PostgresStore(
        Access(postgres_server.url("mailward_app", database), plaintext=("127.0.0.1",)),
        Sql,
        opener(settings_of(place), clock=clock, entropy=entropy),
        clock=clock,
        entropy=entropy,
        limits=StoreLimits(patience=5.0),
    )
    await made.open()
    yield made
    await made.close()


async def record(tx: Sql, items: list[tuple[bytes, BodyRef]]) -> list[BodyRef]:
    """A list verb that accepts messages, as far as rows and bodies are concerned."""
    await PgPartitions(tx).ensure([message for message, _ in items])
    for message, ref in items:
        if message.endswith(b"refuse"):
            raise Conflict("no", "No.")
        await tx.run(
            "INSERT INTO messages(workspace, id, created, segment, seg_offset, seg_length, facts) "
            "VALUES ($1, $2, 1, $3, $4, $5, '')",
            tx.workspace, message, ref.segment, ref.offset, ref.length,
        )  # fmt: skip
    return [ref for _, ref in items]


async def rows(store: PostgresStore) -> set[bytes]:
    async def verb(tx: Sql) -> set[bytes]:
        return {row[0] for row in await tx.rows("SELECT id FROM messages")}

    return await store.system_read(verb)


@pytest.mark.claim("AVAIL-1")
async def test_an_answer_means_both_are_durable(
    store: PostgresStore, clock: MovingClock, proxy: FaultProxy, bucket: Bucket
) -> None:
    """Accepted messages have their row and their body; what lies in the bucket is what the rows name."""
    key = DataKey(20_000, 1, AESGCM(bytes(32)))
    messages = [message_id(n, clock) for n in range(200)]
    refs = await asyncio.gather(
        *(store.write_item(record, A, m, (m, key, b"content of %d" % n)) for n, m in enumerate(messages))
    )
    assert await rows(store) == set(messages)
    records = await asyncio.gather(*(store.read_body(ref) for ref in refs))
    for n, (m, sealed) in enumerate(zip(messages, records, strict=True)):
        assert open_record(sealed, A, m, key) == b"content of %d" % n
    assert proxy.count("PUT") < 20


@pytest.mark.claim("AVAIL-1")
@pytest.mark.parametrize("fault", [says("503 Slow Down"), cut, never], ids=["SlowDown", "cut", "no answer"])
async def test_without_the_bucket_nothing_is_accepted(
    store: PostgresStore, clock: MovingClock, proxy: FaultProxy, fault: Fault
) -> None:
    """While the object store is away messages are deferred, without a row; work that has no body goes on."""
    key = DataKey(20_000, 1, AESGCM(bytes(32)))
    proxy.always("PUT", fault)
    results = await asyncio.gather(
        *(store.write_item(record, A, message_id(n, clock), (message_id(n, clock), key, b"c")) for n in range(20)),
        return_exceptions=True,
    )
    assert {type(r) for r in results} == {Unavailable}
    assert await rows(store) == set()
    proxy.always("PUT", None)
    message = message_id(99, clock)
    await store.write_item(record, A, message, (message, key, b"c"))
    assert await rows(store) == {message}


async def test_a_row_that_is_refused_leaves_an_orphan_only(
    store: PostgresStore, clock: MovingClock, bucket: Bucket, place: Place
) -> None:
    """When the database refuses, the body lies in the bucket without a row, and the sweep removes it."""
    key = DataKey(20_000, 1, AESGCM(bytes(32)))
    message = message_id(1, clock)[:10] + b"refuse"
    with pytest.raises(Conflict):
        await store.write_item(record, A, message, (message, key, b"c"))
    assert await rows(store) == set()
    assert len([e async for entries in bucket.list("segments/") for e in entries]) == 1

    ((name, _, step),) = object_chores(settings_of(place), store, MovingClock(datetime.now(UTC) + timedelta(hours=25)))
    assert name == "objects"
    assert await step() == 0
    assert [e async for entries in bucket.list("segments/") for e in entries] == []


async def test_objects_go_when_the_last_row_that_names_them_goes(
    store: PostgresStore, place: Place, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """An object stays while any workspace's row names it, goes after the last, and an orphan goes at once."""
    objects = open_objects(place, writer=1, clock=clock, entropy=entropy, limits=Limits())
    key = DataKey(20_000, 1, AESGCM(bytes(32)))
    first, second = message_id(1, clock), message_id(2, clock)
    shared = await objects.append([(A, first, key, b"a"), (B, second, key, b"b")])
    (orphan,) = await objects.append([(A, message_id(3, clock), key, b"never named")])
    await put(store, A, first, shared[0])
    await put(store, B, second, shared[1])

    async def living(segments: Sequence[int]) -> set[int]:
        return await store.system_read(lambda tx: living_segments(tx, segments))

    async def swept() -> set[str]:
        await sweep(objects.bucket, living, now=datetime.now(UTC) + timedelta(hours=25))
        return await names(objects)

    assert object_name(orphan.segment) in await names(objects)
    assert await swept() == {object_name(shared[0].segment)}
    await let_go(store, first)
    assert await swept() == {object_name(shared[0].segment)}
    await let_go(store, second)
    assert await swept() == set()
    await objects.close()


async def names(objects: ObjectSegments) -> set[str]:
    return {entry.name async for entries in objects.bucket.list("") for entry in entries}


async def test_the_question_is_answered_from_an_index(store: PostgresStore, clock: MovingClock) -> None:
    """What lives is looked up in an index of every day, not by reading the days."""
    await put(store, A, message_id(1, clock), BodyRef(1 << 50, 0, 10))

    async def plan(tx: Sql) -> str:
        await tx.run("SET LOCAL enable_seqscan = off")
        found = await tx.rows(
            "EXPLAIN SELECT DISTINCT segment FROM messages WHERE segment = ANY($1::bigint[])", [1 << 50]
        )
        return "\n".join(row[0] for row in found)

    text = await store.system_write(plan)
    assert "segment_idx" in text
    assert "Seq Scan" not in text
