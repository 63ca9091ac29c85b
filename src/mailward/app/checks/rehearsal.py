"""Retention rehearsed: a store of its own in a temporary folder, one message, and a clock that is moved past its term.

The code is the platform's own from acceptance to the removal of files; only the clock is not.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from mailward.adapters.storage.records import BodyRef, open_record, record_key
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.segments import read_record
from mailward.adapters.storage.sqlite.sweep import Sweeper
from mailward.adapters.vault.vault import Vault
from mailward.app.context import cli_actor
from mailward.app.retention import Retention
from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.messages.find import index
from mailward.core.messages.model import DeliveryState, MessageFacts
from mailward.core.messages.words import tokens_for
from mailward.core.submission.model import Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.workspaces import change
from mailward.core.workspaces.data_keys import DataKeys
from mailward.core.workspaces.retention import DAY_US, Terms

_SEARCH_KEY = b"rehearsal".ljust(32, b"\0")
_CONTENT = b"Subject: rehearsal\r\n\r\nThis is kept for its term and no longer.\r\n"
_RECIPIENT = "somebody@rehearsal.invalid"


class Clock:
    """Stands where it was put."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    @property
    def us(self) -> int:
        return int(self.at.timestamp() * 1_000_000)


@dataclass
class _Kept:
    """What of the message could be found."""

    row: bool
    content: bool
    found: bool
    files: int


async def rehearse(folder: Path, entropy: Entropy, kept: Terms) -> str:
    """Run it in an empty folder under these terms; what went wrong, or nothing."""
    clock = Clock()
    key = entropy.bytes(32)
    SqliteStore.prepare(folder / "data", key, clock)
    store = SqliteStore(folder / "data", key, worker=0, entropy=entropy)
    await store.open()
    try:
        return await _run(store, folder, clock, entropy, kept)
    finally:
        await store.close()


async def _run(store: SqliteStore, folder: Path, clock: Clock, entropy: Entropy, kept: Terms) -> str:
    raw = entropy.bytes(16)
    workspace = WorkspaceId(ids.encode("ws", raw))
    actor = replace(cli_actor(workspace), kind="system", id="rehearsal")
    await store.system_write(
        partial(change.create, actor=actor, name="Rehearsal", now=clock.now(), entropy=entropy, id=workspace)
    )
    keys = DataKeys(store, Vault(folder / "keys", entropy, now=clock.now()).service, entropy)
    retention = Retention(store, default=kept, search_key=lambda _: _SEARCH_KEY, now=clock.now)
    sweeper = Sweeper(store.segment_folder, lambda places: store.system_read(lambda tx: tx.data_keys.alive(places)))
    id = await _accept(store, keys, raw, clock, entropy)
    found = await store.read(workspace, lambda tx: tx.messages.get(id))
    assert found is not None
    assert found.body is not None
    ref = BodyRef(*found.body)
    copied = folder / "copied"
    shutil.copytree(store.segment_folder, copied)

    async def opens(where: Path) -> bool:
        keys.forget()
        try:
            sealed = read_record(where, ref)
            day, version = record_key(sealed)
            return open_record(sealed, raw, id, await keys.open_key(raw, day, version)) == _CONTENT
        except NotFound:
            return False

    async def look() -> _Kept:
        await retention.run()
        await sweeper.run()
        row = await store.read(workspace, lambda tx: tx.messages.get(id))
        hits = await store.read(
            workspace,
            lambda tx: tx.messages.found(tokens_for(_SEARCH_KEY, to=_RECIPIENT), before=None, limit=1),
        )
        files = sum(1 for p in store.segment_folder.iterdir() if p.stat().st_size)
        return _Kept(row is not None, row is not None and row.body is not None and await opens(store.segment_folder),
                     bool(hits), files)  # fmt: skip

    await store.write(workspace, partial(index, key=_SEARCH_KEY, below=b"\xff" * 16, limit=10))
    began = clock.at
    clock.at = began + timedelta(days=kept.content_days, minutes=-1)
    now = await look()
    if not (now.row and now.content and now.found):
        return f"something was gone before day {kept.content_days}: {now}"
    clock.at = began + timedelta(days=kept.content_days + 1)
    # Another day's message, so that the first one's segment is not the one that is written to.
    await _accept(store, keys, raw, clock, entropy)
    now = await look()
    if now.content or now.files != 1:
        return f"content was left a day after its term of {kept.content_days} days: {now}"
    if await opens(copied):
        return "a copy of the segment files still opens after the term"
    if kept.content_days + 1 < kept.messages_days and not (now.row and now.found):
        return f"what is known of the message went with its content: {now}"
    clock.at = began + timedelta(days=kept.messages_days + 1)
    now = await look()
    if now.row or now.found:
        return f"something was left a day after the term of {kept.messages_days} days: {now}"
    return ""


async def _accept(store: SqliteStore, keys: DataKeys, raw: bytes, clock: Clock, entropy: Entropy) -> bytes:
    id = ids.new_raw(clock.us // 1000, entropy)
    facts = MessageFacts("api", "key", "rehearsal.invalid", "a@rehearsal.invalid", "a@rehearsal.invalid", _RECIPIENT,
                         "rehearsal", f"<{id.hex()}@rehearsal.invalid>", len(_CONTENT))  # fmt: skip
    counters = await store.system_read(lambda tx: tx.counters.all())
    epochs = (counters.get("auth_epoch", 0), counters.get("domains_epoch", 0))
    item = Submission(
        id, clock.us, facts, [Recipient(_RECIPIENT, bytes(8))], DeliveryState.DELIVERED, clock.us, 0, epochs
    )
    key = await keys.seal_key(raw, clock.us // DAY_US)
    await store.write_item(record, raw, item, body=(id, key, _CONTENT))
    return id
