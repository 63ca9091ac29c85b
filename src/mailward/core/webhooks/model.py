"""The nouns: endpoints, events, jobs and their states, attempts, and the schedule of retries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

EVENT_TYPES = frozenset(
    (
        "message.accepted",
        "message.scheduled",
        "message.held",
        "message.released",
        "message.cancelled",
        "message.suppressed",
        "message.delivered",
        "message.deferred",
        "message.bounced",
        "message.expired",
        "message.discarded",
        "message.complained",
        "message.opened",
        "message.clicked",
        "domain.verified",
        "domain.drifted",
        "domain.failing",
        "domain.released",
        "endpoint.disabled",
        "route.disabled",
    )
)
TEST_EVENT = "webhook.test"
# Bumped with every change of endpoints, so that a store may keep in memory who wants what.
EPOCH = "webhooks_epoch"

DEADLINE_SECONDS = 15.0


class JobState(IntEnum):
    """Where one event for one endpoint stands."""

    PENDING = 0
    DELIVERED = 1
    FAILED = 2
    CANCELLED = 3


S = JobState
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    S.PENDING: frozenset({S.DELIVERED, S.FAILED, S.CANCELLED}),
    S.DELIVERED: frozenset({S.PENDING}),  # replay
    S.FAILED: frozenset({S.PENDING}),
    S.CANCELLED: frozenset({S.PENDING}),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to tell what. `types` empty means every type. Times are microseconds UTC.

    `failing_since` is when the first attempt failed after which none was taken. When the
    platform disables an endpoint, `owner_told` goes from "due" to "mailed" or "not mailed".
    """

    id: bytes
    url: str
    types: frozenset[str]
    description: str
    enabled: bool
    disabled_reason: str
    created: int
    failing_since: int | None = None
    disabled_at: int | None = None
    owner_told: str = ""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A signing secret under the vault. `expires` (microseconds UTC) is set on one that is being rotated out."""

    created: int
    sealed: bytes = field(repr=False)
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A fact to tell. `id` is raw, `at` microseconds UTC; `data` is what the receiver reads."""

    id: bytes
    type: str
    at: int
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointsSnapshot:
    """Which endpoints of a workspace want which type; a store keeps it, so that most events cost one look-up."""

    by_type: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    every: tuple[bytes, ...] = ()

    def wanting(self, type: str) -> tuple[bytes, ...]:
        """Raw ids of the enabled endpoints that asked for this type."""
        return self.by_type.get(type, self.every)


def audience(endpoints: Iterable[Endpoint]) -> EndpointsSnapshot:
    """Who of these is to be told what. Disabled ones are not."""
    every: list[bytes] = []
    by_type: dict[str, list[bytes]] = {}
    for endpoint in endpoints:
        if not endpoint.enabled:
            continue
        if not endpoint.types:
            every.append(endpoint.id)
        for type in endpoint.types or EVENT_TYPES:
            by_type.setdefault(type, []).append(endpoint.id)
    return EndpointsSnapshot({t: tuple(found) for t, found in by_type.items()}, tuple(every))


def event_id(at: int, type: str, *about: object) -> bytes:
    """The raw id of what happened at `at` (microseconds UTC) to the thing that `about` names.

    Made from the facts themselves, so that one that is told twice is one event, which a receiver can tell by its id.
    """
    facts = "\0".join((type, str(at), *(a.hex() if isinstance(a, bytes) else str(a) for a in about)))
    return (at // 1000).to_bytes(6, "big") + hashlib.sha256(facts.encode("utf-8", "surrogatepass")).digest()[:10]


class Room(NamedTuple):
    """How much a worker can start now: in all, of one workspace, of one endpoint, and what it is busy with.

    Endpoints that have been failing share `slow` places, one each at a time, so that however many of
    them hang, the others find room. `busy` counts requests under way by endpoint, `tenants` by workspace.
    """

    limit: int
    each: int
    tenant: int
    slow: int
    busy: Mapping[bytes, int] = {}
    tenants: Mapping[bytes, int] = {}


@dataclass(frozen=True, slots=True)
class Work:
    """One leased job with all the worker needs. `number` is the attempt about to be made, from 1.

    `slow`: the endpoint has been failing, so this takes one of the places kept for such.
    """

    workspace: bytes
    webhook: bytes
    event: bytes
    type: str
    number: int
    url: str
    body: bytes = field(repr=False)
    secrets: tuple[SealedSecret, ...] = field(repr=False)
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt went. `status` 0 and `error` set when there was no HTTP answer."""

    work: Work
    status: int
    body: bytes = field(repr=False)
    elapsed_ms: int
    retry_after: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recorded try. `outcome` is "delivered", "retry", "failed" or "disabled"; `next_due` microseconds UTC or 0."""

    id: bytes
    webhook: bytes
    event: bytes
    type: str
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
class Told:
    """An event as one endpoint knows it. `due` is when the next attempt comes, or None."""

    event: bytes
    type: str
    at: int
    state: JobState
    attempts: int
    due: int | None


@dataclass(frozen=True, slots=True)
class ToldPage:
    """Newest first; `next` is the cursor of the following page, or None at the end."""

    events: list[Told]
    next: bytes | None


@dataclass(frozen=True, slots=True)
class Replay:
    """Events of [since, until) that are posted again. `more`: the bound was reached, and another replay is needed."""

    id: bytes
    webhook: bytes
    since: int
    until: int
    only_failed: bool
    total: int
    more: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """A replay and what became of its events so far, by state."""

    replay: Replay
    counts: Mapping[JobState, int]

    @property
    def finished(self) -> bool:
        """Nothing of it waits any more."""
        return not self.counts.get(JobState.PENDING, 0)
