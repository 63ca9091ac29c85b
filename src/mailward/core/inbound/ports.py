"""What the verbs of received mail need from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailward.core.inbound.model import (
    Attempt,
    Copy,
    CopyState,
    InboundRoute,
    Received,
    Replay,
    SealedSecret,
    Work,
)
from mailward.core.webhooks.model import Room
from mailward.policy.access import Actor

Seal = Callable[[bytes], bytes]
"""The vault's part: bytes in, bytes that are safe to store out."""

ReceivedRow = tuple[bytes, int, int | None, int | None, int | None, bytes, str]
"""(id, at, segment, offset, length, encoded facts, reason)."""


class InboundRepo(Protocol):
    """Routes, received messages, copies and attempts of one workspace."""

    async def insert_route(self, route: InboundRoute) -> None:
        """A new route. Moves the epoch, as `update_route` and `delete_route` do."""

    async def update_route(self, route: InboundRoute) -> None: ...

    async def delete_route(self, id: bytes) -> None:
        """Remove a route with its secrets and replays; what waits for it ends as EXPIRED."""

    async def route(self, id: bytes) -> InboundRoute | None: ...

    async def routes(self, *, before: bytes | None, limit: int) -> list[InboundRoute]:
        """Newest first."""

    async def count_routes(self) -> int: ...

    async def secrets(self, route: bytes) -> list[SealedSecret]:
        """Newest first."""

    async def put_secret(self, route: bytes, secret: SealedSecret) -> None:
        """Insert, or replace the one with the same `created`."""

    async def drop_secrets(self, route: bytes, *, expired_at: int) -> None: ...

    async def note_answer(self, route: bytes, *, taken: bool, at: int) -> None:
        """Remember since when an endpoint takes nothing, or that it took something. Does not move the epoch."""

    async def add_received(self, rows: Sequence[ReceivedRow]) -> None: ...

    async def add_copies(self, rows: Sequence[tuple[bytes, bytes, int, int | None, int]]) -> None:
        """(received, route, state, due, attempts) each."""

    async def known(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those that are recorded."""

    async def keeping(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those whose content is kept."""

    async def received(self, id: bytes) -> Received | None: ...

    async def page(
        self, *, before: bytes | None, limit: int, route: bytes | None = None, state: CopyState | None = None
    ) -> list[Received]:
        """Newest first; of a route, of a state, or all."""

    async def copies(self, received: Sequence[bytes]) -> dict[bytes, list[Copy]]: ...

    async def copies_for(
        self, route: bytes | None, *, since: int, until: int, failed_only: bool, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """(received, route) of that time whose content is kept and that are not under way; oldest first.

        `failed_only`: those that ended as FAILED or EXPIRED, else what was handed over as well.
        """

    async def restart(self, rows: Sequence[tuple[bytes, bytes, int]], *, replay: bytes | None) -> None:
        """(received, route, due) each: the copy starts over, or is made."""

    async def move(self, received: bytes, state: CopyState, to: CopyState, *, due: int | None) -> int:
        """Move a message's copies that stand in `state`; how many."""

    async def set_reason(self, received: bytes, reason: str) -> None:
        """Why a message waits for a person."""

    async def end_copies(self, route: bytes) -> int:
        """What waits for a route ends as EXPIRED; how many."""

    async def finish(self, received: bytes, route: bytes, *, number: int, state: CopyState, due: int | None) -> bool:
        """Record attempt `number` of a waiting copy; False when another worker recorded it already."""

    async def add_attempts(self, attempts: Sequence[Attempt]) -> None: ...

    async def attempts(
        self, received: bytes, *, before: bytes | None, limit: int, route: bytes | None = None
    ) -> list[Attempt]:
        """Newest first."""

    async def add_replay(self, replay: Replay) -> None: ...

    async def replay(self, route: bytes, id: bytes) -> Replay | None: ...

    async def replay_counts(self, route: bytes, id: bytes) -> dict[CopyState, int]: ...

    async def with_content(self, *, after: bytes, below: bytes, limit: int) -> list[bytes]:
        """Messages between two ids whose content is kept, oldest first."""

    async def older(self, *, below: bytes, limit: int) -> list[bytes]:
        """Messages below an id, oldest first; where days are kept apart, of whole days below it."""

    async def unfinished_among(self, received: Sequence[bytes]) -> set[bytes]:
        """Those with a copy that is still to be handed over, or that waits for a person."""

    async def waiting_among(self, received: Sequence[bytes]) -> set[bytes]:
        """Those of them with a copy the courier still has to hand over."""

    async def let_go(self, received: Sequence[bytes], now: int) -> None:
        """Remove the reference to each body; what was in quarantine ends as EXPIRED."""

    async def erase(self, received: Sequence[bytes]) -> None:
        """Remove messages with copies and attempts."""


class InboundQueue(Protocol):
    """Across workspaces; system scope."""

    async def all_routes(self) -> list[InboundRoute]:
        """Every route, those that are off included."""

    async def anything_due(self, now: int, held: frozenset[bytes]) -> bool:
        """Whether anything is due that does not wait for one of `held`."""
        ...

    async def lease(self, *, lessee: int, now: int, until: int, turn: int, room: Room) -> list[Work]:
        """As many due copies as there is room for, starting with another route each turn; their due moves to `until`.

        A route that takes nothing lately gets one place at a time, out of `room.slow`.
        """

    async def untold(self, limit: int) -> list[InboundRoute]:
        """Routes the platform disabled and whose owner is to be told."""

    async def set_told(self, workspace: bytes, route: bytes, how: str) -> None: ...


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(
        self, actor: Actor, act: str, target: str, facts: Mapping[str, str] | None = None, *, now: datetime
    ) -> str: ...

    async def in_turn(self, workspace: str) -> None: ...


class MessagesCount(Protocol):
    """Usage."""

    async def count(self, at: int, counts: Mapping[str, int]) -> None: ...


class PrivateParts(Protocol):
    """Sealed private parts of messages under way (core/redaction)."""

    async def keep(self, rows: Sequence[tuple[bytes, bytes]]) -> None: ...

    async def destroy(self, messages: Iterable[bytes]) -> int: ...


class InboundTx(Protocol):
    """A transaction of one workspace."""

    @property
    def inbound(self) -> InboundRepo: ...

    @property
    def redaction(self) -> PrivateParts: ...


class AuditedInboundTx(InboundTx, Protocol):
    """A transaction with the audit log."""

    @property
    def audit(self) -> AuditLog: ...


class ReceptionTx(InboundTx, Protocol):
    """A transaction in which messages are recorded and counted."""

    @property
    def messages(self) -> MessagesCount: ...


class QueueTx(Protocol):
    """A system transaction."""

    @property
    def inbound(self) -> InboundQueue: ...


class ReadBody(Protocol):
    """The octets of a received message as they came; NotFound when they are no longer kept."""

    def __call__(self, workspace: bytes, message: bytes, ref: Any) -> Awaitable[bytes]: ...


class Answer(Protocol):
    """What came back: at most the bytes asked for, `retry_after` in seconds, `media` the type of what it says."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def elapsed_ms(self) -> int: ...
    @property
    def retry_after(self) -> float | None: ...
    @property
    def media(self) -> str: ...


class Poster(Protocol):
    """Posts through the egress guard."""

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        deadline: float,
        max_response: int,
        redirects: int = 0,
    ) -> Answer:
        """The answer. Raises MailwardError when the target is refused or does not answer within `deadline` seconds."""
        ...


class Files(Protocol):
    """An object store that endpoints fetch attachments from."""

    async def put(self, workspace: bytes, message: bytes, files: Sequence[tuple[str, str, bytes]]) -> list[str]:
        """Store (name, content type, octets) each; a signed URL that expires for each. Raises Unavailable."""
        ...

    async def remove(self, workspace: bytes, message: bytes) -> int:
        """Remove what was stored for a message; how many. Raises Unavailable."""
        ...
