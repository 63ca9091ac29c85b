"""The nouns: endpoints, events, jobs and their states, attempts, and the schedule of retries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

EVENT_TYPES = frozenset(
    (
        "message.accepted",
        "message.delivered",
        "message.deferred",
        "message.bounced",
        "message.suppressed",
        "message.expired",
        "message.cancelled",
        "message.held",
        "message.complained",
    )
)
TEST_EVENT = "webhook.test"

# Standard Webhooks 1.0.0, "deliverability": seconds before each attempt, from the one before it.
SCHEDULE = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# An endpoint may ask for patience, but not for more than the longest step.
RETRY_AFTER_MAX = 86_400
DEADLINE_SECONDS = 15.0
RESPONSE_READ_MAX = 64 * 1024
RESPONSE_KEPT = 1024


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
    """Where to tell what. `types` empty means every type."""

    id: bytes
    url: str
    types: frozenset[str]
    description: str
    enabled: bool
    disabled_reason: str
    created: int


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
    """Which endpoints of a workspace want which type; kept by the caller so that most events cost one look-up."""

    by_type: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    every: tuple[bytes, ...] = ()

    def wanting(self, type: str) -> tuple[bytes, ...]:
        """Raw ids of the enabled endpoints that asked for this type."""
        return self.by_type.get(type, self.every)


@dataclass(frozen=True, slots=True)
class Work:
    """One leased job with all the worker needs. `number` is the attempt about to be made, from 1."""

    workspace: bytes
    webhook: bytes
    event: bytes
    type: str
    number: int
    url: str
    body: bytes = field(repr=False)
    secrets: tuple[SealedSecret, ...] = field(repr=False)


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


def delay_before(number: int, jitter: float) -> float | None:
    """Seconds to wait before attempt `number` (from 1); None when there is no such attempt.

    `jitter` in [0, 1) adds up to a fifth, so that what failed together does not return together.
    """
    if number > len(SCHEDULE):
        return None
    return SCHEDULE[number - 1] * (1 + jitter / 5)
