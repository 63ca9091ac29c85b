"""Reading message bodies back: the record from its segment, the key from the vault, opened and checked."""

from __future__ import annotations

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.segments import BodyRef, open_record, read_record, record_key
from mailward.core.workspaces.data_keys import DataKeys


class Bodies:
    """Opens what `record` sealed."""

    def __init__(self, store: SqliteStore, keys: DataKeys) -> None:
        self._store = store
        self._keys = keys

    async def read(self, workspace: bytes, message: bytes, ref: BodyRef) -> bytes:
        """The content, byte for byte; Corrupt when it fails its check, NotFound when it is no longer kept."""
        record = await self._store.in_reader(lambda: read_record(self._store.segment_folder, ref))
        day, version = record_key(record)
        return open_record(record, workspace, message, await self._keys.open_key(workspace, day, version))
