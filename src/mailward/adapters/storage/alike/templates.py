"""SQL of templates and their versions."""

from __future__ import annotations

from typing import Protocol

import msgspec

from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.core.templates.model import Sources, Template, Version

_COLUMNS = "id, name, description, draft, current, created, changed"


def _template(r: Row) -> Template:
    return Template(bytes(r[0]), r[1], r[2], msgspec.json.decode(r[3], type=Sources), r[4], r[5], r[6])


def _version(r: Row) -> Version:
    return Version(r[0], r[1], r[2], msgspec.json.decode(r[3], type=Sources))


class Bound(Protocol):
    """A transaction, which is bound to a workspace whenever a template is asked for."""

    @property
    def workspace(self) -> bytes | None: ...


class Templates:
    """Implements `core.templates.ports.TemplatesRepo`."""

    def __init__(self, sql: Statements, tx: Bound) -> None:
        self._sql = sql
        self._tx = tx

    async def insert(self, template: Template) -> None:
        """A new one."""
        t = template
        await self._sql.run(
            f"INSERT INTO {self._sql.write}templates(workspace, id, name, description, draft, current, created, "  # noqa: S608
            "changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self._tx.workspace, t.id, t.name, t.description, msgspec.json.encode(t.draft), t.current,
            t.created, t.changed,
        )  # fmt: skip

    async def update(self, template: Template) -> None:
        """Everything but its name and when it was made."""
        t = template
        await self._sql.run(
            f"UPDATE {self._sql.write}templates SET description = $1, draft = $2, current = $3, changed = $4 "  # noqa: S608
            "WHERE workspace = $5 AND id = $6",
            t.description, msgspec.json.encode(t.draft), t.current, t.changed, self._tx.workspace, t.id,
        )  # fmt: skip

    async def delete(self, id: bytes) -> None:
        """With its versions."""
        for table in ("template_versions WHERE workspace = $1 AND template", "templates WHERE workspace = $1 AND id"):
            await self._sql.run(f"DELETE FROM {self._sql.write}{table} = $2", self._tx.workspace, id)  # noqa: S608

    async def get(self, name: str) -> Template | None:
        """By name."""
        sql = f"SELECT {_COLUMNS} FROM {self._sql.read}templates WHERE workspace = $1 AND name = $2"  # noqa: S608
        row = await self._sql.row(sql, self._tx.workspace, name)
        return _template(row) if row else None

    async def page(self, *, after: str, limit: int) -> list[Template]:
        """By name."""
        sql = (
            f"SELECT {_COLUMNS} FROM {self._sql.read}templates WHERE workspace = $1 AND name > $2 "  # noqa: S608
            "ORDER BY name LIMIT $3"
        )
        return [_template(r) for r in await self._sql.rows(sql, self._tx.workspace, after, limit)]

    async def count(self) -> int:
        """How many there are."""
        sql = f"SELECT count(*) FROM {self._sql.read}templates WHERE workspace = $1"  # noqa: S608
        row = await self._sql.row(sql, self._tx.workspace)
        return int(row[0]) if row else 0

    async def add_version(self, id: bytes, version: Version) -> None:
        """It stays as it is for good."""
        v = version
        await self._sql.run(
            f"INSERT INTO {self._sql.write}template_versions(workspace, template, number, at, actor, body) "  # noqa: S608
            "VALUES ($1, $2, $3, $4, $5, $6)",
            self._tx.workspace, id, v.number, v.at, v.by, msgspec.json.encode(v.sources),
        )  # fmt: skip

    async def version(self, id: bytes, number: int) -> Version | None:
        """One."""
        sql = (
            f"SELECT number, at, actor, body FROM {self._sql.read}template_versions "  # noqa: S608
            "WHERE workspace = $1 AND template = $2 AND number = $3"
        )
        row = await self._sql.row(sql, self._tx.workspace, id, number)
        return _version(row) if row else None

    async def versions(self, id: bytes, *, below: int, limit: int) -> list[Version]:
        """The newest first."""
        sql = (
            f"SELECT number, at, actor, body FROM {self._sql.read}template_versions "  # noqa: S608
            "WHERE workspace = $1 AND template = $2 AND number < $3 ORDER BY number DESC LIMIT $4"
        )
        return [_version(r) for r in await self._sql.rows(sql, self._tx.workspace, id, below, limit)]

    async def last(self, id: bytes) -> int:
        """The highest number."""
        sql = f"SELECT max(number) FROM {self._sql.read}template_versions WHERE workspace = $1 AND template = $2"  # noqa: S608
        row = await self._sql.row(sql, self._tx.workspace, id)
        return int(row[0] or 0) if row else 0
