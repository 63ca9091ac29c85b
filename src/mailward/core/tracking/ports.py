"""What the verbs need from a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailward.core.messages.ports import AuditLog, Counters, DeliveriesRepo, MessagesRepo
from mailward.policy.tracking import Mode


class TrackingRepo(Protocol):
    """Modes and opt-outs of one workspace, unless said otherwise."""

    async def modes(self) -> dict[str, Mode]:
        """By scope: "" the workspace, `s:` a stream, `d:` a domain."""

    async def put_mode(self, scope: str, mode: Mode | None) -> None:
        """None takes it away."""

    async def all_modes(self) -> dict[bytes, dict[str, Mode]]:
        """By workspace (raw id). System scope."""

    async def opt_out(self, token: bytes, at: datetime) -> bool:
        """False when it was there."""

    async def opt_in(self, token: bytes) -> bool:
        """False when it was not."""

    async def opted_out(self, tokens: Sequence[bytes]) -> dict[bytes, datetime]:
        """Those of the tokens that are there, since when."""


class Domains(Protocol):
    """Domains of the workspace."""

    async def get(self, id: str) -> Any: ...


class TrackingTx(Protocol):
    """A transaction in which modes and opt-outs change."""

    @property
    def tracking(self) -> TrackingRepo: ...

    @property
    def domains(self) -> Domains: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def audit(self) -> AuditLog: ...


class SeenTx(Protocol):
    """A transaction in which something is seen."""

    @property
    def tracking(self) -> TrackingRepo: ...

    @property
    def messages(self) -> MessagesRepo: ...

    @property
    def deliveries(self) -> DeliveriesRepo: ...


class Tell(Protocol):
    """Tells the workspace's endpoints what happened, in the same transaction."""

    async def __call__(self, tx: Any, happened: Sequence[tuple[str, str, int, Mapping[str, object]]]) -> None:
        """(event type, the message's id, microseconds UTC, data) each."""
