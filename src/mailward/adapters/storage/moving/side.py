"""What a move asks of a store, whichever it is; and the note it leaves in the target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from mailward.adapters.storage.moves import Begun
from mailward.adapters.storage.moving.tables import Row, Table

__all__ = ["HEAD", "Begun", "Key", "Page", "Source", "Step", "Target"]

Key = tuple[object, ...]
"""A place in a table, in the order in which its own store reads it."""


@dataclass(slots=True)
class Page:
    """Rows in order, each with its place. `lost` counts those on the way that cannot be told in the embedded form."""

    rows: list[tuple[Key, Row]] = field(default_factory=list)
    lost: int = 0


class Step(msgspec.Struct, kw_only=True):
    """How far a table has come."""

    after: list[object] | None = None
    """The place of the last row that arrived."""
    rows: int = 0
    lost: int = 0
    done: bool = False


HEAD = ""
"""The step under which the note of the whole move is kept; others go by their table."""


class Source(Protocol):
    """Reads. Opens a snapshot when it is opened, so that all tables are of one moment."""

    async def count(self, table: Table) -> int:
        """How many rows there are."""
        ...

    def pages(self, table: Table, after: Key | None, size: int) -> AsyncIterator[Page]:
        """Rows behind a place, in order, `size` at a time."""
        ...

    async def fingerprint(self) -> bytes:
        """Changes whenever the platform ran or anybody acted on the store: it is read afresh, not from the snapshot."""
        ...


class Target(Source, Protocol):
    """Writes, and reads back what was committed."""

    async def first_occupied(self) -> str | None:
        """The name of a table that has rows; None when the store is empty."""
        ...

    async def steps(self) -> dict[str, bytes]:
        """The notes a move has left."""
        ...

    async def write(self, table: Table | None, rows: Sequence[Row], notes: dict[str, bytes | None]) -> None:
        """Rows and notes (None removes one) in one durable transaction."""
        ...
