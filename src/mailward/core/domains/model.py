"""The nouns: domains, pairs of signing keys, records to publish, and what was found in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from mailward.base.errors import Conflict
from mailward.base.ids import WorkspaceId

CAPTURE_DOMAIN = "demo.mailward.test"
CHECK_EVERY = timedelta(hours=6)
CHECK_SOON = timedelta(hours=1)
CHECK_SELDOM = timedelta(days=1)  # for a domain nobody has finished setting up
PATIENCE = timedelta(days=7)
FAILURES_BEFORE_FAILING = 3
GRACE = timedelta(hours=72)
ROTATE_EVERY = timedelta(days=180)
KEEP_OLD_SELECTOR = timedelta(days=7)
KEEP_REVOKED = timedelta(days=30)
TRANSFER_WAIT = timedelta(days=7)
"""So long the holder alone decides; a holder who says nothing for so long is asked no more."""
SETTLE_AT_LEAST = timedelta(hours=1)  # caches may hold "no such name" this long after a record appears


class DomainState(StrEnum):
    """PENDING until its records are found; FAILING after they were gone for the grace time."""

    PENDING = "pending"
    VERIFIED = "verified"
    FAILING = "failing"
    CAPTURE_ONLY = "capture_only"


DOMAIN_TRANSITIONS: Mapping[DomainState, frozenset[DomainState]] = {
    DomainState.PENDING: frozenset({DomainState.VERIFIED}),
    DomainState.VERIFIED: frozenset({DomainState.FAILING}),
    DomainState.FAILING: frozenset({DomainState.VERIFIED}),
    DomainState.CAPTURE_ONLY: frozenset(),
}


TRANSFER_ASKED, TRANSFERRED = "domain.transfer_asked", "domain.transferred"
"""What owners are told of transfers."""


class TransferState(StrEnum):
    """ASKED until the holder or, after `TRANSFER_WAIT`, the operator decides."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"


class KeyState(StrEnum):
    """PUBLISHING: waits for DNS; SEEN: shown, caches run out; ACTIVE: signs; RETIRING: still verifies old mail;
    REVOKED: published with an empty p=, private keys destroyed; REMOVED: its record may go."""

    PUBLISHING = "publishing"
    SEEN = "seen"
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"
    REMOVED = "removed"


KEY_TRANSITIONS: Mapping[KeyState, frozenset[KeyState]] = {
    KeyState.PUBLISHING: frozenset({KeyState.SEEN, KeyState.ACTIVE}),
    KeyState.SEEN: frozenset({KeyState.PUBLISHING, KeyState.ACTIVE}),
    KeyState.ACTIVE: frozenset({KeyState.RETIRING}),
    KeyState.RETIRING: frozenset({KeyState.REVOKED}),
    KeyState.REVOKED: frozenset({KeyState.REMOVED}),
    KeyState.REMOVED: frozenset(),
}


def require_move(table: Mapping[DomainState, frozenset[DomainState]], old: DomainState, new: DomainState) -> None:
    """Conflict unless the table has that move."""
    if new not in table[old]:
        raise Conflict("illegal_transition", f"A {old.value} domain cannot become {new.value}.")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One generation of signing keys: RSA-2048 at `<stem>r`, Ed25519 at `<stem>e`.

    Public keys are what p= carries before base64: SubjectPublicKeyInfo in DER for RSA
    (RFC 6376 section 3.6.1), 32 raw bytes for Ed25519 (RFC 8463 section 4). Sealed ones
    are PKCS #8 in DER under the vault; empty once destroyed. `wait` is how long SEEN lasts.
    """

    id: str
    stem: str
    state: KeyState
    rsa_public: bytes
    ed25519_public: bytes
    rsa_sealed: bytes = field(repr=False)
    ed25519_sealed: bytes = field(repr=False)
    created: datetime
    changed: datetime
    wait: timedelta = SETTLE_AT_LEAST

    @property
    def rsa_selector(self) -> str:
        """Where the RSA key is published."""
        return self.stem + "r"

    @property
    def ed25519_selector(self) -> str:
        """Where the Ed25519 key is published."""
        return self.stem + "e"


CheckState = Literal["unchecked", "ok", "missing", "wrong", "multiple", "temporary"]


class Record(NamedTuple):
    """A record to publish. `name` and host values are full names without the final dot."""

    purpose: str
    type: Literal["TXT", "CNAME", "MX"]
    name: str
    value: str
    required: bool

    @property
    def zone_line(self) -> str:
        """The line for a zone file; long text in strings of 255 bytes (RFC 1035 section 3.3.14)."""
        if self.type == "TXT":
            text = self.value.replace("\\", "\\\\").replace('"', '\\"')
            data = " ".join(f'"{text[i : i + 255]}"' for i in range(0, max(1, len(text)), 255))
        else:
            data = self.value + "."
        return f"{self.name}. 3600 IN {self.type} {data}"


class RecordCheck(NamedTuple):
    """A record, what DNS shows in its place, and the exact thing to do about it (empty when nothing)."""

    record: Record
    state: CheckState
    found: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of a workspace. `name` is in A-labels, lower case, without the final dot.

    `subdomains`: From addresses below the domain may be sent, too; off unless switched on,
    since sub-domains are often in other hands.
    """

    id: str
    name: str
    state: DomainState
    token: str
    created: datetime
    next_check: datetime
    subdomains: bool = False
    verified_at: datetime | None = None
    checked_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    own_return_path: bool = False
    checks: tuple[RecordCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Transfer:
    """A workspace (`asker`) has proved a name that another one (`holder`) holds, and asks for it.

    `domain` is the asker's domain of that name, `held` the holder's.
    """

    id: str
    asker: WorkspaceId
    domain: str
    holder: WorkspaceId
    held: str
    asked: datetime
    asked_by: str
    state: TransferState
    decided: datetime | None = None


@dataclass(frozen=True, slots=True)
class InstallationNames:
    """The names and addresses of this installation that customers' records point at.

    `sources` are the addresses it sends from; the record at `spf_host` must list them all. `web_host` serves tracked
    links; "" where no name of ours leads to the web listener.
    """

    spf_host: str
    bounce_host: str
    mx_hosts: tuple[str, ...]
    sources: tuple[str, ...] = ()
    dmarc_reports: str = ""
    web_host: str = ""
    return_path_label: str = "mw-bounce"
    tracking_label: str = "mw-link"
    ownership_label: str = "_mailward"


KeyShown = Literal["shown", "absent", "unknown"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What DNS showed for one domain at one time. `shown` and `ttl` (seconds) are by pair id."""

    checks: tuple[RecordCheck, ...]
    ownership: CheckState
    return_path: CheckState
    shown: Mapping[str, KeyShown]
    ttl: Mapping[str, int]


class SigningKey(NamedTuple):
    """A key that signs: its selector, `rsa-sha256` or `ed25519-sha256`, and the private key, sealed."""

    selector: str
    algorithm: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """What the path of a message needs to know of a domain.

    `held_elsewhere`: names below it that another workspace has verified, which are that workspace's alone.
    `tracking`: the host of its tracked links, "" until its record was found.
    """

    id: bytes
    name: str
    state: DomainState
    subdomains: bool
    return_path: str
    keys: tuple[SigningKey, ...] = field(repr=False)
    held_elsewhere: frozenset[str] = frozenset()
    tracking: str = ""

    @property
    def capture_only(self) -> bool:
        """The reserved domain, whose mail never leaves."""
        return self.state is DomainState.CAPTURE_ONLY


@dataclass(frozen=True, slots=True)
class SigningSnapshot:
    """All that may be sent from: workspace (raw id) -> name -> domain, as of an epoch."""

    epoch: int
    workspaces: Mapping[bytes, Mapping[str, SendingDomain]]
