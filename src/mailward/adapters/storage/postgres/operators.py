"""SQL of operators, their grants, and access reviews. What names people or says why is sealed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.operator_documents import (
    GRANT_COLUMNS,
    PROGRESS,
    REVIEW_COLUMNS,
    grant_of,
    items_text,
    progress_of,
    raw_workspace,
    register_of,
    register_text,
    review_of,
    wish_text,
    workspace_of,
)
from mailward.adapters.storage.postgres.sealed import INSTALLATION
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.operators.model import Grant, GrantState, Operator, Review

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

_OPERATOR = (
    "SELECT o.id, u.person, o.made, o.made_by, o.register, o.ended, o.ended_by, u.disabled "
    "FROM operators AS o JOIN users AS u ON u.id = o.id "
)


class PgOperators:
    """Operators and grants on PostgreSQL."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._person = tx.cipher.column("users", "person")
        self._register = tx.cipher.column("operators", "register")
        self._wish = tx.cipher.column("operator_grants", "wish")

    def _operator(self, r: Row) -> Operator:
        email = self._person.unpack(INSTALLATION, r[0], r[1])[0]
        register = register_of(self._register.open(INSTALLATION, r[0], r[4]))
        return Operator(
            UserId(ids.encode("usr", r[0])), email, from_us(r[2]), r[3], register,
            ended=maybe_from_us(r[5]), ended_by=r[6], disabled=r[7] is not None,
        )  # fmt: skip

    async def add(self, operator: Operator) -> None:
        """A new one, or one who comes back."""
        raw = ids.decode("usr", operator.id)
        await self._tx.run(
            "INSERT INTO operators(id, made, made_by, ended, ended_by, register) VALUES ($1, $2, $3, $4, $5, $6) "
            "ON CONFLICT (id) DO UPDATE SET made = $2, made_by = $3, ended = $4, ended_by = $5, register = $6",
            raw, to_us(operator.made), operator.made_by, to_us(operator.ended), operator.ended_by,
            self._register.seal(INSTALLATION, raw, register_text(operator.register).encode()),
        )  # fmt: skip

    async def change(self, operator: Operator) -> None:
        """Register and end."""
        raw = ids.decode("usr", operator.id)
        await self._tx.run(
            "UPDATE operators SET ended = $1, ended_by = $2, register = $3 WHERE id = $4",
            to_us(operator.ended), operator.ended_by,
            self._register.seal(INSTALLATION, raw, register_text(operator.register).encode()), raw,
        )  # fmt: skip

    async def get(self, id: UserId) -> Operator | None:
        """By the person's id."""
        rows = await self._tx.outside(_OPERATOR + "WHERE o.id = $1", ids.decode("usr", id))
        return self._operator(rows[0]) if rows else None

    async def serving(self) -> list[Operator]:
        """Oldest first."""
        sql = _OPERATOR + "WHERE o.ended IS NULL AND u.disabled IS NULL ORDER BY o.made, o.id"
        return [self._operator(r) for r in await self._tx.outside(sql)]

    async def every(self) -> list[Operator]:
        """Ended ones too, oldest first."""
        return [self._operator(r) for r in await self._tx.rows(_OPERATOR + "ORDER BY o.made, o.id")]

    # -- grants -------------------------------------------------------------------------------

    async def _grants(self, where: str, *params: object) -> list[Grant]:
        rows = await self._tx.rows(f"SELECT {GRANT_COLUMNS} FROM operator_grants {where}", *params)  # noqa: S608
        return [grant_of(r, self._wish.open(r[0], r[1], r[3])) for r in rows]

    async def add_grant(self, grant: Grant) -> None:
        """A request."""
        workspace, id = ids.decode("ws", grant.workspace), ids.decode("grt", grant.id)
        marks = ", ".join(f"${n}" for n in range(1, 7 + len(PROGRESS)))
        await self._tx.run(
            f"INSERT INTO operator_grants(workspace, id, operator, wish, requested, told, {', '.join(PROGRESS)}) "  # noqa: S608
            f"VALUES ({marks})",
            workspace, id, ids.decode("usr", grant.operator),
            self._wish.seal(workspace, id, wish_text(grant.wish).encode()), to_us(grant.requested), grant.told,
            *progress_of(grant),
        )  # fmt: skip

    async def grant(self, id: str) -> Grant | None:
        """By id."""
        found = await self._grants("WHERE id = $1", ids.decode("grt", id))
        return found[0] if found else None

    async def change_grant(self, grant: Grant) -> None:
        """Its progress; with its end, the end of a login to the database."""
        sets = ", ".join(f"{c} = ${n}" for n, c in enumerate(PROGRESS, 3))
        id = ids.decode("grt", grant.id)
        await self._tx.run(
            f"UPDATE operator_grants SET {sets} WHERE workspace = $1 AND id = $2",  # noqa: S608
            ids.decode("ws", grant.workspace), id, *progress_of(grant),
        )  # fmt: skip
        if grant.state is GrantState.ENDED:
            sql = "UPDATE operator_logins SET ended = $1 WHERE access = $2 AND ended IS NULL RETURNING 1"
            await self._tx.outside(sql, to_us(grant.ended), id)

    async def grants(self, *, limit: int, before: str | None = None) -> list[Grant]:
        """Newest first."""
        below = ids.decode("grt", before) if before else b"\xff" * 16
        return await self._grants("WHERE id < $1 ORDER BY id DESC LIMIT $2", below, limit)

    async def resting_on(self, user: UserId) -> list[Grant]:
        """Not ended, asked for or approved by this person."""
        where = "WHERE state <> 'ended' AND (operator = $1 OR approver = $1) ORDER BY id"
        return await self._grants(where, ids.decode("usr", user))

    async def overdue(self, now: datetime, unused_since: datetime) -> list[Grant]:
        """Live ones that are over; others let through, ready or asked for that long ago."""
        return await self._grants(
            "WHERE state <> 'ended' AND CASE state WHEN 'live' THEN ends <= $1 "
            "WHEN 'ready' THEN approved <= $2 WHEN 'waiting' THEN ready <= $2 ELSE requested <= $2 END ORDER BY id",
            to_us(now), to_us(unused_since),
        )  # fmt: skip

    async def untold(self, limit: int) -> list[Grant]:
        """Requests, beginnings and ends the customer was not mailed."""
        return await self._grants(
            "WHERE told <> CASE WHEN state = 'ended' THEN 'ended' WHEN state = 'live' THEN 'live' ELSE 'requested' END "
            "ORDER BY id LIMIT $1",
            limit,
        )

    async def told(self, workspace: WorkspaceId, id: str, what: str) -> None:
        """Noted."""
        sql = "UPDATE operator_grants SET told = $1 WHERE workspace = $2 AND id = $3"
        await self._tx.run(sql, what, ids.decode("ws", workspace), ids.decode("grt", id))


class PgReviews:
    """Access reviews on PostgreSQL."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._items = tx.cipher.column("access_reviews", "items")

    async def _reviews(self, where: str, *params: object) -> list[Review]:
        rows = await self._tx.rows(f"SELECT {REVIEW_COLUMNS} FROM access_reviews {where}", *params)  # noqa: S608
        return [review_of(r, self._items.open(r[0], r[1], r[4])) for r in rows]

    def _sealed(self, review: Review) -> tuple[bytes, bytes, bytes]:
        workspace, id = raw_workspace(review.workspace), ids.decode("rev", review.id)
        return workspace, id, self._items.seal(workspace, id, items_text(review.items).encode())

    async def add(self, review: Review) -> bool:
        """Unless the quarter has one."""
        workspace, id, items = self._sealed(review)
        done = await self._tx.run(
            "INSERT INTO access_reviews(workspace, id, quarter, opened, items, escalated, suspended, closed, told) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            workspace, id, review.quarter, to_us(review.opened), items, to_us(review.escalated),
            to_us(review.suspended), to_us(review.closed), review.told,
        )  # fmt: skip
        return done > 0

    async def get(self, id: str) -> Review | None:
        """By id."""
        found = await self._reviews("WHERE id = $1", ids.decode("rev", id))
        return found[0] if found else None

    async def held(self, id: str) -> Review | None:
        """By id; the row is ours until the transaction ends."""
        found = await self._reviews("WHERE id = $1 FOR UPDATE", ids.decode("rev", id))
        return found[0] if found else None

    async def change(self, review: Review) -> None:
        """Its items and how far it has come."""
        workspace, id, items = self._sealed(review)
        await self._tx.run(
            "UPDATE access_reviews SET items = $1, escalated = $2, suspended = $3, closed = $4, told = $5 "
            "WHERE workspace = $6 AND id = $7",
            items, to_us(review.escalated), to_us(review.suspended), to_us(review.closed), review.told,
            workspace, id,
        )  # fmt: skip

    async def page(self, *, limit: int) -> list[Review]:
        """Newest first."""
        return await self._reviews("ORDER BY id DESC LIMIT $1", limit)

    async def open(self) -> list[Review]:
        """Oldest first."""
        return await self._reviews("WHERE closed IS NULL ORDER BY id")

    async def covered(self, quarter: str) -> set[WorkspaceId]:
        """Whose review of that quarter there is."""
        rows = await self._tx.rows("SELECT workspace FROM access_reviews WHERE quarter = $1", quarter)
        return {workspace_of(r[0]) for r in rows}
