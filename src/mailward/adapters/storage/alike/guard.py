"""SQL of what stands before a sign-in. What is personal is sealed where the store asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailward.adapters.storage import guard_rows as rows
from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.adapters.storage.times import to_us
from mailward.base import ids
from mailward.base.ids import UserId
from mailward.core.guard.model import (
    ALERTS_KEPT,
    PLACES_KEPT,
    SIGN_INS_KEPT,
    Alert,
    BucketKey,
    Link,
    LinkKind,
    SignedIn,
)
from mailward.policy.detection import HABITS, KEEP_SLOTS, SHORT_SLOTS, Observation, Observed, slot_of
from mailward.policy.lockout import Bucket

_BUCKETS_KEPT_US = 2 * 86_400_000_000
_LAST = b"\xff" * 17
_ALERT = "workspace, id, at, rule, severity, details, acknowledged, acknowledged_by"


class Seals(Protocol):
    """Seals a value of a row where rows are not in a sealed file already."""

    def seal(self, table: str, workspace: bytes, row: bytes, plain: bytes) -> bytes: ...

    def open(self, table: str, workspace: bytes, row: bytes, sealed: bytes) -> bytes: ...


class Guard:
    """Implements `core.guard.ports.GuardRepo`. `keep` is what a SELECT says to keep its rows from others."""

    def __init__(self, sql: Statements, seals: Seals, *, keep: str) -> None:
        self._sql = sql
        self._seals = seals
        self._keep = keep

    # -- tries --------------------------------------------------------------------------------

    async def hold(self, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        """In one order, so that two tries never wait for each other in a circle."""
        found = {}
        for name, token in sorted(keys):
            await self._sql.run(
                "INSERT INTO guard_buckets(name, token, tries, until, tat, at) VALUES ($1, $2, 0, 0, 0, 0) "
                "ON CONFLICT DO NOTHING",
                name,
                token,
            )
            row = await self._sql.row(
                f"SELECT tries, until, tat, at FROM guard_buckets WHERE name = $1 AND token = $2{self._keep}",  # noqa: S608
                name,
                token,
            )
            found[name, token] = rows.to_bucket(row) if row else Bucket()
        return found

    async def look(self, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        """As they are."""
        found = {}
        for name, token in keys:
            row = await self._sql.row(
                "SELECT tries, until, tat, at FROM guard_buckets WHERE name = $1 AND token = $2", name, token
            )
            if row is not None:
                found[name, token] = rows.to_bucket(row)
        return found

    async def put(self, buckets: Mapping[BucketKey, Bucket]) -> None:
        """One by one; there are two or three."""
        for (name, token), bucket in buckets.items():
            await self._sql.run(
                "UPDATE guard_buckets SET tries = $1, until = $2, tat = $3, at = $4 WHERE name = $5 AND token = $6",
                *rows.of_bucket(bucket),
                name,
                token,
            )

    async def known(self, account: bytes, places: Sequence[bytes]) -> set[bytes]:
        """Those of the places that are the account's."""
        found = set()
        for place in places:
            sql = "SELECT 1 FROM known_places WHERE account = $1 AND place = $2"
            if await self._sql.row(sql, account, place) is not None:
                found.add(place)
        return found

    async def remember(self, account: bytes, places: Sequence[bytes], now: datetime) -> None:
        """Again for another while."""
        for place in places:
            await self._sql.run(
                "INSERT INTO known_places(account, place, at) VALUES ($1, $2, $3) "
                "ON CONFLICT (account, place) DO UPDATE SET at = excluded.at",
                account,
                place,
                to_us(now),
            )

    async def forget_places(self, account: bytes) -> int:
        """All of an account's."""
        return await self._sql.run("DELETE FROM known_places WHERE account = $1", account)

    async def spend(self, token: bytes, expires: datetime) -> bool:
        """The row is the proof that it was used."""
        sql = "INSERT INTO spent_challenges(token, expires) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        return await self._sql.run(sql, token, to_us(expires)) > 0

    # -- sign-ins -----------------------------------------------------------------------------

    async def add_sign_in(self, signed_in: SignedIn) -> None:
        """One more of a person's."""
        s, user = signed_in, ids.decode("usr", signed_in.user)
        await self._sql.run(
            'INSERT INTO sign_ins("user", id, at, level, began, details) VALUES ($1, $2, $3, $4, $5, $6)',
            user,
            s.id,
            to_us(s.at),
            int(s.level),
            int(s.began),
            self._seals.seal("sign_ins", rows.INSTALLATION, user + s.id, rows.pack_sign_in(s)),
        )

    async def sign_ins(self, user: UserId, limit: int) -> list[SignedIn]:
        """Newest first."""
        raw = ids.decode("usr", user)
        sql = 'SELECT id, at, level, began, details FROM sign_ins WHERE "user" = $1 ORDER BY id DESC LIMIT $2'
        return [
            rows.to_sign_in(
                raw, id, at, level, began, self._seals.open("sign_ins", rows.INSTALLATION, raw + id, details)
            )
            for id, at, level, began, details in await self._sql.rows(sql, raw, limit)
        ]

    async def add_link(self, token_hash: bytes, link: Link) -> None:
        """A link that was mailed."""
        await self._sql.run(
            'INSERT INTO sign_in_links(token_hash, kind, "user", expires, details) VALUES ($1, $2, $3, $4, $5)',
            token_hash,
            link.kind.value,
            ids.decode("usr", link.user),
            to_us(link.expires),
            self._seals.seal("sign_in_links", rows.INSTALLATION, token_hash, rows.pack_link(link)),
        )

    async def open_link(self, token_hash: bytes, kind: LinkKind, now: datetime) -> Link | None:
        """Neither used nor past its time."""
        row = await self._sql.row(
            'SELECT kind, "user", expires, details FROM sign_in_links '
            "WHERE token_hash = $1 AND kind = $2 AND used IS NULL AND expires > $3",
            token_hash,
            kind.value,
            to_us(now),
        )
        if row is None:
            return None
        details = self._seals.open("sign_in_links", rows.INSTALLATION, token_hash, row[3])
        return rows.to_link(row[0], row[1], row[2], details)

    async def take_link(self, token_hash: bytes, now: datetime) -> bool:
        """Once, and in time."""
        sql = "UPDATE sign_in_links SET used = $1 WHERE token_hash = $2 AND used IS NULL AND expires > $1"
        return await self._sql.run(sql, to_us(now), token_hash) > 0

    # -- what was observed --------------------------------------------------------------------

    async def observe(self, observations: Sequence[Observation]) -> None:
        """In one order: two processes that count the same wait in line."""
        for o in sorted(observations, key=lambda o: (o.kind, o.subject, o.slot, o.item)):
            await self._sql.run(
                "INSERT INTO observations(kind, subject, slot, item, count, name, owner) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, subject, slot, item) "
                "DO UPDATE SET count = observations.count + excluded.count",
                o.kind.value,
                o.subject,
                o.slot,
                o.item,
                o.count,
                self._seals.seal("observations", rows.INSTALLATION, o.subject, o.name.encode()),
                o.workspace,
            )

    async def observed(self, since: int) -> list[Observed]:
        """Subjects that were counted in the last two hours, with all that is kept of them."""
        newest = await self._sql.row("SELECT max(slot) FROM observations")
        if newest is None or newest[0] is None:
            return []
        found = await self._sql.rows(
            "SELECT o.kind, o.subject, min(o.owner), o.slot, sum(o.count), count(*) FROM observations AS o "
            "JOIN (SELECT DISTINCT kind, subject FROM observations WHERE slot > $1) AS r "
            "ON r.kind = o.kind AND r.subject = o.subject WHERE o.slot >= $2 "
            "GROUP BY o.kind, o.subject, o.slot ORDER BY o.kind, o.subject, o.slot",
            newest[0] - 12,
            since,
        )
        out = []
        for kind, subject, owner, slot, count, items in found:
            out.append((kind, subject, "", owner, slot, int(count), int(items)))
        return rows.to_observed(out)

    async def different(self, kind: str, subject: bytes, since: int) -> int:
        """By the primary key's first columns."""
        sql = "SELECT count(DISTINCT item) FROM observations WHERE kind = $1 AND subject = $2 AND slot >= $3"
        row = await self._sql.row(sql, str(kind), subject, since)
        return 0 if row is None else int(row[0])

    async def subject(self, kind: str, subject: bytes) -> str:
        """What a subject is called; "" when nothing is kept of it."""
        row = await self._sql.row(
            "SELECT name FROM observations WHERE kind = $1 AND subject = $2 ORDER BY slot DESC LIMIT 1", kind, subject
        )
        if row is None:
            return ""
        return self._seals.open("observations", rows.INSTALLATION, subject, row[0]).decode()

    # -- alerts -------------------------------------------------------------------------------

    async def add_alert(self, alert: Alert, subject: bytes) -> None:
        """Of a workspace, or of the installation."""
        workspace = rows.INSTALLATION if alert.workspace is None else ids.decode("ws", alert.workspace)
        id = ids.decode("alr", alert.id)
        await self._sql.run(
            f"INSERT INTO {self._sql.write}alerts(workspace, id, at, rule, severity, subject, details) "  # noqa: S608
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            workspace,
            id,
            to_us(alert.at),
            alert.rule,
            alert.severity,
            subject,
            self._seals.seal("alerts", workspace, id, rows.pack_alert(alert)),
        )

    async def alerted(self, rule: str, subject: bytes, since: datetime) -> bool:
        """Whether it was told."""
        sql = f"SELECT 1 FROM {self._sql.read}alerts WHERE subject = $1 AND rule = $2 AND at > $3 LIMIT 1"  # noqa: S608
        return await self._sql.row(sql, subject, rule, to_us(since)) is not None

    async def alerts(self, *, before: str | None, limit: int) -> list[Alert]:
        """Newest first."""
        found = await self._sql.rows(
            f"SELECT {_ALERT} FROM {self._sql.read}alerts WHERE id < $1 ORDER BY id DESC LIMIT $2",  # noqa: S608
            _LAST if before is None else ids.decode("alr", before),
            limit,
        )
        return [self._alert(row) for row in found]

    async def alert(self, id: str) -> Alert | None:
        """By its id."""
        sql = f"SELECT {_ALERT} FROM {self._sql.read}alerts WHERE id = $1"  # noqa: S608
        row = await self._sql.row(sql, ids.decode("alr", id))
        return self._alert(row) if row else None

    async def acknowledge(self, alert: Alert) -> None:
        """The first time stays."""
        workspace = rows.INSTALLATION if alert.workspace is None else ids.decode("ws", alert.workspace)
        await self._sql.run(
            f"UPDATE {self._sql.write}alerts SET acknowledged = $1, acknowledged_by = $2 "  # noqa: S608
            "WHERE workspace = $3 AND id = $4 AND acknowledged IS NULL",
            to_us(alert.acknowledged),
            alert.acknowledged_by,
            workspace,
            ids.decode("alr", alert.id),
        )

    def _alert(self, row: Row) -> Alert:
        workspace, id, at, rule, severity, details, acknowledged, by = row
        opened = self._seals.open("alerts", workspace, id, details)
        return rows.to_alert(workspace, id, at, rule, severity, opened, acknowledged, by)

    async def forget(self, now: datetime) -> int:
        """Each kind of row after its own time."""
        at, slot = to_us(now), slot_of(now.timestamp())
        habits = ", ".join(f"'{k.value}'" for k in sorted(HABITS))
        gone = 0
        for sql, bound in (
            ("DELETE FROM guard_buckets WHERE at < $1", at - _BUCKETS_KEPT_US),
            ("DELETE FROM known_places WHERE at < $1", to_us(now - PLACES_KEPT)),
            ("DELETE FROM spent_challenges WHERE expires < $1", at),
            ("DELETE FROM sign_ins WHERE at < $1", to_us(now - SIGN_INS_KEPT)),
            ("DELETE FROM sign_in_links WHERE expires < $1", at),
            ("DELETE FROM observations WHERE slot < $1", slot - KEEP_SLOTS),
            (f"DELETE FROM observations WHERE slot < $1 AND kind NOT IN ({habits})", slot - SHORT_SLOTS),  # noqa: S608
            (f"DELETE FROM {self._sql.write}alerts WHERE at < $1", to_us(now - ALERTS_KEPT)),  # noqa: S608
        ):
            gone += await self._sql.run(sql, bound)
        return gone
