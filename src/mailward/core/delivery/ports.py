"""What leasing and settling need from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mailward.core.messages.ports import DeliveriesRepo, MessagesRepo
from mailward.core.suppression.ports import SuppressionTx
from mailward.core.webhooks.ports import WebhookTx


class LeaseRepo(Protocol):
    """The queue across workspaces; system scope."""

    async def workspaces_with_open(self, limit: int = 1000) -> list[bytes]: ...

    async def due(self, workspace: bytes, now: int, limit: int) -> list[tuple[Any, ...]]: ...

    async def lease(self, workspace: bytes, rows: Sequence[tuple[bytes, int]], lessee: int, until: int) -> None: ...

    async def messages_for(self, workspace: bytes, messages: Sequence[bytes]) -> dict[bytes, tuple[Any, ...]]: ...

    async def next_due(self, workspace: bytes) -> int | None: ...

    async def paused_streams(self) -> list[tuple[bytes, str]]:
        """(workspace, stream or "") of every pause there is."""

    async def take_slot(self, slot: int, now: int) -> tuple[int, int]: ...

    async def slots(self) -> list[int]: ...

    async def drop_slot(self, slot: int) -> None: ...

    async def renew(self, workspace: bytes, lessee: int, until: int) -> int: ...


class LeaseTx(Protocol):
    """A system transaction."""

    @property
    def deliveries(self) -> LeaseRepo: ...


class SettleTx(SuppressionTx, WebhookTx, Protocol):
    """A transaction of one workspace; `workspace` is its raw id."""

    @property
    def workspace(self) -> bytes | None: ...

    @property
    def messages(self) -> MessagesRepo: ...

    @property
    def deliveries(self) -> DeliveriesRepo: ...
