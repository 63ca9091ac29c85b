"""The guard's repository on PostgreSQL: what is personal is sealed, and a bucket's row is locked until the commit."""

from __future__ import annotations

from mailward.adapters.storage.alike.guard import Guard
from mailward.adapters.storage.postgres.alike import PgStatements
from mailward.adapters.storage.postgres.scope import SealedSql
from mailward.adapters.storage.postgres.sealed import FieldCipher

_COLUMN = {"observations": "name"}


class _Columns:
    def __init__(self, cipher: FieldCipher) -> None:
        tables = ("sign_ins", "sign_in_links", "observations", "alerts")
        self._columns = {t: cipher.column(t, _COLUMN.get(t, "details")) for t in tables}

    def seal(self, table: str, workspace: bytes, row: bytes, plain: bytes) -> bytes:
        return self._columns[table].seal(workspace, row, plain)

    def open(self, table: str, workspace: bytes, row: bytes, sealed: bytes) -> bytes:
        return self._columns[table].open(workspace, row, sealed)


class PgGuard(Guard):
    """See `Guard`."""

    def __init__(self, tx: SealedSql) -> None:
        super().__init__(PgStatements(tx), _Columns(tx.cipher), keep=" FOR UPDATE")
