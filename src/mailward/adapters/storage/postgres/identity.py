"""SQL of credentials, and of what they send."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.people import PgPeople
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.identity.model import Credential, CredentialKind, Standing
from mailward.policy.access import Scope
from mailward.policy.bursts import DAY_SLOTS, KEEP_SLOTS, SLOT_SECONDS, BurstRule

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

__all__ = ["PgCredentials", "PgPeople"]

_CREDENTIAL = (
    "id, workspace, kind, details, scopes, created, created_by, expires, last_used, revoked, paused, pause_reason, "
    "released, successor"
)


def _prefix(kind: CredentialKind) -> str:
    return "key" if kind is CredentialKind.KEY else "smtp"


def _id(kind: str, raw: bytes) -> str:
    return ids.encode("key" if kind == CredentialKind.KEY.value else "smtp", raw)


def _raw(id: str) -> bytes:
    return ids.decode(id.partition("_")[0], id)


class PgCredentials:
    """The credentials repository on PostgreSQL. The policies keep to the scope; names and networks are sealed."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._details = tx.cipher.column("credentials", "details")
        self._why = tx.cipher.column("credentials", "pause_reason")

    def _credential(self, r: Row) -> Credential:
        kind = CredentialKind(r[2])
        name, hint, domains, networks = self._details.unpack(r[1], r[0], r[3])
        return Credential(
            id=ids.encode(_prefix(kind), r[0]),
            workspace=WorkspaceId(ids.encode("ws", r[1])),
            kind=kind,
            name=name,
            hint=hint,
            scopes=frozenset(Scope(s) for s in r[4].split()),
            domains=None if domains is None else frozenset(domains.split()),
            networks=tuple(ipaddress.ip_network(n) for n in networks.split()),
            created=from_us(r[5]),
            created_by=r[6],
            expires=maybe_from_us(r[7]),
            last_used=maybe_from_us(r[8]),
            revoked=maybe_from_us(r[9]),
            paused=maybe_from_us(r[10]),
            pause_reason=self._why.open_text(r[1], r[0], r[11]) or "",
            released=maybe_from_us(r[12]),
            successor=None if r[13] is None else ids.encode(_prefix(kind), r[13]),
        )

    async def insert(self, credential: Credential, token_hash: bytes | None) -> None:
        """A new credential with the hash of its secret."""
        c = credential
        raw, workspace = _raw(c.id), ids.decode("ws", c.workspace)
        domains = None if c.domains is None else " ".join(sorted(c.domains))
        networks = " ".join(str(n) for n in c.networks)
        await self._tx.run(
            "INSERT INTO credentials(id, workspace, kind, details, scopes, created, created_by, expires, token_hash) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            raw,
            workspace,
            c.kind.value,
            self._details.pack(workspace, raw, c.name, c.hint, domains, networks),
            " ".join(sorted(c.scopes)),
            to_us(c.created),
            c.created_by,
            to_us(c.expires),
            token_hash,
        )

    async def get(self, id: str) -> Credential | None:
        """One of this scope."""
        row = await self._tx.row(f"SELECT {_CREDENTIAL} FROM credentials WHERE id = $1", _raw(id))  # noqa: S608
        found = self._credential(row) if row else None
        return found if found is not None and found.id == id else None

    async def page(
        self,
        kinds: Sequence[CredentialKind],
        *,
        before: str | None,
        limit: int,
        revoked: bool = True,
        without: str = "",
    ) -> list[Credential]:
        """Newest first."""
        sql = (
            f"SELECT {_CREDENTIAL} FROM credentials WHERE id < $1 AND kind = ANY($2) "  # noqa: S608
            "AND ($4 OR revoked IS NULL) AND created_by <> $5 ORDER BY id DESC LIMIT $3"
        )
        below = b"\xff" * 17 if before is None else _raw(before)
        found = await self._tx.rows(sql, below, [k.value for k in kinds], limit, revoked, without)
        return [self._credential(r) for r in found]

    async def live(self, *, before: str | None, limit: int) -> list[tuple[str, str, datetime]]:
        """Newest first."""
        sql = "SELECT id, kind, created FROM credentials WHERE id < $1 AND revoked IS NULL ORDER BY id DESC LIMIT $2"
        below = b"\xff" * 17 if before is None else _raw(before)
        return [(_id(r[1], r[0]), r[1], from_us(r[2])) for r in await self._tx.rows(sql, below, limit)]

    async def revoke(self, id: str, now: datetime) -> bool:
        """Live ones only. The hash goes too: nothing of the secret stays."""
        sql = "UPDATE credentials SET revoked = $1, token_hash = NULL WHERE id = $2 AND revoked IS NULL"
        return await self._tx.run(sql, to_us(now), _raw(id)) > 0

    async def succeed(self, id: str, successor: str, ends: datetime) -> None:
        """The old one ends at `ends` at the latest."""
        await self._tx.run(
            "UPDATE credentials SET successor = $1, expires = least(coalesce(expires, $2), $2) "
            "WHERE workspace = $3 AND id = $4",
            _raw(successor),
            to_us(ends),
            self._tx.own,
            _raw(id),
        )

    async def pause(self, id: str, reason: str, now: datetime) -> bool:
        """Live ones that are not paused yet."""
        raw = _raw(id)
        row = await self._tx.row("SELECT workspace FROM credentials WHERE id = $1", raw)
        if row is None:
            return False
        return bool(
            await self._tx.run(
                "UPDATE credentials SET paused = $1, pause_reason = $2 "
                "WHERE workspace = $3 AND id = $4 AND paused IS NULL AND revoked IS NULL",
                to_us(now),
                self._why.seal_text(row[0], raw, reason),
                row[0],
                raw,
            )
        )

    async def release(self, id: str, now: datetime) -> bool:
        """Paused ones of this scope."""
        sql = (
            "UPDATE credentials SET paused = NULL, pause_reason = NULL, released = $1 "
            "WHERE workspace = $2 AND id = $3 AND paused IS NOT NULL"
        )
        return await self._tx.run(sql, to_us(now), self._tx.own, _raw(id)) > 0

    async def paused(self) -> list[Credential]:
        """Newest pause first."""
        where = "paused IS NOT NULL AND revoked IS NULL ORDER BY paused DESC LIMIT 100"
        sql = f"SELECT {_CREDENTIAL} FROM credentials WHERE {where}"  # noqa: S608
        return [self._credential(r) for r in await self._tx.rows(sql)]

    # -- the system scope ---------------------------------------------------------------------

    async def bound_to(self, workspace: WorkspaceId, domain: str, limit: int) -> list[Credential]:
        """Domains are sealed, so the live ones are opened and looked at."""
        sql = f"SELECT {_CREDENTIAL} FROM credentials WHERE workspace = $1 AND revoked IS NULL ORDER BY id"  # noqa: S608
        found = [self._credential(r) for r in await self._tx.rows(sql, ids.decode("ws", workspace))]
        return [c for c in found if c.domains == frozenset((domain,))][:limit]

    async def exceptions(self, revoked_since: datetime) -> list[Standing]:
        """Revoked since, paused, or with an end."""
        sql = (
            "SELECT kind, id, revoked, paused, expires FROM credentials "
            "WHERE revoked >= $1 OR paused IS NOT NULL OR (expires IS NOT NULL AND revoked IS NULL)"
        )
        return [
            Standing(
                ids.encode(_prefix(CredentialKind(kind)), id), revoked is not None, paused is not None, expires or 0
            )
            for kind, id, revoked, paused, expires in await self._tx.rows(sql, to_us(revoked_since))
        ]

    async def add_traffic(self, workspace: WorkspaceId, id: str, slot: int, recipients: int) -> int:
        """Add to a slot, on whichever node; its sum."""
        row = await self._tx.row(
            "INSERT INTO credential_traffic(workspace, credential, slot, recipients) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (workspace, credential, slot) "
            "DO UPDATE SET recipients = credential_traffic.recipients + excluded.recipients RETURNING recipients",
            ids.decode("ws", workspace),
            _raw(id),
            slot,
            recipients,
        )
        return int(row[0]) if row else 0

    async def busiest(self, workspace: WorkspaceId, id: str, first: int, last: int) -> int | None:
        """The largest of some slots."""
        row = await self._tx.row(
            "SELECT max(recipients) FROM credential_traffic "
            "WHERE workspace = $1 AND credential = $2 AND slot BETWEEN $3 AND $4",
            ids.decode("ws", workspace),
            _raw(id),
            first,
            last,
        )
        return None if row is None or row[0] is None else int(row[0])

    async def bursting(self, since: int, rule: BurstRule) -> int:
        """Credentials that sent a burst since a slot and were neither paused nor released for it."""
        row = await self._tx.row(
            "SELECT count(DISTINCT n.credential) FROM credential_traffic AS n "
            "JOIN credentials AS c ON c.workspace = n.workspace AND c.id = n.credential "
            "WHERE n.slot >= $1 AND n.recipients > $2 AND c.paused IS NULL AND c.revoked IS NULL "
            "AND (c.released IS NULL OR n.slot - c.released / $3::bigint >= $4) "
            "AND n.recipients > $5::float8 * (SELECT max(h.recipients) FROM credential_traffic AS h "
            "WHERE h.workspace = n.workspace AND h.credential = n.credential "
            "AND h.slot BETWEEN n.slot - $6::bigint AND n.slot - $4::bigint)",
            *(since, rule.floor, SLOT_SECONDS * 1_000_000, DAY_SLOTS, rule.factor, KEEP_SLOTS),
        )
        return int(row[0]) if row else 0

    async def forget_traffic(self, before: int) -> int:
        """Drop older slots."""
        return await self._tx.run("DELETE FROM credential_traffic WHERE slot < $1", before)

    async def by_token(self, token_hash: bytes) -> Credential | None:
        """The credential a token belongs to."""
        row = await self._tx.row(f"SELECT {_CREDENTIAL} FROM credentials WHERE token_hash = $1", token_hash)  # noqa: S608
        return self._credential(row) if row else None

    async def networks(self) -> list[Credential]:
        """Every live one of kind NETWORK."""
        sql = f"SELECT {_CREDENTIAL} FROM credentials WHERE kind = 'network' AND revoked IS NULL"  # noqa: S608
        return [self._credential(r) for r in await self._tx.rows(sql)]

    async def used(self, uses: Sequence[tuple[str, WorkspaceId, datetime]]) -> None:
        """Note last uses. In order of the key, so that two nodes that note the same ones wait in line."""
        latest: dict[tuple[bytes, bytes], int] = {}
        for id, workspace, when in uses:
            key = (ids.decode("ws", workspace), _raw(id))
            latest[key] = max(latest.get(key, 0), to_us(when))
        rows = sorted(latest.items())
        await self._tx.run(
            "WITH u AS (SELECT c.workspace, c.id, u.at FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) "
            "AS u(workspace, id, at) JOIN credentials AS c ON c.workspace = u.workspace AND c.id = u.id "
            "ORDER BY c.workspace, c.id FOR UPDATE OF c) "
            "UPDATE credentials AS c SET last_used = greatest(coalesce(c.last_used, 0), u.at) FROM u "
            "WHERE c.workspace = u.workspace AND c.id = u.id",
            [key[0] for key, _ in rows],
            [key[1] for key, _ in rows],
            [at for _, at in rows],
        )
