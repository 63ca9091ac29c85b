"""SQL of operators, their grants, and access reviews."""

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
from mailward.adapters.storage.sqlite.workspaces import table
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.operators.model import Grant, Operator, Review

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row, Sql

_OPERATOR = (
    "SELECT o.id, u.email, o.made, o.made_by, o.register, o.ended, o.ended_by, u.disabled "
    "FROM operators AS o JOIN users AS u ON u.id = o.id "
)


def _operator(r: Row) -> Operator:
    return Operator(
        UserId(ids.encode("usr", r[0])), r[1], from_us(r[2]), r[3], register_of(r[4]),
        ended=maybe_from_us(r[5]), ended_by=r[6], disabled=r[7] is not None,
    )  # fmt: skip


class SqliteOperators:
    """Operators and grants on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def add(self, operator: Operator) -> None:
        """A new one, or one who comes back."""
        self._tx.run(
            "INSERT OR REPLACE INTO operators(id, made, made_by, ended, ended_by, register) VALUES (?,?,?,?,?,?)",
            (
                ids.decode("usr", operator.id), to_us(operator.made), operator.made_by,
                to_us(operator.ended), operator.ended_by, register_text(operator.register),
            ),
        )  # fmt: skip

    async def change(self, operator: Operator) -> None:
        """Register and end."""
        self._tx.run(
            "UPDATE operators SET ended = ?, ended_by = ?, register = ? WHERE id = ?",
            (
                to_us(operator.ended), operator.ended_by, register_text(operator.register),
                ids.decode("usr", operator.id),
            ),
        )  # fmt: skip

    async def get(self, id: UserId) -> Operator | None:
        """By the person's id."""
        rows = self._tx.outside(_OPERATOR + "WHERE o.id = ?", (ids.decode("usr", id),))
        return _operator(rows[0]) if rows else None

    async def serving(self) -> list[Operator]:
        """Oldest first."""
        sql = _OPERATOR + "WHERE o.ended IS NULL AND u.disabled IS NULL ORDER BY o.made, o.id"
        return [_operator(r) for r in self._tx.outside(sql)]

    async def every(self) -> list[Operator]:
        """Ended ones too, oldest first."""
        return [_operator(r) for r in self._tx.rows(_OPERATOR + "ORDER BY o.made, o.id")]

    # -- grants -------------------------------------------------------------------------------

    def _grants(self, where: str, *params: object) -> list[Grant]:
        sql = f"SELECT {GRANT_COLUMNS} FROM {table(self._tx, 'operator_grants')} {where}"  # noqa: S608
        return [grant_of(r, r[3]) for r in self._tx.rows(sql, params)]

    async def add_grant(self, grant: Grant) -> None:
        """A request."""
        self._tx.run(
            f"INSERT INTO t_operator_grants(workspace, id, operator, wish, requested, told, {', '.join(PROGRESS)}) "  # noqa: S608
            f"VALUES ({', '.join('?' * (6 + len(PROGRESS)))})",
            (
                ids.decode("ws", grant.workspace), ids.decode("grt", grant.id), ids.decode("usr", grant.operator),
                wish_text(grant.wish), to_us(grant.requested), grant.told, *progress_of(grant),
            ),
        )  # fmt: skip

    async def grant(self, id: str) -> Grant | None:
        """By id."""
        found = self._grants("WHERE id = ?", ids.decode("grt", id))
        return found[0] if found else None

    async def change_grant(self, grant: Grant) -> None:
        """Its progress."""
        self._tx.run(
            f"UPDATE t_operator_grants SET {', '.join(f'{c} = ?' for c in PROGRESS)} WHERE workspace = ? AND id = ?",  # noqa: S608
            (*progress_of(grant), ids.decode("ws", grant.workspace), ids.decode("grt", grant.id)),
        )

    async def grants(self, *, limit: int, before: str | None = None) -> list[Grant]:
        """Newest first."""
        below = ids.decode("grt", before) if before else b"\xff" * 16
        return self._grants("WHERE id < ? ORDER BY id DESC LIMIT ?", below, limit)

    async def resting_on(self, user: UserId) -> list[Grant]:
        """Not ended, asked for or approved by this person."""
        raw = ids.decode("usr", user)
        return self._grants("WHERE state <> 'ended' AND (operator = ? OR approver = ?) ORDER BY id", raw, raw)

    async def overdue(self, now: datetime, unused_since: datetime) -> list[Grant]:
        """Live ones that are over; others let through, ready or asked for that long ago."""
        return self._grants(
            "WHERE state <> 'ended' AND CASE state WHEN 'live' THEN ends <= ? "
            "WHEN 'ready' THEN approved <= ? WHEN 'waiting' THEN ready <= ? ELSE requested <= ? END ORDER BY id",
            to_us(now), to_us(unused_since), to_us(unused_since), to_us(unused_since),
        )  # fmt: skip

    async def untold(self, limit: int) -> list[Grant]:
        """Requests, beginnings and ends the customer was not mailed."""
        return self._grants(
            "WHERE told <> CASE WHEN state = 'ended' THEN 'ended' WHEN state = 'live' THEN 'live' ELSE 'requested' END "
            "ORDER BY id LIMIT ?",
            limit,
        )

    async def told(self, workspace: WorkspaceId, id: str, what: str) -> None:
        """Noted."""
        self._tx.run(
            "UPDATE t_operator_grants SET told = ? WHERE workspace = ? AND id = ?",
            (what, ids.decode("ws", workspace), ids.decode("grt", id)),
        )


class SqliteReviews:
    """Access reviews on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    def _reviews(self, where: str, *params: object) -> list[Review]:
        sql = f"SELECT {REVIEW_COLUMNS} FROM {table(self._tx, 'access_reviews')} {where}"  # noqa: S608
        return [review_of(r, r[4]) for r in self._tx.rows(sql, params)]

    async def add(self, review: Review) -> bool:
        """Unless the quarter has one."""
        return (
            self._tx.run(
                "INSERT OR IGNORE INTO t_access_reviews(workspace, id, quarter, opened, items, escalated, suspended, "
                "closed, told) VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    raw_workspace(review.workspace), ids.decode("rev", review.id), review.quarter,
                    to_us(review.opened), items_text(review.items), to_us(review.escalated),
                    to_us(review.suspended), to_us(review.closed), review.told,
                ),
            )
            > 0
        )  # fmt: skip

    async def get(self, id: str) -> Review | None:
        """By id."""
        found = self._reviews("WHERE id = ?", ids.decode("rev", id))
        return found[0] if found else None

    async def held(self, id: str) -> Review | None:
        """By id; there is one writer."""
        return await self.get(id)

    async def change(self, review: Review) -> None:
        """Its items and how far it has come."""
        self._tx.run(
            "UPDATE t_access_reviews SET items = ?, escalated = ?, suspended = ?, closed = ?, told = ? "
            "WHERE workspace = ? AND id = ?",
            (
                items_text(review.items), to_us(review.escalated), to_us(review.suspended), to_us(review.closed),
                review.told, raw_workspace(review.workspace), ids.decode("rev", review.id),
            ),
        )  # fmt: skip

    async def page(self, *, limit: int) -> list[Review]:
        """Newest first."""
        return self._reviews("ORDER BY id DESC LIMIT ?", limit)

    async def open(self) -> list[Review]:
        """Oldest first."""
        return self._reviews("WHERE closed IS NULL ORDER BY id")

    async def covered(self, quarter: str) -> set[WorkspaceId]:
        """Whose review of that quarter there is."""
        sql = "SELECT workspace FROM t_access_reviews WHERE quarter = ?"
        return {workspace_of(r[0]) for r in self._tx.rows(sql, (quarter,))}
