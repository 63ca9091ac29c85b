"""What the webhook verbs need from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailward.core.webhooks.model import (
    Attempt,
    Endpoint,
    EndpointsSnapshot,
    JobState,
    Replay,
    Room,
    SealedSecret,
    Told,
    Work,
)
from mailward.policy.access import Actor

# The vault's part: bytes in, bytes that are safe to store out, and back.
Seal = Callable[[bytes], bytes]


class WebhooksRepo(Protocol):
    """Endpoints, events, jobs and attempts of one workspace."""

    async def audience(self) -> EndpointsSnapshot:
        """Which enabled endpoints want which type, as this transaction sees it.

        On the path of every message: a store keeps it in memory until the epoch of endpoints moves.
        """

    async def insert(self, endpoint: Endpoint) -> None:
        """A new endpoint. Moves the epoch, as `update` and `delete` do."""

    async def update(self, endpoint: Endpoint) -> None: ...

    async def delete(self, id: bytes) -> None:
        """Remove an endpoint with its secrets, jobs and attempts."""

    async def get(self, id: bytes) -> Endpoint | None: ...

    async def page(self, *, before: bytes | None, limit: int) -> list[Endpoint]: ...

    async def count(self) -> int: ...

    async def secrets(self, id: bytes) -> list[SealedSecret]: ...

    async def put_secret(self, id: bytes, secret: SealedSecret) -> None:
        """Insert, or replace the one with the same `created`."""

    async def drop_secrets(self, id: bytes, *, expired_at: int) -> None: ...

    async def note_answer(self, webhook: bytes, *, taken: bool, at: int) -> None:
        """Remember since when an endpoint takes nothing, or that it took something. Does not move the epoch."""

    async def add_events(self, rows: Sequence[tuple[bytes, str, int, bytes]]) -> None:
        """(id, type, at, body) each; one that is there stays as it is."""

    async def add_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]]) -> None:
        """(webhook, event, type, due) each; a job that is there stays as it is."""

    async def restart_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]], *, replay: bytes | None) -> None:
        """(webhook, event, type, due) each; a job that is there starts over."""

    async def cancel_jobs(self, webhook: bytes) -> int:
        """Pending jobs of an endpoint end; how many."""

    async def event_type(self, id: bytes) -> str | None: ...

    async def event(self, id: bytes) -> tuple[str, int, bytes] | None:
        """(type, at, body) of an event that is still kept."""

    async def told(
        self, webhook: bytes, *, before: bytes | None, limit: int, state: JobState | None = None
    ) -> list[Told]:
        """What an endpoint was or will be told, newest first, below `before`."""

    async def told_one(self, webhook: bytes, event: bytes) -> Told | None: ...

    async def events_for(
        self, webhook: bytes, *, since: int, until: int, failed_only: bool, limit: int
    ) -> list[tuple[bytes, str]]:
        """(event, type) of jobs of an endpoint that are not under way, whose events are of that time; oldest first."""

    async def add_replay(self, replay: Replay) -> None: ...

    async def replays(self, webhook: bytes, *, before: bytes | None, limit: int) -> list[Replay]:
        """Newest first."""

    async def replay(self, webhook: bytes, id: bytes) -> Replay | None: ...

    async def replay_counts(self, webhook: bytes, id: bytes) -> dict[JobState, int]:
        """How many of a replay's events are in which state; one that another replay took over is counted there."""

    async def finish(self, webhook: bytes, event: bytes, *, number: int, state: JobState, due: int | None) -> bool:
        """Record attempt `number` of a pending job; False when another worker recorded it already."""

    async def add_attempt(self, attempt: Attempt) -> None: ...

    async def attempts(
        self, webhook: bytes, *, before: bytes | None, limit: int, event: bytes | None = None
    ) -> list[Attempt]:
        """Newest first, of all events or of one."""


class WebhookQueue(Protocol):
    """The queue across workspaces; system scope."""

    async def anything_due(self, now: int, held: frozenset[bytes]) -> bool:
        """Whether anything is due that does not wait for one of `held`."""
        ...

    async def lease(self, *, lessee: int, now: int, until: int, turn: int, room: Room) -> list[Work]:
        """As many due jobs as there is room for, starting with another endpoint each turn; their due moves to `until`.

        An endpoint that has been failing gets one place at a time, out of `room.slow`.
        """

    async def untold(self, limit: int) -> list[tuple[bytes, Endpoint]]:
        """(workspace, endpoint) of those that the platform disabled and whose owner is to be told."""

    async def set_told(self, workspace: bytes, webhook: bytes, how: str) -> None: ...

    async def prune(self, before: int) -> int: ...


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(self, actor: Actor, act: str, target: str, facts: dict[str, str], *, now: datetime) -> object: ...

    async def in_turn(self, workspace: str) -> None: ...


class Tell(Protocol):
    """How a verb of another concept tells what it did, inside its own transaction."""

    async def __call__(self, tx: Any, happened: Sequence[tuple[str, str, int, Mapping[str, object]]]) -> None:
        """(type, the id of what it happened to, at, data) each."""


class WebhookTx(Protocol):
    """A transaction of one workspace."""

    @property
    def webhooks(self) -> WebhooksRepo: ...


class AuditedWebhookTx(WebhookTx, Protocol):
    """A transaction with the audit log."""

    @property
    def audit(self) -> AuditLog: ...


class QueueTx(Protocol):
    """A system transaction."""

    @property
    def webhooks(self) -> WebhookQueue: ...


class HttpAnswer(Protocol):
    """What came back: at most the bytes asked for, `retry_after` in seconds."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def elapsed_ms(self) -> int: ...
    @property
    def retry_after(self) -> float | None: ...


class HttpPoster(Protocol):
    """Posts through the egress guard, without following redirects."""

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: float, max_response: int
    ) -> HttpAnswer:
        """The answer. Raises MailwardError when the target is refused or does not answer within `deadline` seconds."""
        ...
