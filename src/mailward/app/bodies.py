"""Reading message bodies back: the record from its segment, the key from the vault, opened and checked."""

from __future__ import annotations

from typing import Protocol

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.segments import BodyRef, DataKey, open_record, read_record, record_key


class DataKeys(Protocol):
    """Where data keys come from. `current` answers from memory; `load` asks the store and the vault."""

    def current(self, workspace: bytes, day: int) -> DataKey | None: ...

    async def load(self, workspace: bytes, day: int) -> DataKey:
        """The key to seal with on a day; made on first use."""

    async def opening(self, workspace: bytes, day: int, version: int) -> DataKey:
        """The key a record was sealed with; NotFound when it was destroyed."""


class Bodies:
    """Opens what `record` sealed."""

    def __init__(self, store: SqliteStore, keys: DataKeys) -> None:
        self._store = store
        self._keys = keys

    async def read(self, workspace: bytes, message: bytes, ref: BodyRef) -> bytes:
        """The content, byte for byte; Corrupt when it fails its check, NotFound when it is no longer kept."""
        record = await self._store.in_reader(lambda: read_record(self._store.segment_folder, ref))
        day, version = record_key(record)
        return open_record(record, workspace, message, await self._keys.opening(workspace, day, version))
