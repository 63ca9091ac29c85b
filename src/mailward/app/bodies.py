"""Reading message bodies back: the record from its segment, the key from the vault, opened and checked."""

from __future__ import annotations

from mailward.adapters.storage.records import BodyRef, open_record, record_key
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Corrupt, NotFound
from mailward.core.redaction.private import BODY_MAGIC, Opened, sealed_under, unseal, unseal_body
from mailward.core.workspaces.data_keys import DataKeys
from mailward.policy.access import Actor

_DAY_MS = 86_400_000
_DAMAGED = "The stored content failed its check."


class Bodies:
    """Opens what `record` sealed."""

    def __init__(self, store: Store, keys: DataKeys) -> None:
        self._store = store
        self._keys = keys

    async def read(self, workspace: bytes, message: bytes, ref: BodyRef, *, reader: Actor | None) -> bytes:
        """The content, byte for byte; Corrupt when it fails its check, NotFound when it is no longer kept.

        `reader` is whoever is going to see it, None for the platform's own work (delivery);
        it has to be said each time, so that no read of an operator passes the vault unseen.
        """
        record = await self._store.read_body(ref)
        day, version = record_key(record)
        try:
            key = await self._keys.open_key(workspace, day, version, reader=reader)
        except NotFound as e:
            # Ids begin with their time. The key of quite another day says nothing of this content: the head is damaged.
            if abs(day - int.from_bytes(message[:6], "big") // _DAY_MS) > 1:
                raise Corrupt("content_corrupt", _DAMAGED, detail="another day's record") from e
            raise
        content = open_record(record, workspace, message, key)
        if not content.startswith(BODY_MAGIC):
            return content
        opened = await self.private(workspace, message, reader=reader)
        if opened is None:
            raise NotFound("content_gone", "The content of this message is no longer kept.", detail="own key deleted")
        return unseal_body(content, opened.key, message)

    async def private(self, workspace: bytes, message: bytes, *, reader: Actor | None = None) -> Opened | None:
        """The private part of a message under way (core/redaction); None when it has none, or has it no more."""
        row = await self._store.read(ids.encode("ws", workspace), lambda tx: tx.redaction.private(message))
        if row is None:
            return None
        day, version = sealed_under(row)
        key = await self._keys.open_key(workspace, day, version, reader=reader)
        return unseal(row, workspace, message, key)
