"""Nouns of identity: users, members, sessions, credentials and what is shown of them once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.base.secret import Secret
from mailward.policy.access import Role, Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SESSION_IDLE = timedelta(hours=12)
SESSION_ABSOLUTE = timedelta(days=14)
SETUP_LINK_LIFE = timedelta(hours=24)


class CredentialKind(StrEnum):
    """What a credential opens: the HTTP API, SMTP by password, or the private SMTP listener by source network."""

    KEY = "key"
    SMTP = "smtp"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Credential:
    """A key as we know it: never its secret. `hint` is the first characters, for people to recognise it.

    `domains` None means any of the workspace's; `networks` empty means from anywhere
    (for a NETWORK credential they are the secret and never empty). `paused`: sends nothing
    until `released`; `successor` is the credential made to take its place.
    """

    id: str
    workspace: WorkspaceId
    kind: CredentialKind
    name: str
    hint: str
    scopes: frozenset[Scope]
    domains: frozenset[str] | None
    networks: tuple[Network, ...]
    created: datetime
    created_by: str
    expires: datetime | None = None
    last_used: datetime | None = None
    revoked: datetime | None = None
    paused: datetime | None = None
    pause_reason: str = ""
    released: datetime | None = None
    successor: str | None = None

    @property
    def username(self) -> str:
        """What an SMTP client gives as user name."""
        return self.id


class Standing(NamedTuple):
    """What a process must know of a credential whose standing is not plainly good. `expires`: microseconds UTC or 0."""

    id: str
    revoked: bool
    paused: bool
    expires: int


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential with its secret, which is shown this once and not kept. None for NETWORK."""

    credential: Credential
    secret: Secret[str] | None


@dataclass(frozen=True, slots=True)
class User:
    """A person. `password` is the PHC string of an Argon2id hash."""

    id: UserId
    email: str
    name: str
    password: str = field(repr=False)
    created: datetime
    disabled: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A person's place in one workspace."""

    user: UserId
    email: str
    name: str
    role: Role
    joined: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser, bound to one workspace."""

    id: SessionId
    user: UserId
    workspace: WorkspaceId
    created: datetime
    last_seen: datetime
    device: str
    address: str

    def alive(self, now: datetime) -> bool:
        """Within the idle limit and the absolute one."""
        return now - self.last_seen < SESSION_IDLE and now - self.created < SESSION_ABSOLUTE


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a sign-in comes from and on what: what suspicion is weighed from, and what the owner is told.

    `device` is a short readable name, `device_hash` a keyed digest of a cookie that stays in
    the browser (None when it brought none). `place` is what an operator's database says of
    the address ("Vienna, AT"; "" when it says nothing), `network` its surroundings in CIDR form.
    """

    address: str
    device: str = ""
    device_hash: bytes | None = None
    place: str = ""
    network: str = ""
