"""Moving house: from the embedded store to PostgreSQL and back, cut off anywhere, with nothing forgotten."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from mailward.adapters.storage.moving.tables import TABLES, comparable, settled
from mailward.adapters.storage.postgres.moves import MOVE_LOCK
from mailward.app.installation import Installation
from mailward.app.moving import Outcome, held, run, share_keys
from mailward.app.roles import Hold, StartError
from mailward.app.settings import Settings
from mailward.base.errors import Unavailable
from tests.app.moving_rig import Filled, embedded, fill, postgres
from tests.postgres_server import PostgresServer


class CutOff(BaseException):
    """Stands for a kill: nothing of ours may catch it."""


class Watch:
    """A listener that may end everything at a chosen moment."""

    def __init__(self, cut_at: int = -1) -> None:
        self.told = 0
        self._cut_at = cut_at

    def table(self, name: str, rows: int, of: int) -> None:
        self.told += 1
        assert rows <= of
        if self.told == self._cut_at:
            raise CutOff


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    name = await postgres_server.fresh_database()
    yield name
    await postgres_server.drop_database(name)


async def move(
    source: Settings, target: Settings, *, watch: Watch | None = None, every: bool = True, only_verify: bool = False
) -> Outcome:
    with held(source, target):
        share_keys(source, target)
        return await run(source, target, watch or Watch(), every=every, only_verify=only_verify)


def rows_of(filled: Filled) -> dict[str, list[object]]:
    """Every table as it arrives, without the places of bodies."""
    db = filled.open()
    out: dict[str, list[object]] = {}
    for table in TABLES:
        rows = db.execute(f"SELECT {', '.join(table.columns)} FROM {table.embedded}").fetchall()
        out[table.name] = sorted((comparable(table, settled(table, r)) for r in rows), key=repr)
    db.close()
    return out


def files_of(folder: Path) -> dict[str, str]:
    """Everything in an installation but its locks, and the empty log that any reader of its store makes."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
        and "roles" not in p.parts
        and p.suffix not in (".lock",)
        and not p.name.endswith("-shm")
        and not (p.name.endswith("-wal") and not p.stat().st_size)
    }


async def test_there_and_back(tmp_path: Path, postgres_server: PostgresServer, database: str) -> None:
    """Every row of every table arrives in PostgreSQL and again in a second embedded store, each body opens, and the
    source is not touched."""
    source = fill(embedded(tmp_path / "old"))
    before = files_of(tmp_path / "old")
    middle = postgres(tmp_path / "node", postgres_server, database)
    there = await move(source.settings, middle)
    assert there.good, there
    assert there.finished
    assert there.bodies.named == there.bodies.opened > 6
    assert all(t.rows for t in there.tables.values())
    assert there.left_behind == {"erasures": 12}
    assert files_of(tmp_path / "old") == before
    last = embedded(tmp_path / "new")
    back = await move(middle, last)
    assert back.good, back
    assert back.left_behind == {}
    assert {n: t.hash for n, t in back.tables.items()} == {n: t.hash for n, t in there.tables.items()}
    found, wanted = rows_of(Filled(last)), rows_of(source)
    del wanted["erasures"], found["erasures"]
    assert found == wanted


async def test_cut_off_anywhere_it_goes_on(tmp_path: Path, postgres_server: PostgresServer, database: str) -> None:
    """Ended and begun again, each time a little further on, it arrives whole; until then nobody may run on it."""
    source = fill(embedded(tmp_path / "old"))
    target = postgres(tmp_path / "node", postgres_server, database)
    for cuts in range(2 * len(TABLES)):
        try:
            done = await move(source.settings, target, watch=Watch(cut_at=7))
        except CutOff:
            with pytest.raises(Unavailable, match="Only a part"):
                await opened(target)
        else:
            break
        if cuts > 12:
            # By now it is in the middle of the comparison, which begins anew each time.
            done = await move(source.settings, target)
            break
    assert cuts > 6
    assert done.good
    assert done.finished
    await opened(target)


async def test_back_cut_off_anywhere(tmp_path: Path, postgres_server: PostgresServer, database: str) -> None:
    """The same for the way back."""
    source = fill(embedded(tmp_path / "old"), rows=3)
    middle = postgres(tmp_path / "node", postgres_server, database)
    assert (await move(source.settings, middle)).good
    last = embedded(tmp_path / "new")
    for cut in (1, 2, 9, 16, 23):
        with pytest.raises(CutOff):
            await move(middle, last, watch=Watch(cut_at=cut))
        with pytest.raises(Unavailable, match="Only a part"):
            await opened(last)
    assert (await move(middle, last)).good
    await opened(last)


async def opened(settings: Settings) -> None:
    """Open a store as any process of the platform does."""
    installation = Installation(settings, worker=0)
    try:
        await installation.open()
    finally:
        await installation.close()


async def test_a_source_that_was_used_since_is_not_gone_on_with(
    tmp_path: Path, postgres_server: PostgresServer, database: str
) -> None:
    """A resumed move needs the very same source: one act on it, and the target has to be emptied."""
    source = fill(embedded(tmp_path / "old"))
    target = postgres(tmp_path / "node", postgres_server, database)
    with pytest.raises(CutOff):
        await move(source.settings, target, watch=Watch(cut_at=30))
    db = source.open()
    db.execute("UPDATE counters SET value = value + 1")
    db.close()
    with pytest.raises(StartError, match="used since"):
        await move(source.settings, target)


async def test_only_an_empty_target_is_taken(tmp_path: Path, postgres_server: PostgresServer, database: str) -> None:
    """A store with a row in any table is refused."""
    source = fill(embedded(tmp_path / "old"))
    target = postgres(tmp_path / "node", postgres_server, database)
    assert (await move(source.settings, target)).good
    other = fill(embedded(tmp_path / "other"))
    with pytest.raises(StartError, match=r"are not those in|not empty"):
        await move(target, other.settings)
    (tmp_path / "twin").mkdir()
    shutil.copytree(tmp_path / "old" / "keys", tmp_path / "twin" / "keys")
    twin = fill(embedded(tmp_path / "twin"))
    with pytest.raises(StartError, match="not empty"):
        await move(target, twin.settings)


async def test_verifying_changes_nothing_and_finds_every_difference(
    tmp_path: Path, postgres_server: PostgresServer, database: str
) -> None:
    """A changed row, a missing one and a damaged body are each found, by the name of the table."""
    source = fill(embedded(tmp_path / "old"))
    target = postgres(tmp_path / "node", postgres_server, database)
    assert (await move(source.settings, target)).good
    assert (await move(source.settings, target, only_verify=True)).good
    db = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    await db.execute("SET search_path = mailward; UPDATE webhooks SET enabled = enabled + 1")
    await db.execute("DELETE FROM attempts WHERE n = (SELECT min(n) FROM attempts)")
    await db.close()
    (segment, *_) = [p for p in (tmp_path / "node" / "segments").iterdir() if p.stat().st_size]
    octets = bytearray(segment.read_bytes())
    octets[-1] ^= 1
    segment.write_bytes(octets)
    found = await move(source.settings, target, only_verify=True)
    assert {name for name, t in found.tables.items() if not t.equal} == {"webhooks", "attempts"}
    assert (found.bodies.different, found.bodies.unreadable) == (1, 0)
    assert not found.faithful
    assert not found.finished


async def test_what_the_source_had_lost_is_said(tmp_path: Path, postgres_server: PostgresServer, database: str) -> None:
    """A body missing or damaged at the source does not stop the move; it is counted, and the outcome is not good."""
    source = fill(embedded(tmp_path / "old"))
    target = postgres(tmp_path / "node", postgres_server, database)
    first, *rest = sorted((tmp_path / "old" / "segments").iterdir())
    assert rest
    octets = bytearray(first.read_bytes())
    octets[-1] ^= 1
    first.write_bytes(octets)
    held_there = rest[0].read_bytes().count(b"MWS1")
    rest[0].unlink()
    found = await move(source.settings, target)
    assert found.faithful
    assert found.finished
    assert not found.good
    assert (found.bodies.unreadable, found.bodies.missing) == (1, held_there)


async def test_a_sample_reads_one_in_fifty(tmp_path: Path, postgres_server: PostgresServer, database: str) -> None:
    """Of a large table a sample of the bodies is opened, of a small one all."""
    source = fill(embedded(tmp_path / "old"), rows=150)
    target = postgres(tmp_path / "node", postgres_server, database)
    found = await move(source.settings, target, every=False)
    assert found.good
    assert 0 < found.bodies.opened < found.bodies.named / 10


async def test_nobody_moves_while_the_platform_runs(
    tmp_path: Path, postgres_server: PostgresServer, database: str
) -> None:
    """A role held on either folder, a store open on the database, a worker that beat lately: each is refused."""
    source = fill(embedded(tmp_path / "old"))
    target = postgres(tmp_path / "node", postgres_server, database)
    for folder in (tmp_path / "old", tmp_path / "node"):
        hold = Hold(folder, ("sender",))
        hold.started()
        with pytest.raises(StartError, match="another mailward runs"):
            await move(source.settings, target)
        hold.release()
    share_keys(source.settings, target)
    installation = Installation(target, worker=0)
    await installation.open()
    await installation.store.system_read(lambda tx: tx.counters.all())  # a connection that stays
    with pytest.raises(StartError, match="a platform runs"):
        await move(source.settings, target)
    await installation.close()
    db = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    await db.execute(
        "INSERT INTO mailward.worker_slots(slot, generation, started, seen) "
        "VALUES (20003, 1, 1, (extract(epoch FROM now()) * 1000000)::bigint)"
    )
    with pytest.raises(StartError, match="workers of node 2"):
        await move(source.settings, target)
    await db.execute("DELETE FROM mailward.worker_slots")
    await db.close()
    assert (await move(source.settings, target)).good


async def test_no_platform_starts_while_a_move_works(
    tmp_path: Path, postgres_server: PostgresServer, database: str
) -> None:
    """While the move has its lock, a store on that database does not open."""
    source = fill(embedded(tmp_path / "old"))
    target = postgres(tmp_path / "node", postgres_server, database)
    db = await asyncpg.connect(postgres_server.url("mailward_app", database), ssl=False)
    await db.execute(f"SELECT pg_advisory_lock({MOVE_LOCK})")
    share_keys(source.settings, target)
    with pytest.raises(Unavailable, match="is being moved"):
        await opened(target)
    with pytest.raises(StartError, match="another move"):
        await move(source.settings, target)
    await db.close()


async def test_in_one_folder_bodies_stay_where_they_are(
    tmp_path: Path, postgres_server: PostgresServer, database: str
) -> None:
    """With the same data folder and no bucket only rows move, erasures still owed among them."""
    source = fill(embedded(tmp_path / "old"))
    before = files_of(tmp_path / "old")
    found = await move(source.settings, postgres(tmp_path / "old", postgres_server, database))
    assert found.good
    assert found.left_behind == {}
    assert found.tables["erasures"].rows == 12
    assert found.bodies.opened == found.bodies.named > 6
    assert files_of(tmp_path / "old") == before
