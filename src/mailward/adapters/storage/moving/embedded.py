"""The embedded store as a source (read only, on a snapshot) and as a target."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from mailward.adapters.storage.moving.side import Key, Page
from mailward.adapters.storage.moving.tables import TABLES, Row, Table, settled
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.migrate import available
from mailward.adapters.storage.sqlite.scope import ScopeGuard
from mailward.base.errors import Unavailable

_PAGE_SIZE = 2048
# Pages of the write-ahead log after which a target moves it into the file: 2048 octets each.
_CHECKPOINT_PAGES = 32_768


class EmbeddedSide:
    """One connection to `state.db`. Nobody else may have the file open: the roles of its folder are held."""

    def __init__(self, db: apsw.Connection, *, path: Path, key: bytes, writes: bool) -> None:
        self._db = db
        self._path = path
        self._key = key
        self._writes = writes

    @classmethod
    def source(cls, folder: Path, key: bytes) -> EmbeddedSide:
        """Read a store that was migrated by this version; Unavailable when it is not there or not of this version."""
        path = folder / "state.db"
        db = _open_read_only(path, key)
        known = {r[0] for r in db.execute("SELECT number FROM schema_migrations")}
        if known != {number for number, _, _ in available()}:
            raise Unavailable(
                "storage_schema",
                f"The store in {folder} is not of this version: start the platform on it once, and stop it.",
            )
        db.execute("BEGIN")
        db.execute("SELECT 1 FROM counters").fetchall()
        return cls(db, path=path, key=key, writes=False)

    @classmethod
    def target(cls, folder: Path, key: bytes) -> EmbeddedSide:
        """Write to a store that was prepared."""
        path = folder / "state.db"
        db = connect(path, key)
        db.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
        ScopeGuard(db).enter(None, system=True)
        return cls(db, path=path, key=key, writes=True)

    def close(self) -> None:
        """Let go; a target's log is moved into its file first."""
        if self._writes:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._db.close()

    # -- reading ------------------------------------------------------------------------------

    async def count(self, table: Table) -> int:
        """How many rows there are."""
        return int(self._all(f"SELECT count(*) FROM {table.embedded}")[0][0])  # noqa: S608  # names of ours

    async def pages(self, table: Table, after: Key | None, size: int) -> AsyncIterator[Page]:
        """Rows behind a place, in order, `size` at a time."""
        key, width = ", ".join(table.key), len(table.key)
        select = f"SELECT {', '.join(table.columns)} FROM {table.embedded}"  # noqa: S608
        marks = ", ".join("?" * width)
        while True:
            where, params = (f" WHERE ({key}) > ({marks})", tuple(after)) if after is not None else ("", ())
            rows = self._all(f"{select}{where} ORDER BY {key} LIMIT {size}", params)
            if not rows:
                return
            yield Page([(row[:width], settled(table, row)) for row in rows])
            after = rows[-1][:width]

    async def fingerprint(self) -> bytes:
        """Over counters and the length of each log: a start of the platform and each act of an operator move them."""
        db = _open_read_only(self._path, self._key)
        try:
            return fingerprint_of(
                db.execute("SELECT number, applied FROM schema_migrations ORDER BY number").fetchall(),
                db.execute("SELECT name, value FROM counters ORDER BY name").fetchall(),
                db.execute("SELECT workspace, count(*) FROM t_audit GROUP BY workspace ORDER BY workspace").fetchall(),
            )
        finally:
            db.close()

    # -- the target's part --------------------------------------------------------------------

    async def first_occupied(self) -> str | None:
        """The name of a table that has rows; None when the store is empty."""
        for table in TABLES:
            if self._all(f"SELECT 1 FROM {table.embedded} LIMIT 1"):  # noqa: S608
                return table.name
        return None

    async def steps(self) -> dict[str, bytes]:
        """The notes a move has left."""
        return dict(self._all("SELECT step, value FROM moves"))

    async def write(self, table: Table | None, rows: Sequence[Row], notes: dict[str, bytes | None]) -> None:
        """Rows and notes in one durable transaction."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            if table is not None and rows:
                columns = table.columns
                db.executemany(
                    f"INSERT INTO {table.embedded}({', '.join(columns)}) "  # noqa: S608
                    f"VALUES ({', '.join('?' * len(columns))})",
                    rows,
                )
            for step, value in notes.items():
                if value is None:
                    db.execute("DELETE FROM moves WHERE step = ?", (step,))
                else:
                    db.execute("INSERT OR REPLACE INTO moves(step, value) VALUES (?, ?)", (step, value))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _all(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, params).fetchall()


def fingerprint_of(*parts: Sequence[Sequence[Any]]) -> bytes:
    """32 octets over rows of two stores alike."""
    return hashlib.sha256(msgspec.msgpack.encode([[list(row) for row in part] for part in parts])).digest()


def _open_read_only(path: Path, key: bytes) -> apsw.Connection:
    """A connection that can change nothing: neither a row nor, when it ends, the write-ahead log."""
    if not path.is_file():
        raise Unavailable("no_installation", f"There is no store at {path}.")
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    db.pragma("cipher", "sqlcipher")
    db.pragma("legacy_page_size", _PAGE_SIZE)
    db.pragma("key", f"x'{key.hex()}'")
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    db.set_busy_timeout(5_000)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except apsw.NotADBError as e:
        raise Unavailable(
            "wrong_key", "The store cannot be opened.", detail=f"{path}: not readable with this key"
        ) from e
    return db
