"""SQL of reports of weaknesses. Their content is ciphertext when it comes here."""

from __future__ import annotations

from datetime import datetime

from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.core.disclosure.model import Origin, Report, ReportState

_COLUMNS = "id, token_hash, at, due, state, acknowledged, updated, alerted, content, origin, digest"


def _report(r: Row) -> Report:
    return Report(
        id=ids.encode("rep", r[0]),
        token_hash=r[1],
        at=from_us(r[2]),
        due=from_us(r[3]),
        state=ReportState(r[4]),
        acknowledged=maybe_from_us(r[5]),
        updated=from_us(r[6]),
        alerted=r[7],
        content=r[8],
        origin=Origin(r[9]),
        digest=r[10] or b"",
    )


class Reports:
    """Implements `core.disclosure.ports.ReportsRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def insert(self, report: Report) -> None:
        """A new one."""
        await self._sql.run(
            f"INSERT INTO disclosure_reports({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",  # noqa: S608
            ids.decode("rep", report.id),
            report.token_hash,
            to_us(report.at),
            to_us(report.due),
            report.state.value,
            to_us(report.acknowledged),
            to_us(report.updated),
            report.alerted,
            report.content,
            report.origin.value,
            report.digest or None,
        )

    async def change(self, report: Report) -> None:
        """What may change of one."""
        await self._sql.run(
            "UPDATE disclosure_reports SET state = $1, acknowledged = $2, updated = $3, alerted = $4, content = $5 "
            "WHERE id = $6",
            report.state.value,
            to_us(report.acknowledged),
            to_us(report.updated),
            report.alerted,
            report.content,
            ids.decode("rep", report.id),
        )

    async def get(self, id: str) -> Report | None:
        """By id."""
        return await self._one("id = $1", ids.decode("rep", id))

    async def by_token(self, token_hash: bytes) -> Report | None:
        """By what is kept of its token."""
        return await self._one("token_hash = $1", token_hash)

    async def newest(self, limit: int) -> list[Report]:
        """Newest first."""
        sql = f"SELECT {_COLUMNS} FROM disclosure_reports ORDER BY id DESC LIMIT $1"  # noqa: S608
        return [_report(r) for r in await self._sql.rows(sql, limit)]

    async def waiting(self) -> list[Report]:
        """The most urgent first."""
        sql = f"SELECT {_COLUMNS} FROM disclosure_reports WHERE acknowledged IS NULL ORDER BY due LIMIT 1000"  # noqa: S608
        return [_report(r) for r in await self._sql.rows(sql)]

    async def keep_message(self, id: str, sealed: bytes) -> None:
        """The message it came as."""
        await self._sql.run("INSERT INTO disclosure_mails(id, message) VALUES ($1, $2)", ids.decode("rep", id), sealed)

    async def message(self, id: str) -> bytes | None:
        """The same, sealed as it was kept."""
        row = await self._sql.row("SELECT message FROM disclosure_mails WHERE id = $1", ids.decode("rep", id))
        return row[0] if row else None

    async def by_digest(self, digest: bytes) -> Report | None:
        """By the digest of the message it came as."""
        return await self._one("digest = $1", digest)

    async def count_since(self, since: datetime, origin: Origin) -> int:
        """How many."""
        sql = "SELECT count(*) FROM disclosure_reports WHERE at >= $1 AND origin = $2"
        row = await self._sql.row(sql, to_us(since), origin.value)
        return int(row[0]) if row else 0

    async def _one(self, where: str, value: bytes) -> Report | None:
        row = await self._sql.row(f"SELECT {_COLUMNS} FROM disclosure_reports WHERE {where}", value)  # noqa: S608
        return _report(row) if row else None
