"""What the message verbs need from a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailward.core.messages.ended import PrivateTx
from mailward.core.messages.model import Attempt, Delivery, DeliveryState, Message, Pause
from mailward.policy.access import Actor

AnswerRow = tuple[bytes, bytes, bytes, int]
"""(idempotency key, hash of the request's body, answer, expires in microseconds UTC)."""
MessageRow = tuple[bytes, int, int | None, int | None, int | None, bytes]
DeliveryRow = tuple[bytes, int, str, int, int, int, int, str | None, str | None]


class MessagesRepo(Protocol):
    """Messages, search tokens, idempotency and usage of one workspace."""

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        """(id, created, segment, offset, length, encoded facts) each."""

    async def get(self, message: bytes) -> Message | None: ...

    async def keep(self, message: bytes) -> Message | None:
        """`get`, and nobody else changes it before this transaction has ended."""

    async def rewrite(self, message: bytes, facts: bytes) -> None:
        """Other facts for a message."""

    async def several(self, messages: Sequence[bytes]) -> dict[bytes, Message]:
        """Those of them that exist."""

    async def page(
        self, *, before: bytes | None, limit: int, since: int | None = None, until: int | None = None
    ) -> list[Message]:
        """Newest first, ids below `before`."""

    async def found(self, tokens: Sequence[bytes], *, before: bytes | None, limit: int) -> list[bytes]:
        """Ids that carry every token, newest first."""

    async def claim_answers(self, rows: Sequence[AnswerRow], now: int) -> dict[bytes, tuple[bytes, bytes]]:
        """Keep each answer under its key, unless one that has not expired is there: those, as key -> (body, answer)."""

    async def kept_answer(self, key: bytes, now: int) -> tuple[bytes, bytes] | None:
        """(body, answer) kept under a key that has not expired."""

    async def count(self, at: int, counts: Mapping[str, int]) -> None:
        """Add to the counters of the hour of `at` (microseconds UTC)."""

    async def usage(self, since_day: int) -> list[tuple[int, str, int]]:
        """(day, what, count) from a day (since 1970, UTC) on."""

    async def hours(self, since_hour: int) -> list[tuple[int, str, int]]:
        """(hour, what, count) from an hour (since 1970) on; of the last 90 days."""

    async def fold(self, before_hour: int) -> int:
        """Hours before one become part of their days; how many rows went."""

    async def timeline_add(self, message: bytes, at: int, moment: str, facts: str) -> None: ...

    async def timeline_add_all(self, rows: Sequence[tuple[bytes, int, str, str]]) -> None:
        """(message, at, moment, facts) each."""

    async def timeline(self, message: bytes) -> list[tuple[int, str, str]]: ...


class DeliveriesRepo(Protocol):
    """Deliveries and attempts of one workspace."""

    async def insert(self, rows: Sequence[DeliveryRow]) -> None:
        """(message, n, recipient, state, due, lessee, updated, reason, dsn) each."""

    async def of(self, messages: Sequence[bytes]) -> dict[bytes, list[Delivery]]: ...

    async def attempts(self, message: bytes) -> list[Attempt]: ...

    async def settle(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """(state, due, attempts, updated, reason, message, n, lessee) each; only what that lessee still holds."""

    async def add_attempts(self, rows: Sequence[tuple[bytes, int, int, int, bytes]]) -> None: ...

    async def move(
        self,
        message: bytes,
        states: Sequence[DeliveryState],
        to: DeliveryState,
        *,
        due: int,
        now: int,
        reason: str | None,
    ) -> int:
        """Move a message's deliveries that stand in one of `states`; how many moved."""

    async def bounce_late(self, message: bytes, n: int, *, now: int, reason: str) -> bool:
        """A delivered copy bounced after all; False when that copy does not stand as delivered."""

    async def held(self, *, after: bytes | None, limit: int) -> list[bytes]:
        """Messages with a held copy, oldest first, ids above `after`."""

    async def standing(self, state: DeliveryState, *, before: bytes, limit: int) -> list[bytes] | None:
        """Messages with a copy in that state, newest first, ids below `before`.

        None where nothing but walking finds them: delivered ones, and open ones when very many are.
        """

    async def pauses(self) -> list[Pause]:
        """The workspace's, oldest first."""

    async def pause(self, pause: Pause) -> bool:
        """False when that stream is paused already."""

    async def unpause(self, stream: str) -> bool:
        """False when it was not."""


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(
        self, actor: Actor, act: str, target: str, facts: Mapping[str, str] | None = None, *, now: datetime
    ) -> str: ...


class Counters(Protocol):
    """Epochs."""

    async def bump(self, name: str, *, own: bool = False) -> int:
        """One more. Any scope. `own`: it concerns the workspace of this transaction alone."""


class Tell(Protocol):
    """Tells the workspace's endpoints what happened, in the same transaction."""

    async def __call__(self, tx: Any, happened: Sequence[tuple[str, str, int, Mapping[str, object]]]) -> None:
        """(event type, the message's id, microseconds UTC, data) each."""


class MessagesTx(PrivateTx, Protocol):
    """A transaction with what these verbs use."""

    @property
    def audit(self) -> AuditLog: ...

    @property
    def messages(self) -> MessagesRepo: ...

    @property
    def deliveries(self) -> DeliveriesRepo: ...


class PausesTx(Protocol):
    """A transaction in which sending is paused or resumed."""

    @property
    def audit(self) -> AuditLog: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def deliveries(self) -> DeliveriesRepo: ...
