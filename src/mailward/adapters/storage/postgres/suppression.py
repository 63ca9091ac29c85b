"""SQL of the suppression list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailward.base import ids
from mailward.core.suppression.model import Entry, Reason

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql

_COLUMNS = "token, id, address, stream, reason, source, created"
_AT_ONCE = 1000
# SQLite compares a searched part of an address without regard to the case of ASCII letters; so does every store.
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class PgSuppressions:
    """The suppressions repository on PostgreSQL. A row shows the address's token; the address is sealed."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._address = tx.cipher.column("suppressions", "address")

    def _entry(self, r: tuple[Any, ...]) -> Entry:
        address = self._address.open(self._tx.own, r[0], r[2]).decode("utf-8", "surrogatepass")
        return Entry(r[1], address, r[3], Reason(r[4]), r[5], r[6])

    async def among(self, tokens: Sequence[bytes]) -> dict[bytes, dict[str, Reason]]:
        """Those of the tokens that have entries: token -> {stream: reason}."""
        found: dict[bytes, dict[str, Reason]] = {}
        if not tokens:
            return found
        sql = "SELECT token, stream, reason FROM suppressions WHERE workspace = $1 AND token = ANY($2::bytea[])"
        for token, stream, reason in await self._tx.rows(sql, self._tx.own, list(set(tokens))):
            found.setdefault(token, {})[stream] = Reason(reason)
        return found

    async def insert(self, rows: Sequence[tuple[bytes, Entry]]) -> int:
        """List addresses; one already listed on that stream keeps its entry. How many were new."""
        own, seal = self._tx.own, self._address.seal
        # In order of the token: two transactions that list the same addresses wait in line, not for each other.
        some = sorted(rows, key=lambda r: (r[0], r[1].stream))
        return await self._tx.run(
            "INSERT INTO suppressions(workspace, token, stream, id, address, reason, source, created) SELECT $1, * "
            "FROM unnest($2::bytea[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::bigint[]) "
            "ON CONFLICT DO NOTHING",
            own,
            [token for token, _ in some],
            [e.stream for _, e in some],
            [e.id for _, e in some],
            [seal(own, token, e.address.encode("utf-8", "surrogatepass")) for token, e in some],
            [e.reason.value for _, e in some],
            [e.source for _, e in some],
            [e.created for _, e in some],
        )

    async def put_bounces(self, entries: Sequence[tuple[bytes, str, bytes, int]]) -> None:
        """Hard bounces: (token, address, message, at in microseconds) each, on every stream.

        The id is the time and part of the token: as unique as the token, and in order of time.
        """
        await self.insert(
            [
                (
                    token,
                    Entry(
                        (at // 1000).to_bytes(6, "big") + token[:10],
                        address,
                        "",
                        Reason.HARD_BOUNCE,
                        ids.encode("msg", message),
                        at,
                    ),
                )
                for token, address, message, at in entries
            ]
        )

    async def by_token(self, token: bytes) -> list[Entry]:
        """Every entry of an address, one a stream."""
        sql = (
            f"SELECT {_COLUMNS} FROM suppressions WHERE workspace = $1 AND token = $2 "  # noqa: S608
            'ORDER BY stream COLLATE "C"'
        )
        return [self._entry(r) for r in await self._tx.rows(sql, self._tx.own, token)]

    async def by_id(self, id: bytes) -> Entry | None:
        """One entry."""
        sql = f"SELECT {_COLUMNS} FROM suppressions WHERE workspace = $1 AND id = $2"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, id)
        return self._entry(row) if row else None

    async def unname(self, id: bytes, instead: str) -> None:
        """Another text for an entry's address; it goes on working by its token."""
        own = self._tx.own
        row = await self._tx.row("SELECT token FROM suppressions WHERE workspace = $1 AND id = $2", own, id)
        if row is not None:
            sql = "UPDATE suppressions SET address = $3 WHERE workspace = $1 AND id = $2"
            await self._tx.run(sql, own, id, self._address.seal(own, row[0], instead.encode()))

    async def delete(self, id: bytes) -> bool:
        """Remove one entry; False when it was not there."""
        sql = "DELETE FROM suppressions WHERE workspace = $1 AND id = $2"
        return bool(await self._tx.run(sql, self._tx.own, id))

    async def page(
        self, *, before: bytes | None, limit: int, search: str, reason: Reason | None, stream: str | None
    ) -> list[Entry]:
        """Newest first, ids below `before`.

        A part of an address cannot be looked up in ciphertext: a search opens the list from
        the newest on until the page is full, some microseconds an entry.
        """
        wanted = search.translate(_FOLD)
        out: list[Entry] = []
        last = b"\xff" * 17 if before is None else before
        size = _AT_ONCE if search else limit
        while len(out) < limit:
            rows = await self._rows(last, size, reason, stream)
            for row in rows:
                entry = self._entry(row)
                if wanted in entry.address.translate(_FOLD):
                    out.append(entry)
                    if len(out) == limit:
                        break
            if len(rows) < size:
                break
            last = rows[-1][1]
        return out

    async def _rows(self, below: bytes, limit: int, reason: Reason | None, stream: str | None) -> list[tuple[Any, ...]]:
        params: list[Any] = [self._tx.own, below]
        where = "workspace = $1 AND id < $2"
        for column, value in (("reason", reason.value if reason else None), ("stream", stream)):
            if value is not None:
                params.append(value)
                where += f" AND {column} = ${len(params)}"
        params.append(limit)
        sql = f"SELECT {_COLUMNS} FROM suppressions WHERE {where} ORDER BY id DESC LIMIT ${len(params)}"  # noqa: S608
        return await self._tx.rows(sql, *params)
