"""SQL of credentials, users, members, sessions and setup links."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.times import from_us, maybe_from_us, to_us
from mailward.adapters.storage.sqlite.workspaces import table
from mailward.base import ids
from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.core.identity.model import Credential, CredentialKind, Member, Session, Standing, User
from mailward.policy.access import Role, Scope
from mailward.policy.bursts import DAY_SLOTS, KEEP_SLOTS, SLOT_SECONDS, BurstRule

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row, Sql

_CREDENTIAL = (
    "id, workspace, kind, name, hint, scopes, domains, networks, created, created_by, expires, last_used, revoked, "
    "paused, pause_reason, released, successor"
)
_SESSION = "id, user, workspace, created, last_seen, device, address, factors, stepped_up, network, place"


def _prefix(kind: CredentialKind) -> str:
    return "key" if kind is CredentialKind.KEY else "smtp"


def _id(kind: str, raw: bytes) -> str:
    return ids.encode("key" if kind == CredentialKind.KEY.value else "smtp", raw)


def _raw(id: str) -> bytes:
    return ids.decode(id.partition("_")[0], id)


def _credential(row: Row) -> Credential:
    kind = CredentialKind(row[2])
    return Credential(
        id=ids.encode(_prefix(kind), row[0]),
        workspace=WorkspaceId(ids.encode("ws", row[1])),
        kind=kind,
        name=row[3],
        hint=row[4],
        scopes=frozenset(Scope(s) for s in row[5].split()),
        domains=None if row[6] is None else frozenset(row[6].split()),
        networks=tuple(ipaddress.ip_network(n) for n in row[7].split()),
        created=from_us(row[8]),
        created_by=row[9],
        expires=maybe_from_us(row[10]),
        last_used=maybe_from_us(row[11]),
        revoked=maybe_from_us(row[12]),
        paused=maybe_from_us(row[13]),
        pause_reason=row[14],
        released=maybe_from_us(row[15]),
        successor=None if row[16] is None else ids.encode(_prefix(kind), row[16]),
    )


class SqliteCredentials:
    """The credentials repository on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def insert(self, credential: Credential, token_hash: bytes | None) -> None:
        """A new credential with the hash of its secret."""
        c = credential
        self._tx.run(
            "INSERT INTO t_credentials(id, workspace, kind, name, hint, scopes, domains, networks, created, "
            "created_by, expires, token_hash) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                _raw(c.id),
                ids.decode("ws", c.workspace),
                c.kind.value,
                c.name,
                c.hint,
                " ".join(sorted(c.scopes)),
                None if c.domains is None else " ".join(sorted(c.domains)),
                " ".join(str(n) for n in c.networks),
                to_us(c.created),
                c.created_by,
                to_us(c.expires),
                token_hash,
            ),
        )

    async def get(self, id: str) -> Credential | None:
        """One of this scope."""
        row = self._tx.row(
            f"SELECT {_CREDENTIAL} FROM {table(self._tx, 'credentials')} WHERE id = ?",  # noqa: S608
            (_raw(id),),
        )
        found = _credential(row) if row else None
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
        marks = ",".join("?" * len(kinds))
        sql = (
            f"SELECT {_CREDENTIAL} FROM {table(self._tx, 'credentials')} "  # noqa: S608
            f"WHERE id < ? AND kind IN ({marks}) AND (? OR revoked IS NULL) AND created_by <> ? "
            "ORDER BY id DESC LIMIT ?"
        )
        below = b"\xff" * 17 if before is None else _raw(before)
        values = (below, *(k.value for k in kinds), int(revoked), without, limit)
        return [_credential(r) for r in self._tx.rows(sql, values)]

    async def live(self, *, before: str | None, limit: int) -> list[tuple[str, str, datetime]]:
        """Newest first."""
        sql = (
            f"SELECT id, kind, created FROM {table(self._tx, 'credentials')} "  # noqa: S608
            "WHERE id < ? AND revoked IS NULL ORDER BY id DESC LIMIT ?"
        )
        below = b"\xff" * 17 if before is None else _raw(before)
        return [(_id(r[1], r[0]), r[1], from_us(r[2])) for r in self._tx.rows(sql, (below, limit))]

    async def revoke(self, id: str, now: datetime) -> bool:
        """Live ones only. The hash goes too: nothing of the secret stays."""
        scoped = "" if self._tx.workspace is None else " AND workspace = scope()"
        sql = f"UPDATE t_credentials SET revoked = ?, token_hash = NULL WHERE id = ? AND revoked IS NULL{scoped}"  # noqa: S608
        return self._tx.run(sql, (to_us(now), _raw(id))) > 0

    async def succeed(self, id: str, successor: str, ends: datetime) -> None:
        """The old one ends at `ends` at the latest."""
        self._tx.run(
            "UPDATE t_credentials SET successor = ?, expires = min(coalesce(expires, ?2), ?2) "
            "WHERE workspace = scope() AND id = ?3",
            (_raw(successor), to_us(ends), _raw(id)),
        )

    async def pause(self, id: str, reason: str, now: datetime) -> bool:
        """Live ones that are not paused yet."""
        sql = (
            "UPDATE t_credentials SET paused = ?, pause_reason = ? WHERE id = ? AND paused IS NULL AND revoked IS NULL"
        )
        if self._tx.workspace is not None:
            sql += " AND workspace = scope()"
        return self._tx.run(sql, (to_us(now), reason, _raw(id))) > 0

    async def release(self, id: str, now: datetime) -> bool:
        """Paused ones of this scope."""
        sql = (
            "UPDATE t_credentials SET paused = NULL, pause_reason = '', released = ? "
            "WHERE workspace = scope() AND id = ? AND paused IS NOT NULL"
        )
        return self._tx.run(sql, (to_us(now), _raw(id))) > 0

    async def paused(self) -> list[Credential]:
        """Newest pause first."""
        where = "paused IS NOT NULL AND revoked IS NULL ORDER BY paused DESC LIMIT 100"
        sql = f"SELECT {_CREDENTIAL} FROM {table(self._tx, 'credentials')} WHERE {where}"  # noqa: S608
        return [_credential(r) for r in self._tx.rows(sql)]

    async def bound_to(self, workspace: WorkspaceId, domain: str, limit: int) -> list[Credential]:
        """The column holds the names between blanks; one alone is the whole of it."""
        sql = (
            f"SELECT {_CREDENTIAL} FROM t_credentials "  # noqa: S608
            "WHERE workspace = ? AND domains = ? AND revoked IS NULL ORDER BY id LIMIT ?"
        )
        return [_credential(r) for r in self._tx.rows(sql, (ids.decode("ws", workspace), domain, limit))]

    async def exceptions(self, revoked_since: datetime) -> list[Standing]:
        """System scope."""
        sql = (
            "SELECT kind, id, revoked, paused, expires FROM t_credentials "
            "WHERE revoked >= ? OR paused IS NOT NULL OR (expires IS NOT NULL AND revoked IS NULL)"
        )
        return [
            Standing(
                ids.encode(_prefix(CredentialKind(kind)), id), revoked is not None, paused is not None, expires or 0
            )
            for kind, id, revoked, paused, expires in self._tx.rows(sql, (to_us(revoked_since),))
        ]

    async def add_traffic(self, workspace: WorkspaceId, id: str, slot: int, recipients: int) -> int:
        """System scope."""
        where = (ids.decode("ws", workspace), _raw(id), slot)
        self._tx.run(
            "INSERT INTO t_credential_traffic(workspace, credential, slot, recipients) VALUES (?,?,?,?) "
            "ON CONFLICT DO UPDATE SET recipients = recipients + excluded.recipients",
            (*where, recipients),
        )
        row = self._tx.row(
            "SELECT recipients FROM t_credential_traffic WHERE workspace = ? AND credential = ? AND slot = ?", where
        )
        return int(row[0]) if row else 0

    async def busiest(self, workspace: WorkspaceId, id: str, first: int, last: int) -> int | None:
        """System scope."""
        row = self._tx.row(
            "SELECT max(recipients) FROM t_credential_traffic "
            "WHERE workspace = ? AND credential = ? AND slot BETWEEN ? AND ?",
            (ids.decode("ws", workspace), _raw(id), first, last),
        )
        return None if row is None or row[0] is None else int(row[0])

    async def bursting(self, since: int, rule: BurstRule) -> int:
        """System scope."""
        row = self._tx.row(
            "SELECT count(DISTINCT n.credential) FROM t_credential_traffic n "
            "JOIN t_credentials c ON c.workspace = n.workspace AND c.id = n.credential "
            "WHERE n.slot >= ?1 AND n.recipients > ?2 AND c.paused IS NULL AND c.revoked IS NULL "
            "AND (c.released IS NULL OR n.slot - c.released / ?3 >= ?4) "
            "AND n.recipients > ?5 * (SELECT max(h.recipients) FROM t_credential_traffic h "
            "WHERE h.workspace = n.workspace AND h.credential = n.credential "
            "AND h.slot BETWEEN n.slot - ?6 AND n.slot - ?4)",
            (since, rule.floor, SLOT_SECONDS * 1_000_000, DAY_SLOTS, rule.factor, KEEP_SLOTS),
        )
        return int(row[0]) if row else 0

    async def forget_traffic(self, before: int) -> int:
        """System scope."""
        return self._tx.run("DELETE FROM t_credential_traffic WHERE slot < ?", (before,))

    async def by_token(self, token_hash: bytes) -> Credential | None:
        """System scope."""
        row = self._tx.row(f"SELECT {_CREDENTIAL} FROM t_credentials WHERE token_hash = ?", (token_hash,))  # noqa: S608
        return _credential(row) if row else None

    async def networks(self) -> list[Credential]:
        """System scope."""
        sql = f"SELECT {_CREDENTIAL} FROM t_credentials WHERE kind = 'network' AND revoked IS NULL"  # noqa: S608
        return [_credential(r) for r in self._tx.rows(sql)]

    async def used(self, uses: Sequence[tuple[str, WorkspaceId, datetime]]) -> None:
        """System scope."""
        self._tx.many(
            "UPDATE t_credentials SET last_used = max(coalesce(last_used, 0), ?) WHERE workspace = ? AND id = ?",
            [(to_us(when), ids.decode("ws", workspace), _raw(id)) for id, workspace, when in uses],
        )


def _user(row: Row) -> User:
    return User(UserId(ids.encode("usr", row[0])), row[1], row[2], row[3], from_us(row[4]), maybe_from_us(row[5]))


def _member(row: Row) -> Member:
    return Member(UserId(ids.encode("usr", row[0])), row[1], row[2], Role(row[3]), from_us(row[4]))


def _session(row: Row) -> Session:
    return Session(
        SessionId(ids.encode("ses", row[0])),
        UserId(ids.encode("usr", row[1])),
        WorkspaceId(ids.encode("ws", row[2])),
        from_us(row[3]),
        from_us(row[4]),
        row[5],
        row[6],
        frozenset(row[7].split()),
        maybe_from_us(row[8] or None),
        row[9],
        row[10],
    )


class SqlitePeople:
    """Users, members, sessions and setup links on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def add_user(self, user: User) -> None:
        """A new person."""
        self._tx.run(
            "INSERT INTO users(id, email, name, password, created) VALUES (?,?,?,?,?)",
            (_raw(user.id), user.email, user.name, user.password, to_us(user.created)),
        )

    async def user(self, id: UserId) -> User | None:
        """By id."""
        return self._one_user("id = ?", ids.decode("usr", id))

    async def user_by_email(self, email: str) -> User | None:
        """By address, without regard to case."""
        return self._one_user("email = ?", email)

    def _one_user(self, where: str, value: object) -> User | None:
        row = self._tx.row(f"SELECT id, email, name, password, created, disabled FROM users WHERE {where}", (value,))  # noqa: S608
        return _user(row) if row else None

    async def any_user(self) -> bool:
        """Is the installation set up?"""
        return self._tx.row("SELECT 1 FROM users LIMIT 1") is not None

    async def set_password(self, id: UserId, password: str) -> None:
        """Another PHC string."""
        self._tx.run("UPDATE users SET password = ? WHERE id = ?", (password, ids.decode("usr", id)))

    async def set_email(self, id: UserId, email: str) -> None:
        """Here and in every workspace."""
        raw = ids.decode("usr", id)
        self._tx.run("UPDATE users SET email = ? WHERE id = ?", (email, raw))
        self._tx.run("UPDATE t_members SET email = ? WHERE user = ?", (email, raw))

    async def users(self) -> list[User]:
        """Oldest first."""
        sql = "SELECT id, email, name, password, created, disabled FROM users ORDER BY created, id"
        return [_user(r) for r in self._tx.rows(sql)]

    async def disable_user(self, id: UserId, now: datetime) -> bool:
        """True when the user was not disabled before."""
        return (
            self._tx.run(
                "UPDATE users SET disabled = ? WHERE id = ? AND disabled IS NULL", (to_us(now), ids.decode("usr", id))
            )
            > 0
        )

    async def add_member(self, workspace: WorkspaceId, member: Member) -> None:
        """A person's place."""
        self._tx.run(
            "INSERT INTO t_members(workspace, user, email, name, role, joined) VALUES (?,?,?,?,?,?)",
            (
                ids.decode("ws", workspace),
                _raw(member.user),
                member.email,
                member.name,
                member.role.value,
                to_us(member.joined),
            ),
        )

    async def remove_member(self, workspace: WorkspaceId, user: UserId) -> bool:
        """True when there was one."""
        return (
            self._tx.run(
                "DELETE FROM t_members WHERE workspace = ? AND user = ?",
                (ids.decode("ws", workspace), ids.decode("usr", user)),
            )
            > 0
        )

    async def set_role(self, workspace: WorkspaceId, user: UserId, role: Role) -> None:
        """Another role."""
        self._tx.run(
            "UPDATE t_members SET role = ? WHERE workspace = ? AND user = ?",
            (role.value, ids.decode("ws", workspace), ids.decode("usr", user)),
        )

    async def member(self, workspace: WorkspaceId, user: UserId) -> Member | None:
        """One place."""
        row = self._tx.row(
            f"SELECT user, email, name, role, joined FROM {table(self._tx, 'members')} "  # noqa: S608
            "WHERE workspace = ? AND user = ?",
            (ids.decode("ws", workspace), ids.decode("usr", user)),
        )
        return _member(row) if row else None

    async def members(self, workspace: WorkspaceId) -> list[Member]:
        """Oldest first."""
        sql = (
            f"SELECT user, email, name, role, joined FROM {table(self._tx, 'members')} "  # noqa: S608
            "WHERE workspace = ? ORDER BY joined, user"
        )
        return [_member(r) for r in self._tx.rows(sql, (ids.decode("ws", workspace),))]

    async def memberships(self, user: UserId) -> list[tuple[WorkspaceId, Role]]:
        """Oldest first."""
        sql = "SELECT workspace, role FROM t_members WHERE user = ? ORDER BY joined, workspace"
        rows = self._tx.rows(sql, (ids.decode("usr", user),))
        return [(WorkspaceId(ids.encode("ws", r[0])), Role(r[1])) for r in rows]

    async def add_session(self, session: Session, token_hash: bytes) -> None:
        """A session with the hash of its token."""
        s = session
        self._tx.run(
            f"INSERT INTO t_sessions({_SESSION}, token_hash) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            (
                _raw(s.id),
                _raw(s.user),
                ids.decode("ws", s.workspace),
                to_us(s.created),
                to_us(s.last_seen),
                s.device,
                s.address,
                " ".join(sorted(s.factors)),
                to_us(s.stepped_up) or 0,
                s.network,
                s.place,
                token_hash,
            ),
        )

    async def renew_session(self, session: Session, token_hash: bytes) -> bool:
        """The same session under another token."""
        s = session
        return (
            self._tx.run(
                "UPDATE t_sessions SET token_hash = ?, factors = ?, stepped_up = ? WHERE workspace = ? AND id = ?",
                (
                    token_hash,
                    " ".join(sorted(s.factors)),
                    to_us(s.stepped_up) or 0,
                    ids.decode("ws", s.workspace),
                    _raw(s.id),
                ),
            )
            > 0
        )

    async def session_by_token(self, token_hash: bytes) -> Session | None:
        """System scope."""
        row = self._tx.row(f"SELECT {_SESSION} FROM t_sessions WHERE token_hash = ?", (token_hash,))  # noqa: S608
        return _session(row) if row else None

    async def sessions(self, user: UserId) -> list[Session]:
        """Newest first."""
        sql = f"SELECT {_SESSION} FROM {table(self._tx, 'sessions')} WHERE user = ? ORDER BY created DESC"  # noqa: S608
        return [_session(r) for r in self._tx.rows(sql, (ids.decode("usr", user),))]

    async def seen(self, session: Session, now: datetime) -> None:
        """Push the idle limit."""
        self._tx.run(
            "UPDATE t_sessions SET last_seen = max(last_seen, ?) WHERE workspace = ? AND id = ?",
            (to_us(now), ids.decode("ws", session.workspace), _raw(session.id)),
        )

    async def revoke_session(self, id: SessionId) -> bool:
        """The row goes."""
        scoped = "" if self._tx.workspace is None else " AND workspace = scope()"
        return self._tx.run(f"DELETE FROM t_sessions WHERE id = ?{scoped}", (ids.decode("ses", id),)) > 0  # noqa: S608

    async def revoke_sessions(self, user: UserId, *, keep: SessionId | None = None) -> int:
        """All but one."""
        scoped = "" if self._tx.workspace is None else " AND workspace = scope()"
        return self._tx.run(
            f"DELETE FROM t_sessions WHERE user = ? AND id IS NOT ?{scoped}",  # noqa: S608
            (ids.decode("usr", user), None if keep is None else ids.decode("ses", keep)),
        )

    async def add_setup_link(self, token_hash: bytes, *, created: datetime, expires: datetime) -> None:
        """The newest is the only one."""
        self._tx.run("DELETE FROM setup_links WHERE used IS NULL")
        self._tx.run(
            "INSERT INTO setup_links(token_hash, created, expires) VALUES (?,?,?)",
            (token_hash, to_us(created), to_us(expires)),
        )

    async def setup_link_open(self, token_hash: bytes, now: datetime) -> bool:
        """Whether it could be used now."""
        sql = "SELECT 1 FROM setup_links WHERE token_hash = ? AND used IS NULL AND expires > ?"
        return self._tx.row(sql, (token_hash, to_us(now))) is not None

    async def take_setup_link(self, token_hash: bytes, now: datetime) -> bool:
        """Once, and in time."""
        return (
            self._tx.run(
                "UPDATE setup_links SET used = ? WHERE token_hash = ? AND used IS NULL AND expires > ?",
                (to_us(now), token_hash, to_us(now)),
            )
            > 0
        )
