"""SQL of domains and their keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from mailward.adapters.storage.sqlite.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.domains.model import Domain, DomainState, KeyPair, KeyState, RecordCheck
from mailward.core.tracking.model import domain_scope

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_DOMAIN = (
    "id, name, state, token, created, next_check, subdomains, verified_at, checked_at, failures, failing_since, "
    "own_return_path, checks"
)
_PAIR = "id, stem, state, rsa_public, ed25519_public, rsa_sealed, ed25519_sealed, created, changed, wait"
_checks = msgspec.json.Decoder(tuple[RecordCheck, ...])


def _domain(r: tuple[Any, ...]) -> Domain:
    return Domain(
        id=ids.encode("dom", r[0]),
        name=r[1],
        state=DomainState(r[2]),
        token=r[3],
        created=from_us(r[4]),
        next_check=from_us(r[5]),
        subdomains=bool(r[6]),
        verified_at=maybe_from_us(r[7]),
        checked_at=maybe_from_us(r[8]),
        failures=r[9],
        failing_since=maybe_from_us(r[10]),
        own_return_path=bool(r[11]),
        checks=_checks.decode(r[12]),
    )


def _pair(r: tuple[Any, ...]) -> KeyPair:
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


class SqliteDomains:
    """The domains repository on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def insert(self, d: Domain) -> bool:
        """Keep a new domain; False when the workspace has that name already."""
        sql = (
            f"INSERT INTO t_domains(workspace, {_DOMAIN}) "  # noqa: S608
            "VALUES (scope(),?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(workspace, name) DO NOTHING"
        )
        return bool(self._tx.run(sql, (ids.decode("dom", d.id), d.name, d.state.value, d.token, *_values(d)[1:])))

    async def update(self, d: Domain) -> bool:
        """Store every changeable field; False when another workspace holds that name verified."""
        try:
            self._tx.run(
                "UPDATE t_domains SET state=?, created=?, next_check=?, subdomains=?, verified_at=?, checked_at=?, "
                "failures=?, failing_since=?, own_return_path=?, checks=? WHERE workspace = scope() AND id = ?",
                (*_values(d), ids.decode("dom", d.id)),
            )
        except apsw.ConstraintError as e:
            if getattr(e, "extendedresult", 0) != apsw.SQLITE_CONSTRAINT_UNIQUE:
                raise
            return False
        return True

    async def get(self, id: str) -> Domain | None:
        """One domain of the workspace."""
        row = self._tx.row(f"SELECT {_DOMAIN} FROM domains WHERE id = ?", (ids.decode("dom", id),))  # noqa: S608
        return _domain(row) if row else None

    async def by_name(self, name: str) -> Domain | None:
        """The same, by its canonical name."""
        row = self._tx.row(f"SELECT {_DOMAIN} FROM domains WHERE name = ?", (name,))  # noqa: S608
        return _domain(row) if row else None

    async def page(self, *, before: str | None, limit: int) -> list[Domain]:
        """Newest first."""
        last = b"\xff" * 17 if before is None else ids.decode("dom", before)
        sql = f"SELECT {_DOMAIN} FROM domains WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_domain(r) for r in self._tx.rows(sql, (last, limit))]

    async def delete(self, id: str) -> bool:
        """Remove the domain, its keys and what is said of its tracking; used selectors stay remembered."""
        raw = ids.decode("dom", id)
        scope = domain_scope(raw)
        self._tx.run("DELETE FROM t_tracking_modes WHERE workspace = scope() AND scope = ?", (scope,))
        self._tx.run("DELETE FROM t_dkim_pairs WHERE workspace = scope() AND domain = ?", (raw,))
        return bool(self._tx.run("DELETE FROM t_domains WHERE workspace = scope() AND id = ?", (raw,)))

    async def take_selector(self, name: str, stem: str) -> bool:
        """Mark a selector of a domain name as used, in any workspace; False when it was."""
        sql = "INSERT INTO t_dkim_selectors(workspace, name, stem) VALUES (scope(),?,?) ON CONFLICT DO NOTHING"
        return bool(self._tx.run(sql, (name, stem)))

    async def insert_pair(self, domain: str, p: KeyPair) -> None:
        """Keep a new pair of keys."""
        self._tx.run(
            f"INSERT INTO t_dkim_pairs(workspace, domain, {_PAIR}) VALUES (scope(),?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            (
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
            ),
        )

    async def update_pair(self, p: KeyPair) -> None:
        """Store what changes about a pair: its state, and the private keys when they are destroyed."""
        self._tx.run(
            "UPDATE t_dkim_pairs SET state=?, rsa_sealed=?, ed25519_sealed=?, changed=?, wait=? "
            "WHERE workspace = scope() AND id = ?",
            (
                p.state.value,
                p.rsa_sealed,
                p.ed25519_sealed,
                to_us(p.changed),
                int(p.wait.total_seconds()),
                ids.decode("key", p.id),
            ),
        )

    async def pairs(self, domain: str) -> list[KeyPair]:
        """Oldest first."""
        sql = f"SELECT {_PAIR} FROM dkim_pairs WHERE domain = ? ORDER BY created, stem"  # noqa: S608
        return [_pair(r) for r in self._tx.rows(sql, (ids.decode("dom", domain),))]

    async def held_by(self, workspace: bytes, name: str) -> Domain | None:
        """The domain of that canonical name in a workspace. System scope."""
        sql = f"SELECT {_DOMAIN} FROM t_domains WHERE workspace = ? AND name = ?"  # noqa: S608
        row = self._tx.row(sql, (workspace, name))
        return _domain(row) if row else None

    async def held(self, workspace: bytes, id: str) -> Domain | None:
        """A workspace's domain by its id. System scope."""
        sql = f"SELECT {_DOMAIN} FROM t_domains WHERE workspace = ? AND id = ?"  # noqa: S608
        row = self._tx.row(sql, (workspace, ids.decode("dom", id)))
        return _domain(row) if row else None

    async def holder(self, name: str) -> tuple[bytes, Domain] | None:
        """Which workspace has verified that canonical name. System scope."""
        sql = f"SELECT workspace, {_DOMAIN} FROM t_domains WHERE name = ? AND state = 'verified'"  # noqa: S608
        row = self._tx.row(sql, (name,))
        return (row[0], _domain(row[1:])) if row else None

    async def take_away(self, workspace: bytes, id: str) -> None:
        """As `delete`, from any workspace. System scope."""
        raw = ids.decode("dom", id)
        key = (workspace, raw)
        self._tx.run("DELETE FROM t_tracking_modes WHERE workspace = ? AND scope = ?", (workspace, domain_scope(raw)))
        self._tx.run("DELETE FROM t_dkim_pairs WHERE workspace = ? AND domain = ?", key)
        self._tx.run("DELETE FROM t_domains WHERE workspace = ? AND id = ?", key)

    async def due(self, now: datetime, limit: int) -> list[tuple[WorkspaceId, str]]:
        """Domains whose next check has come. System scope."""
        rows = self._tx.rows(
            "SELECT workspace, id FROM t_domains WHERE state <> 'capture_only' AND next_check <= ? "
            "ORDER BY next_check LIMIT ?",
            (to_us(now), limit),
        )
        return [(WorkspaceId(ids.encode("ws", w)), ids.encode("dom", i)) for w, i in rows]

    async def senders(self) -> list[tuple[bytes, Domain, list[KeyPair]]]:
        """(workspace, domain, its active pairs) of every domain that may send. System scope."""
        pairs: dict[bytes, list[KeyPair]] = {}
        for row in self._tx.rows(f"SELECT domain, {_PAIR} FROM t_dkim_pairs WHERE state = 'active'"):  # noqa: S608
            pairs.setdefault(row[0], []).append(_pair(row[1:]))
        sql = f"SELECT workspace, {_DOMAIN} FROM t_domains WHERE state IN ('verified', 'capture_only')"  # noqa: S608
        return [(r[0], _domain(r[1:]), pairs.get(r[1], [])) for r in self._tx.rows(sql)]


def _values(d: Domain) -> tuple[Any, ...]:
    return (
        d.state.value,
        to_us(d.created),
        to_us(d.next_check),
        int(d.subdomains),
        to_us(d.verified_at),
        to_us(d.checked_at),
        d.failures,
        to_us(d.failing_since),
        int(d.own_return_path),
        msgspec.json.encode(d.checks).decode(),
    )
