"""What a copy of the database holds, told the same way when it is made and when it was restored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from mailward.adapters.storage.moving.tables import TABLES
from mailward.adapters.storage.sqlite.connection import PAGE_SIZE
from mailward.adapters.storage.sqlite.scope import ScopeGuard
from mailward.base.errors import Unavailable
from mailward.core.audit.model import INSTALLATION
from mailward.core.backup.model import LogState
from mailward.protocol.merkle.tree import CompactRange

KeyRow = tuple[bytes, int, int, bytes | None, int | None]
"""workspace, day, version, wrapped, destroyed."""


class Named(NamedTuple):
    """A row that names a body: who sealed it, for which message, and where it lies."""

    workspace: bytes
    message: bytes
    segment: int
    offset: int
    length: int


def open_copy(path: Path, key: bytes) -> apsw.Connection:
    """A copy that nobody else has open, or a new file for one, in the system's scope.

    One file without a log beside it, and nothing is synced: what is to last is synced when it
    is whole. Never for the store itself. Unavailable when the key is not its own.
    """
    db = apsw.Connection(str(path))
    db.pragma("cipher", "sqlcipher")
    db.pragma("legacy_page_size", PAGE_SIZE)
    db.pragma("key", f"x'{key.hex()}'")
    db.pragma("page_size", PAGE_SIZE)
    db.pragma("synchronous", 0)
    db.pragma("temp_store", 2)
    # Data keys are taken out of copies: pages that held them are overwritten.
    db.pragma("secure_delete", 1)
    try:
        db.pragma("journal_mode", "memory")
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except apsw.NotADBError as e:
        raise Unavailable(
            "wrong_key", "The store cannot be opened.", detail=f"{path}: not readable with this key"
        ) from e
    ScopeGuard(db).enter(None, system=True)
    return db


def row_counts(db: apsw.Connection) -> dict[str, int]:
    """How many rows each table has."""
    tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    names = [name for name in tables if not name.startswith("sqlite_")]
    return {name: _count(db, f'SELECT count(*) FROM "{name}"') for name in names}  # noqa: S608  # names of ours


def schema_of(db: apsw.Connection) -> int:
    """Number of the newest migration."""
    return _count(db, "SELECT coalesce(max(number), 0) FROM schema_migrations")


def log_state(db: apsw.Connection) -> LogState:
    """The audit log, every root computed anew from its leaves."""
    rows = db.execute("SELECT workspace, leaf FROM t_audit ORDER BY workspace, seq")
    all_trees, own = hashlib.sha256(), (0, CompactRange().root())
    for workspace, entries in groupby(rows, key=lambda row: row[0]):
        tree = CompactRange()
        for _, leaf in entries:
            tree.extend([leaf])
        all_trees.update(workspace + tree.end.to_bytes(8, "big") + tree.root())
        if workspace == INSTALLATION:
            own = (tree.end, tree.root())
    return LogState(entries=own[0], root=own[1].hex(), trees=all_trees.hexdigest())


def bodies_named(db: apsw.Connection) -> Iterator[Named]:
    """Every row that names a body."""
    for table in TABLES:
        if table.body:
            yield from map(
                Named._make,
                db.execute(
                    f"SELECT workspace, {table.body}, segment, seg_offset, seg_length "  # noqa: S608  # names of ours
                    f"FROM {table.embedded} WHERE segment IS NOT NULL"
                ),
            )


def segment_ends(db: apsw.Connection) -> dict[int, int]:
    """Where the last record that a row names ends, for each segment: what lies behind it nobody reads."""
    ends: dict[int, int] = {}
    for named in bodies_named(db):
        ends[named.segment] = max(ends.get(named.segment, 0), named.offset + named.length)
    return ends


def keys_of(db: apsw.Connection) -> list[KeyRow]:
    """The data keys' rows."""
    rows: list[Any] = db.execute("SELECT workspace, day, version, wrapped, destroyed FROM t_data_keys").fetchall()
    return rows


def take_keys(db: apsw.Connection) -> list[KeyRow]:
    """Take the data keys out of the copy: their rows. Pages that held them are overwritten."""
    rows = keys_of(db)
    with db:
        db.execute("DELETE FROM t_data_keys")
    return rows


def put_keys(db: apsw.Connection, rows: list[KeyRow]) -> None:
    """Put data keys into the copy."""
    with db:
        db.executemany(
            "INSERT INTO t_data_keys(workspace, day, version, wrapped, destroyed) VALUES (?, ?, ?, ?, ?)", rows
        )


def erased_since(db: apsw.Connection, since_us: int) -> list[tuple[bytes, str]]:
    """(workspace, message) of what was erased at somebody's request since then, by the audit log."""
    rows = db.execute(
        "SELECT workspace, leaf FROM t_audit WHERE act = 'message.erased' AND at >= ? ORDER BY at", (since_us,)
    )
    return [(workspace, msgspec.json.decode(leaf)["target"]) for workspace, leaf in rows]


def _count(db: apsw.Connection, sql: str) -> int:
    rows: list[Any] = db.execute(sql).fetchall()
    return int(rows[0][0])
