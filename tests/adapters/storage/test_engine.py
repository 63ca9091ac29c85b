"""The embedded store: encryption, scope, group commit, failure."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.sqlite.connection import assert_encrypted, connect
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.group import GroupCommit, Job
from mailward.adapters.storage.sqlite.segments import BodyRef, DataKey, SegmentWriter, open_record, read_record
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.base import ids
from mailward.base.errors import Corrupt, Unavailable
from mailward.base.sources import Entropy

WS_A = ids.encode("ws", b"a" * 16)
WS_B = ids.encode("ws", b"b" * 16)


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


async def _count(tx: SqliteTx) -> int:
    return len(await tx.messages.page(before=None, limit=100))


async def _insert(tx: SqliteTx, n: int) -> None:
    from mailward.core.messages.model import FACTS_ENCODER, MessageFacts

    facts = FACTS_ENCODER.encode(
        MessageFacts("api", "key", "d.test", "a@d.test", "a@d.test", "b@x.test", "s", "<m>", 1)
    )
    await tx.messages.insert([(bytes([n]) * 16, 1, None, None, None, facts)])


async def _insert_n(n: int, tx: SqliteTx) -> None:
    await _insert(tx, n)


async def _insert_one(tx: SqliteTx, items: list[Any]) -> list[Any]:
    for n, _ in items:
        await _insert(tx, n)
    return items


@pytest.mark.asvs("8.4.1")
async def test_a_workspace_sees_only_its_rows(store: SqliteStore) -> None:
    """Rows written in one workspace are invisible in another, and visible in the system scope."""
    await store.write(WS_A, lambda tx: _insert(tx, 1))
    await store.write(WS_B, lambda tx: _insert(tx, 2))
    assert await store.read(WS_A, _count) == 1
    assert await store.read(WS_B, _count) == 1

    async def everything(tx: SqliteTx) -> int:
        return len(tx.rows("SELECT id FROM t_messages"))

    assert await store.system_read(everything) == 2


@pytest.mark.claim("AUTHZ-2")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t_messages",
        "SELECT count(*) FROM t_messages",
        "SELECT * FROM counters",
        "UPDATE t_messages SET created = 0 WHERE id IN (SELECT message FROM t_deliveries)",
        "PRAGMA table_info(t_messages)",
        "ATTACH DATABASE ':memory:' AS other",
        "SELECT sql FROM sqlite_master",
    ],
)
async def test_going_round_the_view_is_refused(store: SqliteStore, sql: str) -> None:
    """In a workspace's scope a tenant table is read through its view only, and nothing else is reachable."""
    await store.write(WS_A, lambda tx: _insert(tx, 1))

    async def raw(tx: SqliteTx) -> Any:
        return tx.rows(sql)

    with pytest.raises((apsw.AuthError, apsw.SQLError)):
        await store.read(WS_B, raw)


@pytest.mark.claim("AUTHZ-2")
async def test_writing_another_workspaces_row_is_refused(store: SqliteStore) -> None:
    """A guard trigger refuses a row that carries another workspace, and a change of such a row."""
    await store.write(WS_A, lambda tx: _insert(tx, 1))

    async def plant(tx: SqliteTx) -> None:
        tx.run("INSERT INTO t_messages(workspace,id,created,facts) VALUES (?,?,1,x'00')", (b"a" * 16, b"z" * 16))

    async def change(tx: SqliteTx) -> int:
        return tx.run("UPDATE t_messages SET created = 7")

    async def remove(tx: SqliteTx) -> int:
        return tx.run("DELETE FROM t_messages")

    for verb in (plant, change, remove):
        with pytest.raises(apsw.ConstraintError):
            await store.write(WS_B, verb)


@pytest.mark.claim("AUTHZ-2")
async def test_every_tenant_table_has_its_wall(store: SqliteStore) -> None:
    """Found by itself: each t_ table has a view, three guard triggers, and no row without a scope."""

    async def tables(tx: SqliteTx) -> list[str]:
        return [
            r[0] for r in tx.rows("SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 't\\_%' ESCAPE '\\'")
        ]

    async def guards(tx: SqliteTx) -> set[str]:
        return {r[0] for r in tx.rows("SELECT name FROM sqlite_master WHERE type IN ('view','trigger')")}

    found = await store.system_read(tables)
    present = await store.system_read(guards)
    assert len(found) >= 8
    for table in found:
        name = table[2:]
        assert {name, f"guard_{name}_insert", f"guard_{name}_update", f"guard_{name}_delete"} <= present


async def test_raw_sql_without_a_scope_fails(tmp_path: Path, store: SqliteStore) -> None:
    """A connection that entered no scope cannot compile a statement, even one cached by a scope."""
    from mailward.adapters.storage.sqlite.scope import ScopeGuard

    db = connect(tmp_path / "data" / "state.db", bytes(range(32)))
    guard = ScopeGuard(db)
    guard.install(db)
    tx = SqliteTx(db, guard)
    guard.enter(b"a" * 16, system=False)
    assert tx.rows("SELECT id FROM messages") == []
    guard.enter(None, system=False)
    with pytest.raises(apsw.AuthError):
        db.execute("SELECT id FROM messages").fetchall()
    with pytest.raises((apsw.AuthError, apsw.SQLError, PermissionError)):
        tx.rows("SELECT id FROM messages")
    db.close()


@pytest.mark.claim("REST-1")
async def test_the_file_does_not_open_without_its_key(tmp_path: Path, store: SqliteStore) -> None:
    """Neither plain SQLite nor another key reads the file."""
    path = tmp_path / "data" / "state.db"
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(path).execute("SELECT * FROM sqlite_master").fetchall()
    with pytest.raises(Unavailable):
        connect(path, bytes(32))
    assert_encrypted(path)
    plain = tmp_path / "plain.db"
    db = sqlite3.connect(plain)
    db.execute("CREATE TABLE x(y)")
    db.commit()
    db.close()
    with pytest.raises(Unavailable):
        assert_encrypted(plain)


@pytest.mark.parametrize("trouble", [apsw.NoMemError, apsw.CantOpenError, apsw.BusyError, apsw.InterruptError])
async def test_trouble_of_the_machine_is_no_answer_for_good(store: SqliteStore, trouble: type[apsw.Error]) -> None:
    """Whoever asked hears that the store is away and may come again; it goes on by itself."""

    async def verb(tx: SqliteTx) -> None:
        await _insert(tx, 9)
        raise trouble("not now")

    with pytest.raises(Unavailable):
        await store.write(WS_A, verb)
    await store.write(WS_A, partial(_insert_n, 1))


@pytest.mark.asvs("2.3.3")
async def test_a_failing_verb_undoes_only_itself(store: SqliteStore) -> None:
    """Verbs share a commit; one that raises leaves no trace and does not disturb its neighbours."""

    async def bad(tx: SqliteTx) -> None:
        await _insert(tx, 9)
        raise ValueError("no")

    good = [store.write(WS_A, partial(_insert_n, n)) for n in range(5)]
    wrong = store.write(WS_A, bad)
    more = [store.write(WS_A, partial(_insert_n, n)) for n in range(10, 15)]
    results = await asyncio.gather(*good, wrong, *more, return_exceptions=True)
    assert [type(r) for r in results] == [type(None)] * 5 + [ValueError] + [type(None)] * 5
    assert await store.read(WS_A, _count) == 10


async def test_items_of_one_list_verb_run_as_one_call(store: SqliteStore) -> None:
    """What waits together commits together, and an exception in the results reaches its caller alone."""
    calls: list[int] = []

    async def verb(tx: SqliteTx, items: list[int]) -> list[Any]:
        calls.append(len(items))
        return [ValueError(i) if i == 3 else i * 2 for i in items]

    futures = [store.write_item(verb, b"a" * 16, i) for i in range(50)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [r for r in results if not isinstance(r, ValueError)] == [i * 2 for i in range(50) if i != 3]
    assert sum(calls) == 50
    assert len(calls) < 50


@pytest.mark.asvs("11.3.3")
async def test_bodies_are_sealed_and_found_again(store: SqliteStore, tmp_path: Path) -> None:
    """A body comes back byte for byte with its key; another message's reference or a flipped bit is Corrupt."""
    key = DataKey(20000, 1, AESGCM(bytes(32)))
    bodies = [b"marker-%d " % i * 50 for i in range(3)]

    async def verb(tx: SqliteTx, items: list[tuple[int, BodyRef]]) -> list[BodyRef]:
        return [ref for _, ref in items]

    refs = [
        await store.write_item(verb, b"a" * 16, i, body=(bytes([i]) * 16, key, body)) for i, body in enumerate(bodies)
    ]
    record = read_record(store.segment_folder, refs[1])
    assert open_record(record, b"a" * 16, bytes([1]) * 16, key) == bodies[1]
    assert b"marker" not in b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file())
    with pytest.raises(Corrupt):
        open_record(record, b"a" * 16, bytes([2]) * 16, key)
    for at in (0, 5, 30, 60, len(record) - 1):
        broken = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        with pytest.raises(Corrupt):
            open_record(broken, b"a" * 16, bytes([1]) * 16, key)


@pytest.mark.asvs("11.3.3")
async def test_a_flipped_bit_in_any_page_is_never_served(store: SqliteStore, tmp_path: Path, entropy: Entropy) -> None:
    """Each page carries a MAC: what needs the page is refused, in words that say what is wrong."""
    await store.close()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy, ignore=lambda _, names: {n for n in names if n == "run"})
    whole = (copy / "state.db").read_bytes()

    async def everything(tx: SqliteTx) -> int:
        return sum(len(tx.rows(f"SELECT count(*) FROM {name[0]}")) for name in tx.rows(_TABLES))

    refused = 0
    for page in range(1, len(whole) // 4096, 9):
        at = page * 4096 + 1000
        (copy / "state.db").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        damaged = SqliteStore(copy, bytes(range(32)), worker=0, entropy=entropy)
        try:
            await damaged.open()
            await damaged.system_read(everything)
        except Unavailable as e:
            refused += "failed its check" in e.public
        finally:
            await damaged.close()
    assert refused >= len(whole) // 4096 // 9 // 2


async def test_a_failed_sync_ends_the_process(
    store: SqliteStore, tmp_path: Path, entropy: Entropy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After fsync fails nobody is told yes: the process ends."""
    ended: list[str] = []

    class Ended(BaseException):
        pass

    def fatal(reason: str) -> None:
        ended.append(reason)
        raise Ended

    key = DataKey(1, 1, AESGCM(bytes(32)))

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mailward.adapters.storage.sqlite.segments.os.fdatasync", broken)
    monkeypatch.setattr("mailward.adapters.storage.sqlite.group.os.fdatasync", broken)
    for beside in (False, True):
        segments = SegmentWriter(store.segment_folder, 7 + beside, entropy)
        path = tmp_path / "data" / "state.db"
        group = GroupCommit(path, bytes(range(32)), segments, cache_kib=512, fatal=fatal, beside=beside)
        with pytest.raises(Ended):
            group.commit([Job(_insert_one, b"a" * 16, 1, (b"a" * 16, b"m" * 16, key, b"x"), None)])
        group.close()
    assert ended == ["segment sync: Input/output error"] * 2


@pytest.mark.parametrize("most", [1, 100, 1000, 10_000, 1 << 30])
def test_a_write_that_was_cut_short_is_followed_up(
    most: int, tmp_path: Path, entropy: Entropy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record lies where its reference says, in whatever portions the system took them."""
    key = DataKey(1, 1, AESGCM(bytes(32)))
    real: Callable[[int, list[bytes], int], int] = os.pwritev

    def little(fd: int, buffers: Any, at: int) -> int:
        return real(fd, [b"".join(buffers)[:most]], at)

    monkeypatch.setattr("mailward.adapters.storage.sqlite.segments.os.pwritev", little)
    segments = SegmentWriter(tmp_path, 3, entropy)
    sizes = [1] * 600 + [2000, 5, 700] if most >= 100 else [30, 5]
    contents = {n.to_bytes(16, "big"): bytes([n % 251]) * size for n, size in enumerate(sizes)}
    bodies = [(b"a" * 16, id, key, content) for id, content in contents.items()]
    refs = segments.append(bodies)
    for (workspace, id, _, content), ref in zip(bodies, refs, strict=True):
        assert open_record(read_record(tmp_path, ref), workspace, id, key) == content
    segments.close()


async def test_a_full_disk_refuses_and_recovers(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for a body: Unavailable, no row, and the next message is fine once there is room."""
    key = DataKey(1, 1, AESGCM(bytes(32)))

    async def verb(tx: SqliteTx, items: list[Any]) -> list[Any]:
        for i, _ in items:
            await _insert(tx, i)
        return items

    def full(*a: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr("mailward.adapters.storage.sqlite.segments.os.posix_fallocate", full)
        with pytest.raises(Unavailable):
            await store.write_item(verb, b"a" * 16, 1, body=(b"m" * 16, key, b"x"))
    assert await store.read(WS_A, _count) == 0
    await store.write_item(verb, b"a" * 16, 1, body=(b"m" * 16, key, b"x"))
    assert await store.read(WS_A, _count) == 1
