"""SQL of registers, their followers, and signatures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.adapters.storage.times import from_us, to_us
from mailward.base import ids
from mailward.core.registers.model import TYPES, Entry, Kind, Notice, Signing

_COLUMNS = "id, kind, changed, body"


def _entry(r: Row) -> Entry:
    kind = Kind(r[1])
    return Entry(ids.encode("reg", r[0]), kind, from_us(r[2]), msgspec.json.decode(r[3], type=TYPES[kind]))


class Registers:
    """Implements `core.registers.ports.RegistersRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def put_entry(self, entry: Entry) -> None:
        """New, or changed."""
        await self._sql.run(
            "INSERT INTO register_entries(id, kind, changed, body) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (id) DO UPDATE SET changed = excluded.changed, body = excluded.body",
            ids.decode("reg", entry.id),
            entry.kind.value,
            to_us(entry.changed),
            msgspec.json.encode(entry.fields),
        )

    async def remove_entry(self, id: str) -> bool:
        """Whether there was one."""
        return bool(await self._sql.run("DELETE FROM register_entries WHERE id = $1", ids.decode("reg", id)))

    async def entry(self, id: str) -> Entry | None:
        """By id."""
        row = await self._sql.row(
            f"SELECT {_COLUMNS} FROM register_entries WHERE id = $1",  # noqa: S608  # a constant
            ids.decode("reg", id),
        )
        return _entry(row) if row else None

    async def entries(self, kind: Kind | None = None) -> list[Entry]:
        """Oldest first."""
        if kind is None:
            rows = await self._sql.rows(f"SELECT {_COLUMNS} FROM register_entries ORDER BY id")  # noqa: S608
        else:
            sql = f"SELECT {_COLUMNS} FROM register_entries WHERE kind = $1 ORDER BY id"  # noqa: S608
            rows = await self._sql.rows(sql, kind.value)
        return [_entry(r) for r in rows]

    async def follow(self, workspace: bytes, since: datetime) -> None:
        """Twice is once."""
        if not await self.follows(workspace):
            await self._sql.run(
                f"INSERT INTO {self._sql.write}register_followers(workspace, since) VALUES ($1, $2)",  # noqa: S608
                workspace,
                to_us(since),
            )

    async def unfollow(self, workspace: bytes) -> None:
        """No longer."""
        sql = f"DELETE FROM {self._sql.write}register_followers WHERE workspace = $1"  # noqa: S608
        await self._sql.run(sql, workspace)

    async def follows(self, workspace: bytes) -> bool:
        """Whether it does."""
        sql = f"SELECT 1 FROM {self._sql.read}register_followers WHERE workspace = $1"  # noqa: S608
        return await self._sql.row(sql, workspace) is not None

    async def followers(self) -> list[bytes]:
        """All of them."""
        return [r[0] for r in await self._sql.rows(f"SELECT workspace FROM {self._sql.read}register_followers")]  # noqa: S608

    async def owe(self, notices: Sequence[Notice]) -> None:
        """To be told."""
        for n in notices:
            await self._sql.run(
                f"INSERT INTO {self._sql.write}register_notices(workspace, id, at, body, told) "  # noqa: S608
                "VALUES ($1, $2, $3, $4, 'due')",
                n.workspace,
                n.id,
                to_us(n.at),
                n.text.encode(),
            )

    async def owed(self, limit: int) -> list[Notice]:
        """Oldest first."""
        sql = (
            f"SELECT workspace, id, at, body FROM {self._sql.read}register_notices WHERE told = 'due' "  # noqa: S608
            "ORDER BY id LIMIT $1"
        )
        return [_notice(r) for r in await self._sql.rows(sql, limit)]

    async def told(self, notice: Notice, how: str) -> None:
        """It was."""
        sql = f"UPDATE {self._sql.write}register_notices SET told = $1 WHERE workspace = $2 AND id = $3"  # noqa: S608
        await self._sql.run(sql, how, notice.workspace, notice.id)

    async def notices(self, workspace: bytes, limit: int) -> list[tuple[Notice, str]]:
        """Newest first."""
        sql = (
            f"SELECT workspace, id, at, body, told FROM {self._sql.read}register_notices WHERE workspace = $1 "  # noqa: S608
            "ORDER BY id DESC LIMIT $2"
        )
        return [(_notice(r), r[4]) for r in await self._sql.rows(sql, workspace, limit)]

    async def add_signing(self, workspace: bytes, signing: Signing) -> None:
        """One more."""
        await self._sql.run(
            f"INSERT INTO {self._sql.write}agreement_signings(workspace, id, at, hash, body) "  # noqa: S608
            "VALUES ($1, $2, $3, $4, $5)",
            workspace,
            ids.decode("sig", signing.id),
            to_us(signing.at),
            signing.hash,
            signing.sealed,
        )

    async def signings(self, workspace: bytes) -> list[Signing]:
        """Newest first."""
        sql = f"SELECT id, at, hash, body FROM {self._sql.read}agreement_signings WHERE workspace = $1 ORDER BY id DESC"  # noqa: S608
        return [
            Signing(ids.encode("sig", r[0]), from_us(r[1]), r[2], r[3]) for r in await self._sql.rows(sql, workspace)
        ]


def _notice(r: Row) -> Notice:
    return Notice(r[0], r[1], from_us(r[2]), r[3].decode())
