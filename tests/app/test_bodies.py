"""Reading a body back: what was let go is gone, and what was damaged is damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.records import HEAD, BodyRef, seal_record
from mailward.adapters.vault.keyfile import KeyFile
from mailward.app.bodies import Bodies
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Corrupt, NotFound
from mailward.core.workspaces.data_keys import DataKeys
from tests.core.conftest import WS, WS_ID

DAY = 20_000
AT_MS = DAY * 86_400_000 + 1000
CONTENT = b"Subject: kept\r\n\r\nkept\r\n"


class Kept:
    """A store of bodies that gives out one record, changed or not."""

    def __init__(self, store: Store, record: bytes) -> None:
        self.store = store
        self.record = record
        self.read = store.read

    async def read_body(self, ref: BodyRef) -> bytes:
        return self.record


async def test_a_damaged_head_is_told_as_damage(store: Store, tmp_path: Path) -> None:
    """Whichever octet of a record it is: the content is not over, and nobody is told that it is no longer kept."""
    keys = DataKeys(
        store, KeyFile(tmp_path / "k" / "master.key", SystemEntropy(), now=SystemClock().now()), SystemEntropy()
    )
    message = ids.new_raw(AT_MS, SystemEntropy())
    key = await keys.seal_key(WS, DAY)
    record = seal_record((WS, message, key, CONTENT), SystemEntropy())
    kept = Kept(store, record)
    bodies = Bodies(kept, keys)  # type: ignore[arg-type]  # the two doors that it uses
    ref = BodyRef(1, 0, len(record))
    assert await bodies.read(WS, message, ref, reader=None) == CONTENT
    # The day that a flip at octet 42 makes of ours is one whose key is destroyed: that says nothing of this content.
    flipped = DAY ^ 0x2000
    await keys.seal_key(WS, flipped)
    await store.write(WS_ID, lambda tx: tx.data_keys.destroy_days(WS, [flipped], 1))
    for at in (*range(HEAD), HEAD, len(record) - 1):
        changed = bytearray(record)
        changed[at] ^= 0x20
        kept.record = bytes(changed)
        with pytest.raises(Corrupt, match="content_corrupt"):
            await bodies.read(WS, message, ref, reader=None)
    kept.record = record
    await store.write(WS_ID, lambda tx: tx.data_keys.destroy_days(WS, [DAY], 1))
    keys.forget()
    with pytest.raises(NotFound, match="content_gone"):
        await bodies.read(WS, message, ref, reader=None)
