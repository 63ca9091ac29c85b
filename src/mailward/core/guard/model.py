"""Nouns of the guard: who tries, a sign-in that happened, a link in a letter, what was observed, an alert."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mailward.base.ids import UserId, WorkspaceId
from mailward.policy.lockout import LockRule
from mailward.policy.source import source_of
from mailward.policy.suspicion import Level

PLACES_KEPT = timedelta(days=180)
SIGN_INS_KEPT = timedelta(days=180)
ALERTS_KEPT = timedelta(days=400)
CONFIRM_LIFE = timedelta(hours=1)
DISOWN_LIFE = timedelta(days=14)
"""A notice may be read after a holiday; the link only takes access away."""

BucketKey = tuple[str, bytes]
"""(name of the rule, keyed digest)."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rules of one kind of secret. `devices` and `addresses` bound all of the owner's together."""

    account: LockRule
    source: LockRule
    device: LockRule
    devices: LockRule
    address: LockRule
    addresses: LockRule


@dataclass(frozen=True, slots=True)
class Tried:
    """One try, in digests: of the account as typed, of its source, and of the two as places of the account's."""

    account: bytes
    source: bytes
    at_address: bytes
    at_device: bytes | None


class Digests:
    """Keyed digests: rows show neither accounts nor addresses, and nobody without the key can look one up."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, *parts: str | bytes) -> bytes:
        """16 bytes; the parts cannot run into each other."""
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            mac.update(len(raw).to_bytes(4, "big") + raw)
        return mac.digest()[:16]

    def account(self, account: str) -> bytes:
        """Of an account as typed, known or not."""
        return self.of("account", account.strip().casefold()[:320])

    def source(self, address: str) -> bytes:
        """Of a source: the address, or the /64 around an IPv6 one."""
        return self.of("source", source_of(address))

    def at_address(self, account: bytes, address: str) -> bytes:
        """Of a source as a place of an account's."""
        return self.of("address", account, source_of(address))

    def at_device(self, account: bytes, device: bytes) -> bytes:
        """Of a browser as a place of an account's."""
        return self.of("device", account, device)

    def tried(self, account: str, address: str, device: bytes | None) -> Tried:
        """All of a try."""
        who = self.account(account)
        return Tried(
            who,
            self.source(address),
            self.at_address(who, address),
            None if device is None else self.at_device(who, device),
        )


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that succeeded, or was held (`level` HIGH and not `began`)."""

    id: bytes
    user: UserId
    at: datetime
    level: Level
    began: bool
    address: str = field(repr=False)
    device: str = ""
    device_hash: bytes | None = field(default=None, repr=False)
    place: str = ""
    network: str = ""
    position: tuple[float, float] | None = None
    reasons: tuple[str, ...] = ()


class LinkKind(StrEnum):
    """What a link in a letter does: let a held sign-in through, or end what was not the owner's."""

    CONFIRM = "confirm"
    DISOWN = "disown"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was mailed. The rest is where the sign-in came from."""

    kind: LinkKind
    user: UserId
    expires: datetime
    address: str = field(repr=False)
    device: str = ""
    device_hash: bytes | None = field(default=None, repr=False)
    place: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An attack on the platform that a named rule recognised. `workspace` None: it concerns the installation.

    `subject` is the id of a credential, a person or the workspace, or the source address; `sentence` explains.
    `acknowledged` is when somebody noted that they have seen it, `acknowledged_by` who: kind and id of the actor.
    """

    id: str
    workspace: WorkspaceId | None
    at: datetime
    rule: str
    severity: str
    subject: str = field(repr=False)
    sentence: str = field(repr=False)
    acknowledged: datetime | None = None
    acknowledged_by: str = ""
