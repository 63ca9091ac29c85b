"""SQL of invitations, links to identities at other providers, and people's networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.sealed import INSTALLATION
from mailward.adapters.storage.role_rows import custom_in, role_in
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.entry import Invitation, Link
from mailward.core.identity.model import Network

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

_INVITATION = "id, workspace, person, role, invited_by, created, sent, expires, accepted, revoked"
_LINK = 'identity_token, "user", details, created, used'
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class PgEntry:
    """Implements `core.identity.entry.EntryRepo`. Addresses and identities are sealed and found by tokens."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._person = tx.cipher.column("invitations", "person")
        self._details = tx.cipher.column("identity_links", "details")
        self._networks = tx.cipher.column("user_networks", "networks")

    def _email(self, email: str) -> bytes:
        return self._tx.cipher.token("user-email", INSTALLATION, email.translate(_FOLD).encode())

    def _identity(self, issuer: str, subject: str) -> bytes:
        return self._tx.cipher.token("identity", INSTALLATION, f"{issuer}\n{subject}".encode())

    # -- invitations --------------------------------------------------------------------------

    def _invitation(self, r: Row) -> Invitation:
        return Invitation(
            ids.encode("inv", r[0]),
            WorkspaceId(ids.encode("ws", r[1])),
            self._person.open_text(r[1], r[0], r[2]) or "",
            role_in(r[3]),
            r[4],
            from_us(r[5]),
            from_us(r[6]),
            from_us(r[7]),
            maybe_from_us(r[8]),
            maybe_from_us(r[9]),
            custom_in(r[3]),
        )

    async def add_invitation(self, invitation: Invitation, token_hash: bytes) -> None:
        """With the hash of its token."""
        i = invitation
        workspace, raw = ids.decode("ws", i.workspace), ids.decode("inv", i.id)
        await self._tx.run(
            "INSERT INTO invitations(workspace, id, email_token, person, role, token_hash, invited_by, created, sent, "
            "expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            workspace,
            raw,
            self._email(i.email),
            self._person.seal_text(workspace, raw, i.email),
            i.place,
            token_hash,
            i.invited_by,
            to_us(i.created),
            to_us(i.sent),
            to_us(i.expires),
        )

    async def invitation(self, id: str) -> Invitation | None:
        """Of the scope."""
        sql = f"SELECT {_INVITATION} FROM invitations WHERE id = $1"  # noqa: S608
        row = await self._tx.row(sql, ids.decode("inv", id))
        return self._invitation(row) if row else None

    async def invitations(self, limit: int) -> list[Invitation]:
        """Newest first."""
        sql = f"SELECT {_INVITATION} FROM invitations ORDER BY id DESC LIMIT $1"  # noqa: S608
        return [self._invitation(r) for r in await self._tx.rows(sql, limit)]

    async def open_invitations(self, now: datetime) -> int:
        """How many could be accepted."""
        sql = "SELECT count(*) FROM invitations WHERE token_hash IS NOT NULL AND expires > $1"
        row = await self._tx.row(sql, to_us(now))
        return int(row[0]) if row else 0

    async def invitation_to(self, workspace: WorkspaceId, email: str, now: datetime) -> Invitation | None:
        """The open one of an address."""
        sql = (
            f"SELECT {_INVITATION} FROM invitations "  # noqa: S608
            "WHERE workspace = $1 AND email_token = $2 AND token_hash IS NOT NULL AND expires > $3"
        )
        row = await self._tx.row(sql, ids.decode("ws", workspace), self._email(email), to_us(now))
        return self._invitation(row) if row else None

    async def renew_invitation(self, id: str, token_hash: bytes, sent: datetime, expires: datetime) -> None:
        """The earlier token is worth nothing from here on."""
        await self._tx.run(
            "UPDATE invitations SET token_hash = $1, sent = $2, expires = $3 WHERE id = $4",
            token_hash,
            to_us(sent),
            to_us(expires),
            ids.decode("inv", id),
        )

    async def revoke_invitation(self, id: str, now: datetime) -> bool:
        """The hash goes, the row stays for the list."""
        sql = "UPDATE invitations SET revoked = $1, token_hash = NULL WHERE id = $2 AND token_hash IS NOT NULL"
        return await self._tx.run(sql, to_us(now), ids.decode("inv", id)) > 0

    async def revoke_invitations_by(self, workspace: WorkspaceId, inviter: str, now: datetime) -> int:
        """What somebody sent."""
        sql = (
            "UPDATE invitations SET revoked = $1, token_hash = NULL "
            "WHERE workspace = $2 AND invited_by = $3 AND token_hash IS NOT NULL"
        )
        return await self._tx.run(sql, to_us(now), ids.decode("ws", workspace), inviter)

    async def invited_as(self, place: str, now: datetime) -> bool:
        """Of the scope."""
        sql = "SELECT 1 FROM invitations WHERE role = $1 AND token_hash IS NOT NULL AND expires > $2 LIMIT 1"
        return await self._tx.row(sql, place, to_us(now)) is not None

    async def invitation_by_token(self, token_hash: bytes, now: datetime) -> Invitation | None:
        """System scope."""
        sql = f"SELECT {_INVITATION} FROM invitations WHERE token_hash = $1 AND expires > $2"  # noqa: S608
        row = await self._tx.row(sql, token_hash, to_us(now))
        return self._invitation(row) if row else None

    async def take_invitation(self, token_hash: bytes, now: datetime) -> bool:
        """Once, and in time."""
        sql = "UPDATE invitations SET accepted = $1, token_hash = NULL WHERE token_hash = $2 AND expires > $1"
        return await self._tx.run(sql, to_us(now), token_hash) > 0

    async def forget_invitations(self, before: datetime) -> int:
        """By when they would have ended."""
        return await self._tx.run("DELETE FROM invitations WHERE expires < $1", to_us(before))

    # -- links --------------------------------------------------------------------------------

    def _link(self, r: Row) -> Link:
        identity, provider, email = self._details.unpack(INSTALLATION, r[0], r[2])
        issuer, _, subject = identity.partition("\n")
        return Link(UserId(ids.encode("usr", r[1])), provider, issuer, subject, email, from_us(r[3]), from_us(r[4]))

    def _packed(self, link: Link, email: str) -> bytes:
        token = self._identity(link.issuer, link.subject)
        return self._details.pack(INSTALLATION, token, f"{link.issuer}\n{link.subject}", link.provider, email)

    async def link(self, issuer: str, subject: str) -> Link | None:
        """By what the provider calls the person."""
        sql = f"SELECT {_LINK} FROM identity_links WHERE identity_token = $1"  # noqa: S608
        row = await self._tx.row(sql, self._identity(issuer, subject))
        return self._link(row) if row else None

    async def links(self, user: UserId) -> list[Link]:
        """Oldest first."""
        sql = f'SELECT {_LINK} FROM identity_links WHERE "user" = $1 ORDER BY created, identity_token'  # noqa: S608
        return [self._link(r) for r in await self._tx.rows(sql, ids.decode("usr", user))]

    async def add_link(self, link: Link) -> None:
        """A second link of one identity is refused by the key."""
        await self._tx.run(
            f"INSERT INTO identity_links({_LINK}) VALUES ($1, $2, $3, $4, $5)",  # noqa: S608
            self._identity(link.issuer, link.subject),
            ids.decode("usr", link.user),
            self._packed(link, link.email),
            to_us(link.created),
            to_us(link.used),
        )

    async def used_link(self, link: Link, email: str, now: datetime) -> None:
        """Today's address beside the time."""
        await self._tx.run(
            "UPDATE identity_links SET used = $1, details = $2 WHERE identity_token = $3",
            to_us(now),
            self._packed(link, email),
            self._identity(link.issuer, link.subject),
        )

    async def remove_link(self, link: Link) -> bool:
        """The row goes."""
        token = self._identity(link.issuer, link.subject)
        return await self._tx.run("DELETE FROM identity_links WHERE identity_token = $1", token) > 0

    # -- networks -----------------------------------------------------------------------------

    async def networks(self, user: UserId) -> tuple[Network, ...]:
        """None is written as no row."""
        raw = ids.decode("usr", user)
        row = await self._tx.row('SELECT networks FROM user_networks WHERE "user" = $1', raw)
        text = self._networks.open_text(INSTALLATION, raw, row[0]) if row else None
        return tuple(ipaddress.ip_network(n) for n in (text or "").split())

    async def set_networks(self, user: UserId, networks: Sequence[Network], now: datetime) -> None:
        """All of them at once."""
        raw = ids.decode("usr", user)
        await self._tx.run('DELETE FROM user_networks WHERE "user" = $1', raw)
        if networks:
            text = " ".join(str(n) for n in networks)
            await self._tx.run(
                'INSERT INTO user_networks("user", networks, changed) VALUES ($1, $2, $3)',
                raw,
                self._networks.seal_text(INSTALLATION, raw, text),
                to_us(now),
            )
