"""SQL of backups that were made, and of tests of restoring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.core.backup.model import Backup, Trial

_SELECT = "SELECT id, at, row_count, size, written, took, key_versions, gone FROM backups WHERE gone IS NULL "
_test = msgspec.json.Decoder(Trial)


class Backups:
    """Implements `core.backup.ports.BackupsRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def add(self, backup: Backup) -> None:
        """A new row."""
        await self._sql.run(
            "INSERT INTO backups(id, at, row_count, size, written, took, key_versions) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            ids.decode("bak", backup.id),
            to_us(backup.at),
            backup.rows,
            backup.size,
            backup.written,
            round(backup.seconds * 1e6),
            " ".join(map(str, backup.keys)),
        )

    async def newest(self) -> Backup | None:
        """By when it was taken."""
        row = await self._sql.row(_SELECT + "ORDER BY at DESC, id DESC LIMIT 1")
        return _backup(row) if row else None

    async def kept(self) -> list[Backup]:
        """Newest first."""
        return [_backup(r) for r in await self._sql.rows(_SELECT + "ORDER BY at DESC, id DESC")]

    async def gone(self, backups: Sequence[str], at: datetime) -> int:
        """Kept no more."""
        done = 0
        for id in backups:
            done += await self._sql.run(
                "UPDATE backups SET gone = $1 WHERE id = $2 AND gone IS NULL", to_us(at), ids.decode("bak", id)
            )
        return done

    async def add_test(self, test: Trial) -> None:
        """A new row."""
        await self._sql.run(
            "INSERT INTO restore_tests(id, at, body) VALUES ($1, $2, $3)",
            ids.decode("rst", test.id),
            to_us(test.at),
            msgspec.json.encode(test),
        )

    async def tests(self, limit: int) -> list[Trial]:
        """Newest first."""
        rows = await self._sql.rows("SELECT body FROM restore_tests ORDER BY at DESC, id DESC LIMIT $1", limit)
        return [_test.decode(r[0]) for r in rows]

    async def forget(self, before: datetime) -> int:
        """Old rows go."""
        done = await self._sql.run("DELETE FROM restore_tests WHERE at < $1", to_us(before))
        return done + await self._sql.run("DELETE FROM backups WHERE gone < $1", to_us(before))


def _backup(row: Row) -> Backup:
    return Backup(
        id=ids.encode("bak", row[0]),
        at=from_us(row[1]),
        rows=row[2],
        size=row[3],
        written=row[4],
        seconds=row[5] / 1e6,
        keys=tuple(int(v) for v in row[6].split()),
        gone=maybe_from_us(row[7]),
    )
