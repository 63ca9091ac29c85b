"""Nouns of coming in (invitations, identities at other providers, networks), and what is asked of their storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.model import Network
from mailward.policy.access import Role

INVITATION_LIFE = timedelta(days=7)
INVITATIONS_KEPT = timedelta(days=90)
"""How long after its end an invitation is listed; the audit log keeps who was invited."""
RESEND_AFTER = timedelta(minutes=5)
"""An invitation is not mailed more often than this: the button must not be a way to fill a stranger's mailbox."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An address that may take a place in a workspace. Its token is in the mail, and here only as a hash."""

    id: str
    workspace: WorkspaceId
    email: str = field(repr=False)
    role: Role
    invited_by: str
    created: datetime
    sent: datetime
    expires: datetime
    accepted: datetime | None = None
    revoked: datetime | None = None
    custom: str = ""
    """The id of a role of the workspace's own, when `role` is Role.CUSTOM."""

    @property
    def place(self) -> str:
        """What it offers, in a word: the name of a role there has always been, or the id of one of the workspace's."""
        return self.custom or self.role.value

    def state(self, now: datetime) -> str:
        """`open`, `accepted`, `revoked` or `expired`."""
        if self.accepted is not None:
            return "accepted"
        if self.revoked is not None:
            return "revoked"
        return "open" if now < self.expires else "expired"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says somebody is: the issuer's subject for good, and today's address when it vouches for one.

    `email` is empty unless the provider says that it verified it; an address it does not vouch for is not kept.
    """

    provider: str
    issuer: str
    subject: str
    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Link:
    """An identity that signs a person in."""

    user: UserId
    provider: str
    issuer: str
    subject: str
    email: str = field(repr=False)
    created: datetime
    used: datetime


class EntryRepo(Protocol):
    """Invitations (of a workspace), links and networks of people (of the installation)."""

    async def add_invitation(self, invitation: Invitation, token_hash: bytes) -> None: ...

    async def invitation(self, id: str) -> Invitation | None:
        """Of the scope."""

    async def invitations(self, limit: int) -> list[Invitation]:
        """Of the scope, newest first."""

    async def open_invitations(self, now: datetime) -> int:
        """Of the scope: how many could be accepted now."""

    async def invitation_to(self, workspace: WorkspaceId, email: str, now: datetime) -> Invitation | None:
        """The one that an address could accept now, without regard to case."""

    async def renew_invitation(self, id: str, token_hash: bytes, sent: datetime, expires: datetime) -> None:
        """Another token in the place of the one that was sent; of the scope."""

    async def revoke_invitation(self, id: str, now: datetime) -> bool:
        """True when it was open; of the scope."""

    async def revoke_invitations_by(self, workspace: WorkspaceId, inviter: str, now: datetime) -> int:
        """Every open one that somebody sent; how many."""

    async def invited_as(self, place: str, now: datetime) -> bool:
        """Whether an invitation that could be accepted now offers this place; of the scope."""

    async def invitation_by_token(self, token_hash: bytes, now: datetime) -> Invitation | None:
        """One that can be accepted now. System scope."""

    async def take_invitation(self, token_hash: bytes, now: datetime) -> bool:
        """Use it up: True once. System scope."""

    async def forget_invitations(self, before: datetime) -> int:
        """Drop those that ended earlier. System scope."""

    async def link(self, issuer: str, subject: str) -> Link | None:
        """System scope."""

    async def links(self, user: UserId) -> list[Link]:
        """Oldest first. System scope."""

    async def add_link(self, link: Link) -> None:
        """System scope."""

    async def used_link(self, link: Link, email: str, now: datetime) -> None:
        """Note a use and the address of today. System scope."""

    async def remove_link(self, link: Link) -> bool:
        """System scope."""

    async def networks(self, user: UserId) -> tuple[Network, ...]:
        """Where a person may come from; empty: from anywhere. System scope."""

    async def set_networks(self, user: UserId, networks: Sequence[Network], now: datetime) -> None:
        """System scope."""
