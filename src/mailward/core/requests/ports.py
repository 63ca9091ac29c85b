"""What the verbs need from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailward.core.requests.model import Request


class RequestsRepo(Protocol):
    """Requests of a workspace; `add` of any, in the system scope."""

    async def add(self, rows: Sequence[tuple[bytes, Request]]) -> None:
        """(workspace, request) each; one that is there already stays. System scope."""

    async def page(
        self, *, before: bytes | None, limit: int, failed: bool, operation: str, actor: str
    ) -> list[Request]:
        """Newest first, ids below `before`; with `failed` only answers of 400 and more."""

    async def drop(self, before: bytes, most: int) -> int:
        """Remove ids below `before`, and the oldest of more than `most`; how many."""


class RequestsTx(Protocol):
    """A transaction with what these verbs use."""

    @property
    def requests(self) -> RequestsRepo: ...
