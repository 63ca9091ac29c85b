"""What the suppression verbs need from a store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mailward.core.suppression.model import Entry, Reason
from mailward.policy.access import Actor


class SuppressionsRepo(Protocol):
    """The list of one workspace."""

    async def among(self, tokens: Sequence[bytes]) -> dict[bytes, dict[str, Reason]]:
        """Those of the tokens that have entries: token -> {stream: reason}. One question for a batch."""

    async def insert(self, rows: Sequence[tuple[bytes, Entry]]) -> int:
        """(token, entry) each; an address already listed on that stream keeps its entry. How many were new."""

    async def put_bounces(self, entries: Sequence[tuple[bytes, str, bytes, int]]) -> None:
        """Hard bounces: (token, address, message, at) each; an address already listed keeps its entry."""

    async def by_token(self, token: bytes) -> list[Entry]: ...

    async def by_id(self, id: bytes) -> Entry | None: ...

    async def delete(self, id: bytes) -> bool: ...

    async def page(
        self, *, before: bytes | None, limit: int, search: str, reason: Reason | None, stream: str | None
    ) -> list[Entry]:
        """Newest first, ids below `before`; `search` is a part of the address, compared without case."""


class AuditLog(Protocol):
    """Where acts are recorded, in the same transaction."""

    async def append(self, actor: Actor, act: str, target: str, facts: dict[str, str], *, now: datetime) -> object: ...


class SuppressionTx(Protocol):
    """A transaction with the list."""

    @property
    def suppressions(self) -> SuppressionsRepo: ...


class AuditedSuppressionTx(SuppressionTx, Protocol):
    """A transaction with the list and the audit log."""

    @property
    def audit(self) -> AuditLog: ...
