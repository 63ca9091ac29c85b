"""The guard's repository on SQLite, whose file is sealed as a whole and has one writer."""

from __future__ import annotations

from mailward.adapters.storage.alike.guard import Guard
from mailward.adapters.storage.sqlite.alike import SqliteStatements
from mailward.adapters.storage.sqlite.sql import Sql


class _AsItIs:
    def seal(self, table: str, workspace: bytes, row: bytes, plain: bytes) -> bytes:
        return plain

    def open(self, table: str, workspace: bytes, row: bytes, sealed: bytes) -> bytes:
        return sealed


class SqliteGuard(Guard):
    """See `Guard`."""

    def __init__(self, tx: Sql) -> None:
        super().__init__(SqliteStatements(tx), _AsItIs(), keep="")
