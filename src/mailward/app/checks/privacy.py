"""PRIVACY-1: nothing is kept past its time, sent or received, here and now, and when the clock is moved."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path

from mailward.adapters.storage.records import BodyRef
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.vault.vault import Vault
from mailward.app.checks.marked import Rehearsal
from mailward.app.checks.registry import check
from mailward.app.checks.rehearsal import Clock, rehearse
from mailward.app.context import Context
from mailward.app.retention import Retention, default_terms
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import MailwardError
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.workspaces.data_keys import DataKeys
from mailward.core.workspaces.retention import DAY_US, Terms, terms
from mailward.policy.redaction import Mode

# A day's key goes when the last message of the day is over, and so do the day's rows on PostgreSQL: up to a day later
# than the first message's term. Upkeep runs every ten minutes, and has an hour.
_DAY = timedelta(days=1)
_MOST = 10_000
_GRACE_US = DAY_US + 3_600_000_000


@check("PRIVACY-1")
async def nothing_past_its_term(context: Context) -> Finding:
    """In every workspace: no message, no content and no data key of a day is older than the term and a day."""
    now = context.installation.now_us()
    default = default_terms(context.settings)
    workspaces = await context.store.system_read(lambda tx: tx.workspaces.all())
    for workspace in workspaces:
        kept = terms(workspace.settings, default)
        raw = ids.decode("ws", workspace.id)
        messages = now - kept.messages_days * DAY_US - _GRACE_US
        content = now - kept.content_days * DAY_US - _GRACE_US
        over = await context.store.system_read(partial(_past, raw, messages, content))
        received = await context.store.read(workspace.id, partial(_received_past, messages, content))
        if any(over) or any(received):
            what = f"{over[0]} messages, content of {over[1]}, data keys of {over[2]} days"
            what += f", {received[0]} received messages, content of {received[1]}"
            return failed(f"{workspace.id} keeps more than its terms allow ({_told(kept)}): {what}")
    return passed(f"{len(workspaces)} workspaces keep nothing past their terms; the installation's: {_told(default)}")


@check("PRIVACY-1")
async def a_day_after_its_term_it_is_gone(context: Context) -> Finding:
    """A message of a store of its own, under the installation's terms: there on the last day, nowhere on the next."""
    default = default_terms(context.settings)
    kept = default._replace(content_days=min(default.content_days, default.messages_days))
    with tempfile.TemporaryDirectory(prefix="mailward-rehearsal-") as folder:
        fault = await rehearse(Path(folder), context.entropy, kept)
        fault = fault or await _received_goes(Path(folder) / "received", context.entropy, kept)
    if fault:
        return failed(fault)
    return passed(
        f"rehearsed with a moved clock ({_told(kept)}): all there on the last day; a day later row, search tokens, "
        "segment file and data key are gone, and a copy of the file no longer opens; of a received message likewise"
    )


async def _received_goes(folder: Path, entropy: Entropy, kept: Terms) -> str:
    """A message that was received and handed over, under these terms; what went wrong, or ""."""
    clock, key = Clock(), entropy.bytes(32)
    SqliteStore.prepare(folder / "data", key, clock)
    store = SqliteStore(folder / "data", key, worker=0, entropy=entropy)
    await store.open()
    try:
        keys = DataKeys(store, Vault(folder / "keys", entropy, now=clock.now()).service, entropy)
        rehearsal = Rehearsal(store, keys, clock, entropy)
        await rehearsal.make(Mode.KEEP)
        id = await rehearsal.receive("rehearsal")
        if not await rehearsal.hand_over("rehearsal"):
            return "received mail did not reach its endpoint"
        retention = Retention(store, default=kept, search_key=lambda _: bytes(32), now=clock.now)
        began, body = clock.at, await _body_of(store, rehearsal.workspace, id)

        async def left(days: timedelta) -> tuple[bool, bool]:
            """Whether the row is there, and whether its content opens, so long after it came."""
            clock.at = began + days
            await retention.run()
            found = await store.read(rehearsal.workspace, lambda tx: tx.inbound.received(id))
            keys.forget()
            try:
                opened = body is not None and b"rehearsal" in await rehearsal.opens(id, body)
            except MailwardError:
                opened = False
            return found is not None, opened or (found is not None and found.body is not None)

        content, messages = timedelta(days=kept.content_days), timedelta(days=kept.messages_days)
        if await left(content - timedelta(minutes=1)) != (True, True):
            return f"a received message was gone before day {kept.content_days}"
        row, opens = await left(content + _DAY)
        if opens or (content + _DAY < messages and not row):
            return f"content of a received message was left a day after its term of {kept.content_days} days"
        if (await left(messages + _DAY))[0]:
            return f"a received message was left a day after its term of {kept.messages_days} days"
        return ""
    finally:
        await store.close()


async def _body_of(store: SqliteStore, workspace: WorkspaceId, id: bytes) -> BodyRef | None:
    found = await store.read(workspace, lambda tx: tx.inbound.received(id))
    return None if found is None or found.body is None else BodyRef(*found.body)


async def _received_past(messages: int, content: int, tx: Tx) -> tuple[int, int]:
    """Received messages from before a time, and those from before another with content; what is on its way apart."""
    rows = await tx.inbound.older(below=_id_at(messages), limit=_MOST)
    bodies = await tx.inbound.with_content(after=b"", below=_id_at(content), limit=_MOST)
    waiting = await tx.inbound.waiting_among([*rows, *bodies])
    return sum(m not in waiting for m in rows), sum(m not in waiting for m in bodies)


def _id_at(us: int) -> bytes:
    return (max(0, us) // 1000).to_bytes(6, "big") + bytes(10)


async def _past(workspace: bytes, messages: int, content: int, tx: Tx) -> tuple[int, int, int]:
    return await tx.evidence.past_terms(workspace, messages, content)


def _told(kept: tuple[int, int]) -> str:
    return f"messages {kept[0]} days, content {kept[1]}"
