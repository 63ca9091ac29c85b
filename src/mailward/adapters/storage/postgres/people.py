"""SQL of users, members, sessions and setup links."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.sealed import INSTALLATION
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.core.identity.model import Member, Session, User
from mailward.policy.access import Role

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

_SESSION = 'id, "user", workspace, created, last_seen, place, factors, stepped_up, origin'
# Addresses of users are compared without regard to the case of ASCII letters, as SQLite's NOCASE does.
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _raw(id: str) -> bytes:
    return ids.decode(id.partition("_")[0], id)


class PgPeople:
    """Users, members, sessions and setup links on PostgreSQL. Who they are is sealed; an address has a token."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._person = tx.cipher.column("users", "person")
        self._password = tx.cipher.column("users", "password")
        self._seat = tx.cipher.column("members", "person")
        self._place = tx.cipher.column("sessions", "place")
        self._origin = tx.cipher.column("sessions", "origin")

    # -- users: the system scope --------------------------------------------------------------

    def _email(self, email: str) -> bytes:
        return self._tx.cipher.token("user-email", INSTALLATION, email.translate(_FOLD).encode())

    async def add_user(self, user: User) -> None:
        """A new person."""
        raw = _raw(user.id)
        await self._tx.run(
            "INSERT INTO users(id, email_token, person, password, created) VALUES ($1, $2, $3, $4, $5)",
            raw,
            self._email(user.email),
            self._person.pack(INSTALLATION, raw, user.email, user.name),
            self._password.seal(INSTALLATION, raw, user.password.encode()),
            to_us(user.created),
        )

    async def user(self, id: UserId) -> User | None:
        """By id."""
        return await self._one_user("id", ids.decode("usr", id))

    async def user_by_email(self, email: str) -> User | None:
        """By address, without regard to case."""
        return await self._one_user("email_token", self._email(email))

    async def _one_user(self, column: str, value: bytes) -> User | None:
        sql = f"SELECT id, person, password, created, disabled FROM users WHERE {column} = $1"  # noqa: S608
        r = await self._tx.row(sql, value)
        if r is None:
            return None
        email, name = self._person.unpack(INSTALLATION, r[0], r[1])
        password = self._password.open(INSTALLATION, r[0], r[2]).decode()
        return User(UserId(ids.encode("usr", r[0])), email, name, password, from_us(r[3]), maybe_from_us(r[4]))

    async def any_user(self) -> bool:
        """Is the installation set up?"""
        return await self._tx.row("SELECT 1 FROM users LIMIT 1") is not None

    async def set_password(self, id: UserId, password: str) -> None:
        """Another PHC string."""
        raw = ids.decode("usr", id)
        sealed = self._password.seal(INSTALLATION, raw, password.encode())
        await self._tx.run("UPDATE users SET password = $1 WHERE id = $2", sealed, raw)

    async def set_email(self, id: UserId, email: str) -> None:
        """Here and in every workspace."""
        found, raw = await self.user(id), ids.decode("usr", id)
        if found is None:
            return
        person = self._person.pack(INSTALLATION, raw, email, found.name)
        sql = "UPDATE users SET email_token = $1, person = $2 WHERE id = $3"
        await self._tx.run(sql, self._email(email), person, raw)
        for r in await self._tx.rows('SELECT workspace, person FROM members WHERE "user" = $1', raw):
            _, name = self._seat.unpack(r[0], raw, r[1])
            seat = self._seat.pack(r[0], raw, email, name)
            await self._tx.run('UPDATE members SET person = $1 WHERE workspace = $2 AND "user" = $3', seat, r[0], raw)

    async def users(self) -> list[User]:
        """Oldest first."""
        rows = await self._tx.rows("SELECT id FROM users ORDER BY created, id")
        found = [await self._one_user("id", r[0]) for r in rows]
        return [user for user in found if user is not None]

    async def disable_user(self, id: UserId, now: datetime) -> bool:
        """True when the user was not disabled before."""
        sql = "UPDATE users SET disabled = $1 WHERE id = $2 AND disabled IS NULL"
        return await self._tx.run(sql, to_us(now), ids.decode("usr", id)) > 0

    # -- members ------------------------------------------------------------------------------

    def _member(self, workspace: bytes, r: Row) -> Member:
        email, name = self._seat.unpack(workspace, r[0], r[1])
        return Member(UserId(ids.encode("usr", r[0])), email, name, Role(r[2]), from_us(r[3]))

    async def add_member(self, workspace: WorkspaceId, member: Member) -> None:
        """A person's place."""
        raw, user = ids.decode("ws", workspace), _raw(member.user)
        await self._tx.run(
            'INSERT INTO members(workspace, "user", person, role, joined) VALUES ($1, $2, $3, $4, $5)',
            raw,
            user,
            self._seat.pack(raw, user, member.email, member.name),
            member.role.value,
            to_us(member.joined),
        )

    async def remove_member(self, workspace: WorkspaceId, user: UserId) -> bool:
        """True when there was one."""
        sql = 'DELETE FROM members WHERE workspace = $1 AND "user" = $2'
        return await self._tx.run(sql, ids.decode("ws", workspace), ids.decode("usr", user)) > 0

    async def set_role(self, workspace: WorkspaceId, user: UserId, role: Role) -> None:
        """Another role."""
        sql = 'UPDATE members SET role = $1 WHERE workspace = $2 AND "user" = $3'
        await self._tx.run(sql, role.value, ids.decode("ws", workspace), ids.decode("usr", user))

    async def member(self, workspace: WorkspaceId, user: UserId) -> Member | None:
        """One place."""
        raw = ids.decode("ws", workspace)
        sql = 'SELECT "user", person, role, joined FROM members WHERE workspace = $1 AND "user" = $2'
        row = await self._tx.row(sql, raw, ids.decode("usr", user))
        return self._member(raw, row) if row else None

    async def members(self, workspace: WorkspaceId) -> list[Member]:
        """Oldest first."""
        raw = ids.decode("ws", workspace)
        sql = 'SELECT "user", person, role, joined FROM members WHERE workspace = $1 ORDER BY joined, "user"'
        return [self._member(raw, r) for r in await self._tx.rows(sql, raw)]

    async def memberships(self, user: UserId) -> list[tuple[WorkspaceId, Role]]:
        """Oldest first. System scope."""
        sql = 'SELECT workspace, role FROM members WHERE "user" = $1 ORDER BY joined, workspace'
        rows = await self._tx.rows(sql, ids.decode("usr", user))
        return [(WorkspaceId(ids.encode("ws", r[0])), Role(r[1])) for r in rows]

    # -- sessions: of the scope ---------------------------------------------------------------

    def _session(self, r: Row) -> Session:
        device, address = self._place.unpack(r[2], r[0], r[5])
        network, place = ("", "") if r[8] is None else self._origin.unpack(r[2], r[0], r[8])
        return Session(
            SessionId(ids.encode("ses", r[0])),
            UserId(ids.encode("usr", r[1])),
            WorkspaceId(ids.encode("ws", r[2])),
            from_us(r[3]),
            from_us(r[4]),
            device,
            address,
            frozenset(r[6].split()),
            maybe_from_us(r[7] or None),
            network,
            place,
        )

    async def add_session(self, session: Session, token_hash: bytes) -> None:
        """A session with the hash of its token."""
        s = session
        raw, workspace = _raw(s.id), ids.decode("ws", s.workspace)
        await self._tx.run(
            f"INSERT INTO sessions({_SESSION}, token_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",  # noqa: S608
            raw,
            _raw(s.user),
            workspace,
            to_us(s.created),
            to_us(s.last_seen),
            self._place.pack(workspace, raw, s.device, s.address),
            " ".join(sorted(s.factors)),
            to_us(s.stepped_up) or 0,
            self._origin.pack(workspace, raw, s.network, s.place),
            token_hash,
        )

    async def renew_session(self, session: Session, token_hash: bytes) -> bool:
        """The same session under another token."""
        s = session
        sql = "UPDATE sessions SET token_hash = $1, factors = $2, stepped_up = $3 WHERE workspace = $4 AND id = $5"
        factors, when = " ".join(sorted(s.factors)), to_us(s.stepped_up) or 0
        return await self._tx.run(sql, token_hash, factors, when, ids.decode("ws", s.workspace), _raw(s.id)) > 0

    async def session_by_token(self, token_hash: bytes) -> Session | None:
        """System scope."""
        row = await self._tx.row(f"SELECT {_SESSION} FROM sessions WHERE token_hash = $1", token_hash)  # noqa: S608
        return self._session(row) if row else None

    async def sessions(self, user: UserId) -> list[Session]:
        """Newest first."""
        sql = f'SELECT {_SESSION} FROM sessions WHERE "user" = $1 ORDER BY created DESC, id'  # noqa: S608
        return [self._session(r) for r in await self._tx.rows(sql, ids.decode("usr", user))]

    async def seen(self, session: Session, now: datetime) -> None:
        """Push the idle limit."""
        await self._tx.run(
            "UPDATE sessions SET last_seen = greatest(last_seen, $1) WHERE workspace = $2 AND id = $3",
            to_us(now),
            ids.decode("ws", session.workspace),
            _raw(session.id),
        )

    async def revoke_session(self, id: SessionId) -> bool:
        """The row goes."""
        return await self._tx.run("DELETE FROM sessions WHERE id = $1", ids.decode("ses", id)) > 0

    async def revoke_sessions(self, user: UserId, *, keep: SessionId | None = None) -> int:
        """All but one."""
        return await self._tx.run(
            'DELETE FROM sessions WHERE "user" = $1 AND id IS DISTINCT FROM $2',
            ids.decode("usr", user),
            None if keep is None else ids.decode("ses", keep),
        )

    # -- setup links: the system scope --------------------------------------------------------

    async def add_setup_link(self, token_hash: bytes, *, created: datetime, expires: datetime) -> None:
        """The newest is the only one."""
        await self._tx.run("DELETE FROM setup_links WHERE used IS NULL")
        sql = "INSERT INTO setup_links(token_hash, created, expires) VALUES ($1, $2, $3)"
        await self._tx.run(sql, token_hash, to_us(created), to_us(expires))

    async def setup_link_open(self, token_hash: bytes, now: datetime) -> bool:
        """Whether it could be used now."""
        sql = "SELECT 1 FROM setup_links WHERE token_hash = $1 AND used IS NULL AND expires > $2"
        return await self._tx.row(sql, token_hash, to_us(now)) is not None

    async def take_setup_link(self, token_hash: bytes, now: datetime) -> bool:
        """Once, and in time."""
        sql = "UPDATE setup_links SET used = $2 WHERE token_hash = $1 AND used IS NULL AND expires > $2"
        return await self._tx.run(sql, token_hash, to_us(now)) > 0
