"""SQL of what workspaces want tracked, and of recipients who do not want to be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mailward.adapters.storage.alike.statements import Statements
from mailward.adapters.storage.times import from_us, to_us
from mailward.policy.tracking import Mode


class Bound(Protocol):
    """A transaction. `workspace` is None in the system scope, where only `all_modes` is asked for."""

    @property
    def workspace(self) -> bytes | None: ...


class Tracking:
    """Implements `core.tracking.ports.TrackingRepo`."""

    def __init__(self, sql: Statements, tx: Bound) -> None:
        self._sql = sql
        self._tx = tx

    async def modes(self) -> dict[str, Mode]:
        """What the workspace says, by scope."""
        sql = f"SELECT scope, mode FROM {self._sql.read}tracking_modes WHERE workspace = $1"  # noqa: S608
        rows = await self._sql.rows(sql, self._tx.workspace)
        return {r[0]: Mode(r[1]) for r in rows}

    async def put_mode(self, scope: str, mode: Mode | None) -> None:
        """One row, or none."""
        table = f"{self._sql.write}tracking_modes"
        if mode is None:
            sql = f"DELETE FROM {table} WHERE workspace = $1 AND scope = $2"  # noqa: S608
            await self._sql.run(sql, self._tx.workspace, scope)
            return
        await self._sql.run(
            f"INSERT INTO {table}(workspace, scope, mode) VALUES ($1, $2, $3) "  # noqa: S608
            "ON CONFLICT (workspace, scope) DO UPDATE SET mode = excluded.mode",
            self._tx.workspace,
            scope,
            mode.value,
        )

    async def all_modes(self) -> dict[bytes, dict[str, Mode]]:
        """Of every workspace that says something."""
        rows = await self._sql.rows(f"SELECT workspace, scope, mode FROM {self._sql.read}tracking_modes")  # noqa: S608
        found: dict[bytes, dict[str, Mode]] = {}
        for workspace, scope, mode in rows:
            found.setdefault(bytes(workspace), {})[scope] = Mode(mode)
        return found

    async def opt_out(self, token: bytes, at: datetime) -> bool:
        """The first time counts."""
        sql = (
            f"INSERT INTO {self._sql.write}tracking_opt_outs(workspace, token, at) VALUES ($1, $2, $3) "  # noqa: S608
            "ON CONFLICT (workspace, token) DO NOTHING"
        )
        return bool(await self._sql.run(sql, self._tx.workspace, token, to_us(at)))

    async def opt_in(self, token: bytes) -> bool:
        """Gone, or never there."""
        sql = f"DELETE FROM {self._sql.write}tracking_opt_outs WHERE workspace = $1 AND token = $2"  # noqa: S608
        return bool(await self._sql.run(sql, self._tx.workspace, token))

    async def opted_out(self, tokens: Sequence[bytes]) -> dict[bytes, datetime]:
        """By the key; a message has fifty recipients at most over the API, and a thousand by SMTP."""
        found = {}
        sql = f"SELECT at FROM {self._sql.read}tracking_opt_outs WHERE workspace = $1 AND token = $2"  # noqa: S608
        for token in tokens:
            row = await self._sql.row(sql, self._tx.workspace, token)
            if row is not None:
                found[token] = from_us(row[0])
        return found
