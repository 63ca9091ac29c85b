"""SQL of invitations, links to identities at other providers, and people's networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.role_rows import custom_in, role_in
from mailward.adapters.storage.sqlite.times import from_us, maybe_from_us, to_us
from mailward.adapters.storage.sqlite.workspaces import table
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.entry import Invitation, Link
from mailward.core.identity.model import Network

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row, Sql

_INVITATION = "id, workspace, email, role, invited_by, created, sent, expires, accepted, revoked"
_LINK = "identity, user, provider, email, created, used"


def _invitation(r: Row) -> Invitation:
    return Invitation(
        ids.encode("inv", r[0]),
        WorkspaceId(ids.encode("ws", r[1])),
        r[2],
        role_in(r[3]),
        r[4],
        from_us(r[5]),
        from_us(r[6]),
        from_us(r[7]),
        maybe_from_us(r[8]),
        maybe_from_us(r[9]),
        custom_in(r[3]),
    )


def _link(r: Row) -> Link:
    issuer, _, subject = r[0].partition("\n")
    return Link(UserId(ids.encode("usr", r[1])), r[2], issuer, subject, r[3], from_us(r[4]), from_us(r[5]))


class SqliteEntry:
    """Implements `core.identity.entry.EntryRepo`."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    @property
    def _own(self) -> str:
        return "" if self._tx.workspace is None else " AND workspace = scope()"

    # -- invitations --------------------------------------------------------------------------

    async def add_invitation(self, invitation: Invitation, token_hash: bytes) -> None:
        """With the hash of its token."""
        i = invitation
        self._tx.run(
            "INSERT INTO t_invitations(workspace, id, email, role, token_hash, invited_by, created, sent, expires) "
            "VALUES (?,?,?,?,?,?,?,?,?)",
            (
                ids.decode("ws", i.workspace),
                ids.decode("inv", i.id),
                i.email,
                i.place,
                token_hash,
                i.invited_by,
                to_us(i.created),
                to_us(i.sent),
                to_us(i.expires),
            ),
        )

    async def invitation(self, id: str) -> Invitation | None:
        """Of the scope."""
        sql = f"SELECT {_INVITATION} FROM {table(self._tx, 'invitations')} WHERE id = ?"  # noqa: S608
        row = self._tx.row(sql, (ids.decode("inv", id),))
        return _invitation(row) if row else None

    async def invitations(self, limit: int) -> list[Invitation]:
        """Newest first."""
        sql = f"SELECT {_INVITATION} FROM {table(self._tx, 'invitations')} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_invitation(r) for r in self._tx.rows(sql, (limit,))]

    async def open_invitations(self, now: datetime) -> int:
        """How many could be accepted."""
        sql = (
            f"SELECT count(*) FROM {table(self._tx, 'invitations')} "  # noqa: S608
            "WHERE token_hash IS NOT NULL AND expires > ?"
        )
        row = self._tx.row(sql, (to_us(now),))
        return int(row[0]) if row else 0

    async def invitation_to(self, workspace: WorkspaceId, email: str, now: datetime) -> Invitation | None:
        """The open one of an address."""
        sql = (
            f"SELECT {_INVITATION} FROM {table(self._tx, 'invitations')} "  # noqa: S608
            "WHERE workspace = ? AND email = ? AND token_hash IS NOT NULL AND expires > ?"
        )
        row = self._tx.row(sql, (ids.decode("ws", workspace), email, to_us(now)))
        return _invitation(row) if row else None

    async def renew_invitation(self, id: str, token_hash: bytes, sent: datetime, expires: datetime) -> None:
        """The earlier token is worth nothing from here on."""
        self._tx.run(
            f"UPDATE t_invitations SET token_hash = ?, sent = ?, expires = ? WHERE id = ?{self._own}",  # noqa: S608
            (token_hash, to_us(sent), to_us(expires), ids.decode("inv", id)),
        )

    async def revoke_invitation(self, id: str, now: datetime) -> bool:
        """The hash goes, the row stays for the list."""
        sql = (
            "UPDATE t_invitations SET revoked = ?, token_hash = NULL "  # noqa: S608
            f"WHERE id = ? AND token_hash IS NOT NULL{self._own}"
        )
        return self._tx.run(sql, (to_us(now), ids.decode("inv", id))) > 0

    async def revoke_invitations_by(self, workspace: WorkspaceId, inviter: str, now: datetime) -> int:
        """What somebody sent."""
        sql = (
            "UPDATE t_invitations SET revoked = ?, token_hash = NULL "
            "WHERE workspace = ? AND invited_by = ? AND token_hash IS NOT NULL"
        )
        return self._tx.run(sql, (to_us(now), ids.decode("ws", workspace), inviter))

    async def invited_as(self, place: str, now: datetime) -> bool:
        """Of the scope."""
        sql = "SELECT 1 FROM invitations WHERE role = ? AND token_hash IS NOT NULL AND expires > ? LIMIT 1"
        return self._tx.row(sql, (place, to_us(now))) is not None

    async def invitation_by_token(self, token_hash: bytes, now: datetime) -> Invitation | None:
        """System scope."""
        sql = f"SELECT {_INVITATION} FROM t_invitations WHERE token_hash = ? AND expires > ?"  # noqa: S608
        row = self._tx.row(sql, (token_hash, to_us(now)))
        return _invitation(row) if row else None

    async def take_invitation(self, token_hash: bytes, now: datetime) -> bool:
        """Once, and in time."""
        sql = "UPDATE t_invitations SET accepted = ?, token_hash = NULL WHERE token_hash = ? AND expires > ?"
        return self._tx.run(sql, (to_us(now), token_hash, to_us(now))) > 0

    async def forget_invitations(self, before: datetime) -> int:
        """By when they would have ended."""
        return self._tx.run("DELETE FROM t_invitations WHERE expires < ?", (to_us(before),))

    # -- links --------------------------------------------------------------------------------

    async def link(self, issuer: str, subject: str) -> Link | None:
        """By what the provider calls the person."""
        row = self._tx.row(f"SELECT {_LINK} FROM identity_links WHERE identity = ?", (f"{issuer}\n{subject}",))  # noqa: S608
        return _link(row) if row else None

    async def links(self, user: UserId) -> list[Link]:
        """Oldest first."""
        sql = f"SELECT {_LINK} FROM identity_links WHERE user = ? ORDER BY created, identity"  # noqa: S608
        return [_link(r) for r in self._tx.rows(sql, (ids.decode("usr", user),))]

    async def add_link(self, link: Link) -> None:
        """A second link of one identity is refused by the key."""
        self._tx.run(
            f"INSERT INTO identity_links({_LINK}) VALUES (?,?,?,?,?,?)",  # noqa: S608
            (
                f"{link.issuer}\n{link.subject}",
                ids.decode("usr", link.user),
                link.provider,
                link.email,
                to_us(link.created),
                to_us(link.used),
            ),
        )

    async def used_link(self, link: Link, email: str, now: datetime) -> None:
        """Today's address beside the time."""
        self._tx.run(
            "UPDATE identity_links SET used = ?, email = ? WHERE identity = ?",
            (to_us(now), email, f"{link.issuer}\n{link.subject}"),
        )

    async def remove_link(self, link: Link) -> bool:
        """The row goes."""
        return self._tx.run("DELETE FROM identity_links WHERE identity = ?", (f"{link.issuer}\n{link.subject}",)) > 0

    # -- networks -----------------------------------------------------------------------------

    async def networks(self, user: UserId) -> tuple[Network, ...]:
        """None is written as no row."""
        row = self._tx.row("SELECT networks FROM user_networks WHERE user = ?", (ids.decode("usr", user),))
        return tuple(ipaddress.ip_network(n) for n in row[0].split()) if row else ()

    async def set_networks(self, user: UserId, networks: Sequence[Network], now: datetime) -> None:
        """All of them at once."""
        raw = ids.decode("usr", user)
        self._tx.run("DELETE FROM user_networks WHERE user = ?", (raw,))
        if networks:
            self._tx.run(
                "INSERT INTO user_networks(user, networks, changed) VALUES (?,?,?)",
                (raw, " ".join(str(n) for n in networks), to_us(now)),
            )
