"""SQL of domains and their keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from mailward.adapters.storage.postgres.sealed import INSTALLATION
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.domains.model import Domain, DomainState, KeyPair, KeyState, RecordCheck
from mailward.core.tracking.model import domain_scope

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

_DOMAIN = (
    "workspace, id, details, state, created, next_check, subdomains, verified_at, checked_at, failures, "
    "failing_since, own_return_path"
)
_PAIR = "id, stem, state, rsa_public, ed25519_public, rsa_sealed, ed25519_sealed, created, changed, wait"
_checks = msgspec.json.Decoder(tuple[RecordCheck, ...])


def _pair(r: Row) -> KeyPair:
    return KeyPair(
        id=ids.encode("key", r[0]),
        stem=r[1],
        state=KeyState(r[2]),
        rsa_public=r[3],
        ed25519_public=r[4],
        rsa_sealed=r[5],
        ed25519_sealed=r[6],
        created=from_us(r[7]),
        changed=from_us(r[8]),
        wait=timedelta(seconds=r[9]),
    )


class PgDomains:
    """The domains repository on PostgreSQL. Names are found by a token that is the same in every workspace."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._details = tx.cipher.column("domains", "details")
        self._selector = tx.cipher.column("dkim_selectors", "name")

    def _token(self, name: str) -> bytes:
        return self._tx.cipher.token("domain-name", INSTALLATION, name.encode())

    def _domain(self, r: Row) -> Domain:
        name, token, checks = self._details.unpack(r[0], r[1], r[2])
        return Domain(
            id=ids.encode("dom", r[1]),
            name=name,
            state=DomainState(r[3]),
            token=token,
            created=from_us(r[4]),
            next_check=from_us(r[5]),
            subdomains=bool(r[6]),
            verified_at=maybe_from_us(r[7]),
            checked_at=maybe_from_us(r[8]),
            failures=r[9],
            failing_since=maybe_from_us(r[10]),
            own_return_path=bool(r[11]),
            checks=_checks.decode(checks),
        )

    def _values(self, d: Domain) -> tuple[Any, ...]:
        """From `id` on, in the order of `_DOMAIN`."""
        raw = ids.decode("dom", d.id)
        return (
            raw,
            self._details.pack(self._tx.own, raw, d.name, d.token, msgspec.json.encode(d.checks)),
            d.state.value,
            to_us(d.created),
            to_us(d.next_check),
            int(d.subdomains),
            to_us(d.verified_at),
            to_us(d.checked_at),
            d.failures,
            to_us(d.failing_since),
            int(d.own_return_path),
        )

    async def insert(self, d: Domain) -> bool:
        """Keep a new domain; False when the workspace has that name already."""
        sql = (
            f"INSERT INTO domains({_DOMAIN}, name_token) "  # noqa: S608
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
            "ON CONFLICT (workspace, name_token) DO NOTHING"
        )
        return bool(await self._tx.run(sql, self._tx.own, *self._values(d), self._token(d.name)))

    async def update(self, d: Domain) -> bool:
        """Store every changeable field; False when another workspace holds that name verified."""
        sql = (
            "UPDATE domains SET details = $3, state = $4, created = $5, next_check = $6, subdomains = $7, "
            "verified_at = $8, checked_at = $9, failures = $10, failing_since = $11, own_return_path = $12 "
            "WHERE workspace = $1 AND id = $2"
        )
        values = (self._tx.own, *self._values(d))
        if d.state is not DomainState.VERIFIED:
            await self._tx.run(sql, *values)
            return True
        try:
            async with self._tx.attempt():
                await self._tx.run(sql, *values)
        except asyncpg.UniqueViolationError:
            return False
        return True

    async def get(self, id: str) -> Domain | None:
        """One domain of the workspace."""
        sql = f"SELECT {_DOMAIN} FROM domains WHERE workspace = $1 AND id = $2"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, ids.decode("dom", id))
        return self._domain(row) if row else None

    async def by_name(self, name: str) -> Domain | None:
        """The same, by its canonical name."""
        sql = f"SELECT {_DOMAIN} FROM domains WHERE workspace = $1 AND name_token = $2"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, self._token(name))
        return self._domain(row) if row else None

    async def page(self, *, before: str | None, limit: int) -> list[Domain]:
        """Newest first."""
        last = b"\xff" * 17 if before is None else ids.decode("dom", before)
        sql = f"SELECT {_DOMAIN} FROM domains WHERE workspace = $1 AND id < $2 ORDER BY id DESC LIMIT $3"  # noqa: S608
        return [self._domain(r) for r in await self._tx.rows(sql, self._tx.own, last, limit)]

    async def delete(self, id: str) -> bool:
        """Remove the domain, its keys and what is said of its tracking; used selectors stay remembered."""
        return await self._remove(self._tx.own, ids.decode("dom", id))

    async def _remove(self, workspace: bytes, raw: bytes) -> bool:
        scope = domain_scope(raw)
        await self._tx.run("DELETE FROM tracking_modes WHERE workspace = $1 AND scope = $2", workspace, scope)
        await self._tx.run("DELETE FROM dkim_pairs WHERE workspace = $1 AND domain = $2", workspace, raw)
        return bool(await self._tx.run("DELETE FROM domains WHERE workspace = $1 AND id = $2", workspace, raw))

    async def take_selector(self, name: str, stem: str) -> bool:
        """Mark a selector of a domain name as used, in any workspace; False when it was."""
        own, token = self._tx.own, self._token(name)
        # The name itself is for moving to a store that has no tokens.
        sealed = self._selector.seal_text(own, token + stem.encode(), name)
        sql = "INSERT INTO dkim_selectors(workspace, name_token, stem, name) VALUES ($1, $2, $3, $4)"
        return bool(await self._tx.run(f"{sql} ON CONFLICT DO NOTHING", own, token, stem, sealed))

    # -- keys ---------------------------------------------------------------------------------

    async def insert_pair(self, domain: str, p: KeyPair) -> None:
        """Keep a new pair of keys."""
        await self._tx.run(
            f"INSERT INTO dkim_pairs(workspace, domain, {_PAIR}) "  # noqa: S608
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            self._tx.own,
            ids.decode("dom", domain),
            ids.decode("key", p.id),
            p.stem,
            p.state.value,
            p.rsa_public,
            p.ed25519_public,
            p.rsa_sealed,
            p.ed25519_sealed,
            to_us(p.created),
            to_us(p.changed),
            int(p.wait.total_seconds()),
        )

    async def update_pair(self, p: KeyPair) -> None:
        """Store what changes about a pair: its state, and the private keys when they are destroyed."""
        await self._tx.run(
            "UPDATE dkim_pairs SET state = $3, rsa_sealed = $4, ed25519_sealed = $5, changed = $6, wait = $7 "
            "WHERE workspace = $1 AND id = $2",
            self._tx.own,
            ids.decode("key", p.id),
            p.state.value,
            p.rsa_sealed,
            p.ed25519_sealed,
            to_us(p.changed),
            int(p.wait.total_seconds()),
        )

    async def pairs(self, domain: str) -> list[KeyPair]:
        """Oldest first."""
        sql = (
            f"SELECT {_PAIR} FROM dkim_pairs WHERE workspace = $1 AND domain = $2 "  # noqa: S608
            'ORDER BY created, stem COLLATE "C"'
        )
        return [_pair(r) for r in await self._tx.rows(sql, self._tx.own, ids.decode("dom", domain))]

    # -- the system scope ---------------------------------------------------------------------

    async def held_by(self, workspace: bytes, name: str) -> Domain | None:
        """The domain of that canonical name in a workspace."""
        sql = f"SELECT {_DOMAIN} FROM domains WHERE workspace = $1 AND name_token = $2"  # noqa: S608
        row = await self._tx.row(sql, workspace, self._token(name))
        return self._domain(row) if row else None

    async def held(self, workspace: bytes, id: str) -> Domain | None:
        """A workspace's domain by its id."""
        sql = f"SELECT {_DOMAIN} FROM domains WHERE workspace = $1 AND id = $2"  # noqa: S608
        row = await self._tx.row(sql, workspace, ids.decode("dom", id))
        return self._domain(row) if row else None

    async def holder(self, name: str) -> tuple[bytes, Domain] | None:
        """Which workspace has verified that canonical name."""
        sql = f"SELECT {_DOMAIN} FROM domains WHERE name_token = $1 AND state = 'verified'"  # noqa: S608
        row = await self._tx.row(sql, self._token(name))
        return (row[0], self._domain(row)) if row else None

    async def take_away(self, workspace: bytes, id: str) -> None:
        """As `delete`, from any workspace. System scope."""
        await self._remove(workspace, ids.decode("dom", id))

    async def due(self, now: datetime, limit: int) -> list[tuple[WorkspaceId, str]]:
        """Domains whose next check has come."""
        rows = await self._tx.rows(
            "SELECT workspace, id FROM domains WHERE state <> 'capture_only' AND next_check <= $1 "
            "ORDER BY next_check LIMIT $2",
            to_us(now),
            limit,
        )
        return [(WorkspaceId(ids.encode("ws", w)), ids.encode("dom", i)) for w, i in rows]

    async def senders(self) -> list[tuple[bytes, Domain, list[KeyPair]]]:
        """(workspace, domain, its active pairs) of every domain that may send."""
        pairs: dict[bytes, list[KeyPair]] = {}
        for row in await self._tx.rows(f"SELECT domain, {_PAIR} FROM dkim_pairs WHERE state = 'active'"):  # noqa: S608
            domain, *rest = row
            pairs.setdefault(domain, []).append(_pair(tuple(rest)))
        sql = f"SELECT {_DOMAIN} FROM domains WHERE state IN ('verified', 'capture_only')"  # noqa: S608
        return [(r[0], self._domain(r), pairs.get(r[1], [])) for r in await self._tx.rows(sql)]
