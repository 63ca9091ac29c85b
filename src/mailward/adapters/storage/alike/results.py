"""SQL of what checks found."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailward.adapters.storage.alike.statements import Statements
from mailward.adapters.storage.times import from_us, to_us
from mailward.core.evidence.model import Change, Line, Run, State

_line = msgspec.json.Decoder(Line)


class Results:
    """Implements `core.evidence.ports.ResultsRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def put(self, line: Line) -> None:
        """In the place of the one before."""
        await self._sql.run(
            "INSERT INTO evidence_results(control, at, state, body) VALUES ($1, $2, $3, $4) ON CONFLICT (control) "
            "DO UPDATE SET at = excluded.at, state = excluded.state, body = excluded.body",
            line.id,
            to_us(line.at),
            line.state.value,
            msgspec.json.encode(line),
        )

    async def latest(self) -> list[Line]:
        """Of every control that ran."""
        return [_line.decode(r[0]) for r in await self._sql.rows("SELECT body FROM evidence_results")]

    async def states(self) -> dict[str, State]:
        """By control."""
        return {r[0]: State(r[1]) for r in await self._sql.rows("SELECT control, state FROM evidence_results")}

    async def add_change(self, id: bytes, change: Change) -> None:
        """One more."""
        await self._sql.run(
            "INSERT INTO evidence_changes(id, control, at, state) VALUES ($1, $2, $3, $4)",
            id,
            change.control,
            to_us(change.at),
            change.state.value,
        )

    async def changes(self, limit: int, control: str | None = None) -> list[Change]:
        """Newest first."""
        if control is None:
            sql, args = "SELECT control, at, state FROM evidence_changes ORDER BY id DESC LIMIT $1", (limit,)
        else:
            sql = "SELECT control, at, state FROM evidence_changes WHERE control = $1 ORDER BY id DESC LIMIT $2"
            args = (control, limit)  # type: ignore[assignment]  # another statement, other parameters
        return [Change(r[0], from_us(r[1]), State(r[2])) for r in await self._sql.rows(sql, *args)]

    async def add_run(self, id: bytes, run: Run) -> None:
        """One more."""
        await self._sql.run(
            "INSERT INTO evidence_runs(id, at, cause, summary) VALUES ($1, $2, $3, $4)",
            id,
            to_us(run.at),
            run.cause,
            msgspec.json.encode(run.summary),
        )

    async def runs(self, limit: int) -> list[Run]:
        """Newest first."""
        rows = await self._sql.rows("SELECT at, cause, summary FROM evidence_runs ORDER BY id DESC LIMIT $1", limit)
        return [Run(from_us(r[0]), r[1], msgspec.json.decode(r[2], type=dict[str, int])) for r in rows]

    async def last_run(self, cause: str) -> datetime | None:
        """The newest of a cause."""
        row = await self._sql.row("SELECT max(at) FROM evidence_runs WHERE cause = $1", cause)
        return from_us(row[0]) if row and row[0] is not None else None

    async def forget_runs(self, before: datetime) -> int:
        """Those older than that."""
        return await self._sql.run("DELETE FROM evidence_runs WHERE at < $1", to_us(before))
