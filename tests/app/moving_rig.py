"""An embedded store with a few rows in every table, made from the tables' own columns, and real bodies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.moving.tables import TABLES, Row, Table
from mailward.adapters.storage.records import seal_record
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.scope import ScopeGuard
from mailward.adapters.storage.sqlite.segments import SegmentWriter
from mailward.adapters.vault.vault import Vault
from mailward.app.objects import Objects
from mailward.app.settings import Server, Settings, Storage
from mailward.app.stores import prepare_store
from mailward.core.audit.model import canonical
from mailward.core.messages.model import DeliveryState
from mailward.core.workspaces.data_keys import aad
from mailward.core.workspaces.model import DataKey
from tests.postgres_server import PostgresServer

DAYS = (20_500, 20_501, 20_537)
WORKSPACES = (bytes([7]) * 16, bytes([9]) * 16)


def embedded(data: Path) -> Settings:
    """Settings of an embedded installation."""
    return Settings(server=Server(data=str(data)))


def postgres(data: Path, server: PostgresServer, database: str, objects: Objects | None = None) -> Settings:
    """Settings of one on PostgreSQL."""
    storage = Storage(kind="postgres", url=server.url("mailward_app", database), plaintext=["127.0.0.1"])
    return Settings(server=Server(data=str(data)), storage=storage, objects=objects or Objects())


class Filled:
    """What `fill` put where."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.entropy = SystemEntropy()
        self.vault = Vault(settings.data / "keys", self.entropy, now=SystemClock().now())

    def open(self) -> apsw.Connection:
        """A connection that may touch everything."""
        db = connect(self.settings.data / "state.db", self.vault.database_key())
        ScopeGuard(db).enter(None, system=True)
        return db


def fill(settings: Settings, *, rows: int = 6, seed: int = 4) -> Filled:
    """Make the store and put `rows` rows of each workspace into each table."""
    filled = Filled(settings)
    prepare_store(settings, filled.vault, SystemClock())
    filled.vault.derive("used")
    chance = random.Random(seed)
    db = filled.open()
    db.execute("BEGIN")
    keys = {(w, day): DataKey(day, 1, _aead(filled, db, w, day)) for w in WORKSPACES for day in DAYS}
    segments = SegmentWriter(settings.data / "segments", 3, filled.entropy)
    for table in TABLES:
        if table.name == "data_keys":
            continue
        for row in _rows_of(db, table, chance, rows):
            if table.body:
                row = _with_body(table, row, chance, segments, filled, keys)
            db.execute(
                f"INSERT INTO {table.embedded}({', '.join(table.columns)}) VALUES ({', '.join('?' * len(row))})",
                row,
            )
    segments.close()
    db.execute("COMMIT")
    db.close()
    return filled


def _aead(filled: Filled, db: apsw.Connection, workspace: bytes, day: int) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    plain = filled.entropy.bytes(32)
    wrapped = filled.vault.service.wrap_now(plain, aad(workspace, day, 1))
    db.execute("INSERT INTO t_data_keys(workspace, day, version, wrapped) VALUES (?,?,1,?)", (workspace, day, wrapped))
    return AESGCM(plain)


def _rows_of(db: apsw.Connection, table: Table, chance: random.Random, rows: int) -> Iterator[Row]:
    # The embedded store's keys may say nothing of NULL, which no key is.
    kinds = {
        str(r[1]): (str(r[2]), not r[3] and r[1] not in table.key)
        for r in db.execute(f"PRAGMA table_info({table.embedded})").fetchall()
    }
    for workspace in WORKSPACES if "workspace" in table.key else (b"",):
        # Some tables have one row a workspace.
        for n in range(1 if table.key == ("workspace",) else rows):
            yield tuple(_value(table, c, *kinds[c], workspace, n, chance) for c in table.columns)


def _value(table: Table, column: str, kind: str, null: bool, workspace: bytes, n: int, chance: random.Random) -> Any:
    match table.name, column:
        case _, "workspace":
            return workspace
        case _, "segment" | "seg_offset" | "seg_length" if table.body:
            return None
        case _, "content_gone":
            return n if n % 3 == 2 else None
        case "domains", "checks":
            return "[]"
        case "audit", "leaf":
            return canonical({"actor": {"id": f"usr_{n}"}, "target": "".join(chance.choices("abcdeä ", k=12))})
        case "deliveries", "state":
            return n % len(DeliveryState)
        case _ if null and chance.random() < 0.3:
            return None
    if kind == "BLOB":
        return _id(n, chance)
    if kind == "INTEGER" and column in table.key:
        return n
    # Whatever width the other store gives a number, this fits.
    return chance.randrange(30_000) if kind == "INTEGER" else "".join(chance.choices("abcdeä ", k=12)) + str(n)


def _id(n: int, chance: random.Random) -> bytes:
    """Octets that begin with a time of one of a few days."""
    return (DAYS[n % len(DAYS)] * 86_400_000 + n).to_bytes(6, "big") + chance.randbytes(10)


def _with_body(
    table: Table,
    row: Row,
    chance: random.Random,
    segments: SegmentWriter,
    filled: Filled,
    keys: dict[tuple[bytes, int], DataKey],
) -> Row:
    values = list(row)
    if values[table.at("content_gone")] is not None:
        return row
    workspace, id = values[table.at("workspace")], values[table.at(table.body)]
    day = int.from_bytes(id[:6], "big") // 86_400_000
    record = seal_record(
        (workspace, id, keys[workspace, day], chance.randbytes(chance.randrange(3000))), filled.entropy
    )
    (ref,) = segments.write([record])
    for column, value in (("segment", ref.segment), ("seg_offset", ref.offset), ("seg_length", ref.length)):
        values[table.at(column)] = value
    return tuple(values)
