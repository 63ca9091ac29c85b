"""SQL of days, outages and posts."""

from __future__ import annotations

import msgspec

from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.adapters.storage.times import to_us
from mailward.base import ids
from mailward.core.availability.model import Day, Outage, Post

_post = msgspec.json.Decoder(Post)


class Availability:
    """Implements `core.availability.ports.AvailabilityRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def last_minute(self) -> int | None:
        """The newest one."""
        row = await self._sql.row("SELECT max(last) FROM availability_days")
        return row[0] if row else None

    async def add_to_day(self, day: Day) -> None:
        """Counts are added."""
        await self._sql.run(
            "INSERT INTO availability_days(day, measured, good, api, submission, mx, last) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (day) DO UPDATE SET "
            "measured = availability_days.measured + excluded.measured, good = availability_days.good + excluded.good, "
            "api = availability_days.api + excluded.api, "
            "submission = availability_days.submission + excluded.submission, "
            "mx = availability_days.mx + excluded.mx, last = excluded.last",
            *day,
        )

    async def days(self, first: int) -> list[Day]:
        """Oldest first."""
        sql = (
            "SELECT day, measured, good, api, submission, mx, last FROM availability_days WHERE day >= $1 ORDER BY day"
        )
        return [Day(*r) for r in await self._sql.rows(sql, first)]

    async def newest_outage(self) -> Outage | None:
        """The last that began."""
        row = await self._sql.row("SELECT began, until, services FROM availability_outages ORDER BY began DESC LIMIT 1")
        return Outage(*row) if row else None

    async def put_outage(self, outage: Outage) -> None:
        """A new one, or a longer one."""
        await self._sql.run(
            "INSERT INTO availability_outages(began, until, services) VALUES ($1, $2, $3) "
            "ON CONFLICT (began) DO UPDATE SET until = excluded.until",
            *outage,
        )

    async def outages(self, since: int) -> list[Outage]:
        """Oldest first."""
        sql = "SELECT began, until, services FROM availability_outages WHERE until > $1 ORDER BY began"
        return [Outage(*r) for r in await self._sql.rows(sql, since)]

    async def put_post(self, post: Post) -> None:
        """New, or changed."""
        await self._sql.run(
            "INSERT INTO availability_posts(id, at, ended, body) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, body = excluded.body",
            ids.decode("inc", post.id),
            to_us(post.at),
            to_us(post.ended),
            msgspec.json.encode(post),
        )

    async def post(self, id: str) -> Post | None:
        """By id."""
        row = await self._sql.row("SELECT body FROM availability_posts WHERE id = $1", ids.decode("inc", id))
        return _decoded(row) if row else None

    async def posts(self, limit: int) -> list[Post]:
        """Newest first."""
        rows = await self._sql.rows("SELECT body FROM availability_posts ORDER BY id DESC LIMIT $1", limit)
        return [_decoded(r) for r in rows]


def _decoded(row: Row) -> Post:
    return _post.decode(row[0])
