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

SECOND_FACTORS = frozenset({"passkey", "totp", "email", "recovery", "device"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SESSION_IDLE = timedelta(hours=12)
SESSION_ABSOLUTE = timedelta(days=14)
SETUP_LINK_LIFE = timedelta(hours=24)


LEAKED, PAUSED = "key.leaked", "key.paused"
"""What owners are told of credentials."""


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
    factors: frozenset[str] = frozenset({"password"})
    """What was proved: "password", "passkey", "totp", "email", "recovery", "device", or a provider's name."""
    stepped_up: datetime | None = None
    """When its person last proved in it that they hold what they sign in with."""
    network: str = ""
    place: str = ""
    missing: str = ""
    """Not stored: what the session lacks to be of use, "enrol" (a second factor) or "step-up" (to show one)."""

    @property
    def two_factors(self) -> bool:
        """A passkey counts as two: the device that holds it has checked a finger or a PIN."""
        return bool(self.factors & SECOND_FACTORS)

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


class FactorKind(StrEnum):
    """What a person can show besides, or instead of, a password."""

    TOTP = "totp"
    PASSKEY = "passkey"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor of a person.

    `secret` is sealed (TOTP) or public (a passkey's credential data); `handle` the id a
    passkey is found by. `counter` only grows: the last time step of TOTP that was used,
    or the signature counter of a passkey.
    """

    id: str
    user: UserId
    kind: FactorKind
    name: str
    secret: bytes = field(repr=False)
    created: datetime
    handle: bytes | None = None
    counter: int = 0
    used: datetime | None = None


class TicketKind(StrEnum):
    """A step that was begun, and how it is to be finished."""

    SIGN_IN = "sign-in"
    """The password was right; a second factor is missing. In a cookie."""
    ENROL = "enrol"
    """A TOTP secret that was shown and not proved yet. In a cookie."""
    CEREMONY = "ceremony"
    """The challenge a passkey is to sign. In a cookie."""
    CODE = "code"
    """A one-time code that was mailed. In a cookie."""
    RESET = "reset"
    """Another password, in a letter."""
    OLD_ADDRESS = "old-address"
    NEW_ADDRESS = "new-address"
    """The two sides of a change of address, in letters."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Such a step. Stored under the hash of its token; ends by time, by use, or by too many tries."""

    kind: TicketKind
    user: UserId | None
    facts: dict[str, str] = field(repr=False)
    expires: datetime
    tries: int = 0


@dataclass(frozen=True, slots=True)
class TrustedDevice:
    """A browser on which a second factor was shown and need not be shown again for a while."""

    id: str
    user: UserId
    device: str
    address: str
    created: datetime
    used: datetime
    expires: datetime
