"""The nouns: routes, what is known of a received message, its copies and their states, attempts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec

from mailward.core.webhooks.model import SealedSecret
from mailward.policy.inbound_routes import MatchKind
from mailward.protocol.inbound.facts import ArcFacts, DkimFacts, DmarcFacts, ReceivedFacts, ScanFacts, SpfFacts

__all__ = [
    "ArcFacts",
    "Attachments",
    "Attempt",
    "AttemptPage",
    "Copy",
    "CopyState",
    "DkimFacts",
    "DmarcFacts",
    "HandedOver",
    "InboundRoute",
    "MatchKind",
    "Mode",
    "OnScannerDown",
    "Progress",
    "Receipt",
    "Received",
    "ReceivedFacts",
    "ReceivedPage",
    "Reception",
    "Replay",
    "Result",
    "RouteFormat",
    "ScanFacts",
    "SealedSecret",
    "Signature",
    "SpfFacts",
    "Work",
]  # fmt: skip

# Bumped with every change of routes, so that workers may keep them in memory.
EPOCH = "inbound_epoch"
ROUTES_MAX = 500
# Standard Webhooks asks receivers for an answer within 15 to 30 seconds.
DEADLINE_SECONDS = 25.0
# RFC 5321 section 4.5.3.2.6: a sender waits ten minutes for the answer to its final dot. Many wait less.
IN_SESSION_SECONDS = 45.0
AUTHORIZE_SECONDS = 10.0
REDIRECTS_MAX = 3
# Why a route is off that its owner turned off; any other reason is the platform's.
BY_HAND = "by hand"
# Of an endpoint's refusal this many characters become the SMTP text.
REFUSAL_TEXT_MAX = 400


class RouteFormat(StrEnum):
    """The form in which a message is posted."""

    MAILWARD = "mailward"
    CLOUDMAILIN_JSON = "cloudmailin_json"
    CLOUDMAILIN_MULTIPART = "cloudmailin_multipart"
    CLOUDMAILIN_RAW = "cloudmailin_raw"


class Mode(StrEnum):
    """Who answers the sender: we do once the message is on disk, or the endpoint while the sender waits."""

    STORE = "store"
    IN_SESSION = "in_session"


class OnScannerDown(StrEnum):
    """What happens to a message that no scanner could look at."""

    DEFER = "defer"
    ACCEPT = "accept"


class Attachments(StrEnum):
    """Where the files of a message go: into the request, or to the object store with a signed URL in the request."""

    INLINE = "inline"
    STORE = "store"


class Signature(StrEnum):
    """What signs the requests: HMAC-SHA256 (`whsec_`) or ed25519 (`whsk_`/`whpk_`)."""

    HMAC = "hmac"
    ED25519 = "ed25519"


class CopyState(IntEnum):
    """Where one message stands for one route."""

    RECEIVED = 0
    HANDED_OVER = 1
    FAILED = 2
    QUARANTINED = 3
    REFUSED = 4
    EXPIRED = 5


S = CopyState
TRANSITIONS: dict[CopyState, frozenset[CopyState]] = {
    S.RECEIVED: frozenset({S.HANDED_OVER, S.FAILED, S.EXPIRED, S.QUARANTINED}),  # the last: workers died of it
    S.HANDED_OVER: frozenset({S.RECEIVED}),  # replay
    S.FAILED: frozenset({S.RECEIVED}),
    S.QUARANTINED: frozenset({S.RECEIVED, S.REFUSED, S.EXPIRED}),  # released, discarded, or its term was over
    S.REFUSED: frozenset(),
    S.EXPIRED: frozenset({S.RECEIVED}),  # its route was off; replayed since
}


@dataclass(frozen=True, slots=True)
class InboundRoute:
    """Which addresses of a domain go to which endpoint, and how. Times are microseconds UTC.

    `workspace` and `id` are raw. `url` and `authorize_url` are without credentials; `credentials` and
    `authorize_credentials` are the user and password they came with, sealed, or empty.
    `failing_since` is when the first attempt failed after which none was taken.
    """

    id: bytes
    workspace: bytes
    domain: str
    kind: MatchKind
    pattern: str
    url: str
    credentials: bytes = field(repr=False)
    format: RouteFormat
    mode: Mode
    authorize_url: str
    authorize_credentials: bytes = field(repr=False)
    require_tls: bool
    on_scanner_down: OnScannerDown
    attachments: Attachments
    signature: Signature
    enabled: bool
    created: int
    description: str = ""
    disabled_reason: str = ""
    disabled_at: int | None = None
    failing_since: int | None = None
    owner_told: str = ""


class Reception(msgspec.Struct, array_like=True):
    """A message that was judged and waits to be recorded, for one workspace.

    `copies` are (raw route id, state, due) each: RECEIVED with `due` now for what the courier hands over, HANDED_OVER
    or REFUSED for what an endpoint decided in session, QUARANTINED for what waits for a person. `attempts` are those
    made in session. `epoch` is that of the routes it was judged by, or -1 for "whatever they are now".
    """

    id: bytes
    at: int
    facts: ReceivedFacts
    copies: list[tuple[bytes, CopyState, int]]
    attempts: list[HandedOver] = []
    reason: str = ""
    private: bytes = b""


class HandedOver(msgspec.Struct, array_like=True, frozen=True):
    """One attempt made in session, as it is recorded. `at` is microseconds UTC.

    `text` is what the sender is told when the endpoint refused with words of its own; not kept.
    """

    route: bytes
    at: int
    outcome: str
    status: int
    elapsed_ms: int
    response: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A received message as read back. `body` is (segment, offset, length), or None when its content is not kept.

    `reason` says why it is in quarantine or was refused; `content_gone` when its content was let go.
    """

    id: bytes
    at: int
    body: tuple[int, int, int] | None
    facts: ReceivedFacts
    reason: str = ""
    content_gone: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """One message for one route. `due` is when the next attempt comes, or None."""

    received: bytes
    route: bytes
    state: CopyState
    attempts: int
    due: int | None


@dataclass(frozen=True, slots=True)
class ReceivedPage:
    """Newest first, each with its copies; `next` is the cursor of the following page, or None at the end."""

    messages: list[tuple[Received, list[Copy]]]
    next: bytes | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recorded try. `outcome` is "handed_over", "retry", "failed", "refused", "deferred" or "disabled".

    `next_due` is microseconds UTC or 0.
    """

    id: bytes
    received: bytes
    route: bytes
    at: int
    number: int
    outcome: str
    status: int
    elapsed_ms: int
    response: str
    next_due: int


@dataclass(frozen=True, slots=True)
class AttemptPage:
    """Newest first; `next` is the cursor of the following page, or None at the end."""

    attempts: list[Attempt]
    next: bytes | None


@dataclass(frozen=True, slots=True)
class Work:
    """One leased copy with all the worker needs. `number` is the attempt about to be made, from 1.

    `slow`: the endpoint takes nothing lately, so this takes one of the places kept for such.
    """

    workspace: bytes
    route: InboundRoute
    message: Received
    number: int
    secrets: tuple[SealedSecret, ...] = field(repr=False)
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt went. `status` 0 and `error` set when there was no HTTP answer.

    `lost` says that it cannot be handed over any more: its content is gone, or whom it was for.
    """

    work: Work
    status: int
    body: bytes = field(repr=False)
    elapsed_ms: int
    retry_after: float | None = None
    error: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """Messages of [since, until) that are handed over again. `more`: the bound was reached; ask again for the rest."""

    id: bytes
    route: bytes
    since: int
    until: int
    only_failed: bool
    total: int
    more: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """A replay and what became of its messages so far, by state."""

    replay: Replay
    counts: Mapping[CopyState, int]

    @property
    def finished(self) -> bool:
        """Nothing of it waits any more."""
        return not self.counts.get(CopyState.RECEIVED, 0)


class Receipt(NamedTuple):
    """What was recorded: the message's id and how many copies wait for the courier."""

    id: bytes
    waiting: int


def hand_over_id(received: bytes, route: bytes) -> bytes:
    """The raw id (`evt_`) under which a message goes to a route, the same over every attempt and replay."""
    return received[:6] + hashlib.sha256(b"hand-over\x00" + received + route).digest()[:10]
