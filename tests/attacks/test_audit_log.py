"""Attack 77: two histories under one key, a clock set back, and acts while there is no room for their entries."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.vault.signer import LogSigner
from mailward.app.audit_export import export_bytes
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.base.ids import WorkspaceId
from mailward.core.audit.advance import advance, origin
from mailward.core.audit.read import latest_head, list_entries, prove_consistency
from mailward.core.audit.verify_export import verify_export
from mailward.core.audit.verify_store import verify_store
from mailward.core.identity.credentials import Wish, create_key, list_keys
from mailward.policy.access import Actor, Permission, Scope
from mailward.protocol.merkle.checkpoint import open_checkpoint
from mailward.protocol.merkle.proofs import ProofError, verify_consistency
from tests.conftest import MovingClock, SeededEntropy
from tests.raw import raw

A = WorkspaceId(ids.encode("ws", b"a" * 16))
ME = Actor(A, "session", "usr_" + "0" * 26, frozenset(Permission))
SIGNER = LogSigner(b"s" * 32)
KEY = bytes(range(32))


@dataclass
class Witness:
    """Keeps the last checkpoint it saw, and takes another only with the proof that it goes on from there."""

    seen: str = ""

    async def show(self, store: Any) -> bool:
        note = await head(store)
        new = open_checkpoint(note, SIGNER.public_key, origin=origin(SIGNER.log, b"a" * 16))
        if self.seen:
            old = open_checkpoint(self.seen, SIGNER.public_key)
            if new.size < old.size:
                return False
            proof = await store.read(A, lambda tx: prove_consistency(tx, ME, old.size))
            try:
                verify_consistency(old.size, old.root, new.size, new.root, proof.hashes)
            except ProofError:
                return False
        self.seen = note
        return True


async def head(store: Any) -> str:
    found = await store.read(A, lambda tx: latest_head(tx, ME))
    return str(found.note)


async def write(store: Any, clock: MovingClock, *acts: str) -> None:
    """Entries, and a signed head over them."""
    for act in acts:
        await store.write(A, lambda tx, act=act: tx.audit.append(ME, "thing.done", act, now=clock.now()))
    await store.system_write(lambda tx: advance(tx, SIGNER, now=clock.now()))


async def faults(store: Any, *kept: str) -> list[Any]:
    found: list[Any] = await store.system_read(
        lambda tx: verify_store(tx, SIGNER.public_key, SIGNER.log, checkpoints=kept)
    )
    return found


@contextlib.asynccontextmanager
async def opened(folder: Path, seed: int) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(folder, KEY, worker=0, entropy=SeededEntropy(seed))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.claim("LOG-1")
async def test_two_histories_are_told_apart(tmp_path: Path, clock: MovingClock) -> None:
    """One data folder goes on twice, with everything that signs. Each history is whole in itself, and whoever kept a
    checkpoint of the one finds it missing in the other: the installation, the customer with an export, a witness."""
    SqliteStore.prepare(tmp_path / "one", KEY, clock)
    async with opened(tmp_path / "one", 1) as one:
        await write(one, clock, "first", "second")
        before = await head(one)
        witness = Witness()
        assert await witness.show(one)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    async with opened(tmp_path / "one", 2) as one, opened(tmp_path / "other", 3) as other:
        await write(one, clock, "seen by the customer", "seen too")
        await write(other, clock, "never happened")
        mine, theirs = await head(one), await head(other)
        for store in (one, other):
            assert await faults(store, before) == [], "up to the fork both are the same"
        assert await witness.show(one)

        assert await faults(one, mine) == []
        assert await faults(other, mine) != [] and await faults(one, theirs) != []
        assert not await witness.show(other), "it is shorter than what was shown"
        await write(other, clock, "longer", "and longer", "than the first")
        assert not await witness.show(other), "it is longer, and does not go on from what was shown"
        assert await faults(other, mine) != []
        forged = await export_bytes(other, SIGNER, ME, now=clock.now())
        genuine = await export_bytes(one, SIGNER, ME, now=clock.now())
        assert verify_export(forged, public_key=SIGNER.public_key).good, "in itself it is whole"
        assert not verify_export(forged, public_key=SIGNER.public_key, checkpoint=mine).good
        assert verify_export(genuine, public_key=SIGNER.public_key, checkpoint=mine).good


@pytest.mark.claim("LOG-1")
async def test_a_clock_set_back_rewrites_nothing(store: Any, clock: MovingClock) -> None:
    """What is done under an earlier time comes after what was there: it has the next index, stands beside a later
    time for everyone to see, and every checkpoint from before still holds."""
    await write(store, clock, "before", "before")
    kept = await head(store)
    clock.move(days=-30)
    await write(store, clock, "backdated")
    clock.move(days=31)
    await write(store, clock, "after")
    entries = await store.read(A, lambda tx: list_entries(tx, ME))
    assert [e.target for e in entries] == ["after", "backdated", "before", "before"]
    by_index = {e.seq: e for e in entries}
    assert by_index[2].at < by_index[1].at - timedelta(days=29), "it shows"
    assert await faults(store, kept) == []
    whole = await export_bytes(store, SIGNER, ME, now=clock.now())
    assert verify_export(whole, public_key=SIGNER.public_key, checkpoint=kept).good
    await raw(store, "UPDATE t_audit SET at = at + 2592000000000 WHERE seq = 2 AND act = 'thing.done'")
    assert await faults(store, kept) != [], "and cannot be put right afterwards"


async def room(store: SqliteStore, pages: int) -> int:
    """Let the database grow by so many pages and no further; how many it has. A full disk is told the same way."""

    async def verb(tx: Any) -> int:
        db = tx._cursor.connection
        judge, db.authorizer = db.authorizer, None
        try:
            ((size,),) = db.execute("PRAGMA page_count").fetchall()
            db.execute(f"PRAGMA max_page_count = {size + pages}")
        finally:
            db.authorizer = judge
        return int(size)

    return await store.system_write(verb)


@pytest.mark.claim("LOG-1")
async def test_nothing_is_done_without_room_for_its_entry(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """While the disk is full keys are refused; afterwards there is one entry for each key and one key for each entry,
    and the log verifies."""

    async def make(n: int) -> None:
        # Long names, so that the room ends within a key as well as within its entry.
        wish = Wish(f"key {n} " + "x" * 90, frozenset((Scope.SEND,)))
        await store.write(A, lambda tx: create_key(tx, ME, wish, now=clock.now(), entropy=entropy))

    await make(0)
    refused = made = 0
    for step in range(12):
        await room(store, step % 4)
        for n in range(100):
            try:
                await make(100 * (step + 1) + n)
                made += 1
            except Unavailable:
                refused += 1
                break
    await room(store, 1_000_000)
    await make(9999)
    keys = await store.read(A, lambda tx: list_keys(tx, ME, limit=1000))
    entries = await store.read(A, lambda tx: list_entries(tx, ME, limit=1000))
    assert refused >= 3 and made >= 3, (refused, made)
    assert sorted(e.target for e in entries if e.act == "credential.created") == sorted(k.id for k in keys)
    assert len(keys) == made + 2
    await store.system_write(lambda tx: advance(tx, SIGNER, now=clock.now()))
    assert await faults(store) == []
