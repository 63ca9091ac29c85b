"""What the webhook verbs need from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailward.core.webhooks.model import Attempt, Endpoint, JobState, SealedSecret, Work
from mailward.policy.access import Actor

# The vault's part: bytes in, bytes that are safe to store out, and back.
Seal = Callable[[bytes], bytes]


class WebhooksRepo(Protocol):
    """Endpoints, events, jobs and attempts of one workspace."""

    async def insert(self, endpoint: Endpoint) -> None: ...

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

    async def add_events(self, rows: Sequence[tuple[bytes, str, int, bytes]]) -> None:
        """(id, type, at, body) each."""

    async def add_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]]) -> None:
        """(webhook, event, type, due) each; a job that exists starts over."""

    async def cancel_jobs(self, webhook: bytes) -> int:
        """Pending jobs of an endpoint end; how many."""

    async def event_type(self, id: bytes) -> str | None: ...

    async def events_for(self, webhook: bytes, *, since: int, until: int, failed_only: bool) -> list[tuple[bytes, str]]:
        """(event, type) of the jobs of an endpoint whose events happened in that time."""

    async def finish(self, webhook: bytes, event: bytes, *, number: int, state: JobState, due: int | None) -> bool:
        """Record attempt `number` of a pending job; False when another worker recorded it already."""

    async def add_attempt(self, attempt: Attempt) -> None: ...

    async def attempts(self, webhook: bytes, *, before: bytes | None, limit: int) -> list[Attempt]: ...


class WebhookQueue(Protocol):
    """The queue across workspaces; system scope."""

    async def anything_due(self, now: int) -> bool: ...

    async def lease(
        self, *, now: int, until: int, limit: int, each: int, turn: int, busy: Mapping[bytes, int]
    ) -> list[Work]:
        """Up to `limit` due jobs, at most `each` an endpoint less what is `busy` there; their due moves to `until`."""

    async def prune(self, before: int) -> int: ...


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(self, actor: Actor, act: str, target: str, facts: dict[str, str], *, now: datetime) -> object: ...


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
