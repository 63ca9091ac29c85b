"""SQL of domains that one workspace asks of another."""

from __future__ import annotations

from datetime import datetime

from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.domains.model import Transfer, TransferState

_TRANSFER = "id, asker, domain, holder, held, asked, asked_by, state, decided"


def _transfer(r: Row) -> Transfer:
    return Transfer(
        id=ids.encode("trf", r[0]),
        asker=WorkspaceId(ids.encode("ws", r[1])),
        domain=ids.encode("dom", r[2]),
        holder=WorkspaceId(ids.encode("ws", r[3])),
        held=ids.encode("dom", r[4]),
        asked=from_us(r[5]),
        asked_by=r[6],
        state=TransferState(r[7]),
        decided=maybe_from_us(r[8]),
    )


class Transfers:
    """Implements `core.domains.ports.TransfersRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def insert(self, t: Transfer) -> None:
        """A new one."""
        await self._sql.run(
            f"INSERT INTO domain_transfers({_TRANSFER}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",  # noqa: S608
            ids.decode("trf", t.id),
            ids.decode("ws", t.asker),
            ids.decode("dom", t.domain),
            ids.decode("ws", t.holder),
            ids.decode("dom", t.held),
            to_us(t.asked),
            t.asked_by,
            t.state.value,
            to_us(t.decided),
        )

    async def get(self, id: str) -> Transfer | None:
        """By id."""
        sql = f"SELECT {_TRANSFER} FROM domain_transfers WHERE id = $1"  # noqa: S608
        row = await self._sql.row(sql, ids.decode("trf", id))
        return _transfer(row) if row else None

    async def open(self, domain: str) -> Transfer | None:
        """The undecided one of an asker's domain."""
        sql = f"SELECT {_TRANSFER} FROM domain_transfers WHERE domain = $1 AND state = 'asked'"  # noqa: S608
        row = await self._sql.row(sql, ids.decode("dom", domain))
        return _transfer(row) if row else None

    async def of(self, workspace: WorkspaceId, limit: int) -> list[Transfer]:
        """Asked by a workspace or of it, newest first."""
        raw = ids.decode("ws", workspace)
        rows = await self._sql.rows(
            f"SELECT {_TRANSFER} FROM domain_transfers WHERE asker = $1 OR holder = $2 ORDER BY id DESC LIMIT $3",  # noqa: S608
            raw,
            raw,
            limit,
        )
        return [_transfer(r) for r in rows]

    async def decide(self, id: str, state: TransferState, now: datetime) -> bool:
        """True when it was undecided."""
        sql = "UPDATE domain_transfers SET state = $1, decided = $2 WHERE id = $3 AND state = 'asked'"
        return await self._sql.run(sql, state.value, to_us(now), ids.decode("trf", id)) > 0
