"""Housekeeping that belongs to this store: dead segment files, and what a destroyed key leaves in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import apsw

from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.sweep import Place, Sweeper
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.core.workspaces.retention import KEYS_EPOCH
from mailward.policy.redaction import REMAINS

T = TypeVar("T")
# How long a scrub may wait for readers while it keeps writers out; it is tried again later.
_SCRUB_WAIT_MS = 5


class Reading(Protocol):
    """The store's door for this."""

    def system_read(self, verb: Callable[[SqliteTx], Awaitable[T]]) -> Awaitable[T]: ...


def sweeping(store: Reading, folder: Path) -> Callable[[], Awaitable[int]]:
    """A task that removes segment files whose keys are all destroyed."""

    async def alive(places: Sequence[Place]) -> set[Place]:
        return await store.system_read(lambda tx: tx.data_keys.alive(places))

    sweeper = Sweeper(folder, alive)

    async def sweep() -> int:
        await sweeper.run()
        return 0

    return sweep


def scrubbing(store: Reading, folder: Path, key: bytes) -> Callable[[], Awaitable[int]]:
    """A task that cuts the write-ahead log off after data keys were destroyed or rows redacted, and after a start if
    that ever happened.
    """
    scrubbed = (-1, -1)

    async def scrub() -> int:
        nonlocal scrubbed
        counters = await store.system_read(lambda tx: tx.counters.all())
        epoch = (counters.get(KEYS_EPOCH, 0), counters.get(REMAINS, 0))
        if epoch not in ((0, 0), scrubbed) and await asyncio.to_thread(cut_log, folder, key):
            scrubbed = epoch
        return 0

    return scrub


def cut_log(folder: Path, key: bytes) -> bool:
    """Move the write-ahead log into the database and cut it to nothing; False when somebody was reading just then.

    `secure_delete` overwrites what a row leaves in the database file. The log may still hold the page as it was
    before, under the database's own encryption, until it is cut. Most of it is moved without keeping anyone waiting;
    only the rest, and the cut, keep writers out.
    """
    db = connect(folder / "state.db", key, cache_kib=512)
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        db.set_busy_timeout(_SCRUB_WAIT_MS)
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    finally:
        db.close()
    return True
