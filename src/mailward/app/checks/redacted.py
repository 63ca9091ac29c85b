"""PRIVACY-2: what a workspace does not want stored is nowhere at rest, rehearsed with a mark, and overdue nowhere."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path

from mailward.adapters.storage.records import BodyRef
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.vault.vault import Vault
from mailward.app.checks.marked import Rehearsal
from mailward.app.checks.registry import check
from mailward.app.checks.rehearsal import Clock
from mailward.app.checks.storage import search, spellings
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.base.errors import MailwardError
from mailward.base.sources import Entropy
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.redaction import past
from mailward.core.workspaces.data_keys import DataKeys
from mailward.policy.redaction import Mode

# Upkeep looks every five seconds, and works a long past off beside the mail.
_GRACE_US = 3_600_000_000


@check("PRIVACY-2")
async def a_mark_is_nowhere_after_delivery(context: Context) -> Finding:
    """Marked messages, sent and received, through a store of its own: each field redacted, then each never stored.

    Sender, recipients, subject, content, ESMTP parameters and the other side's replies hold the mark. After the last
    outcome it is looked for in each column of each table as its key opens them, in each file as it lies in the
    folder, in the search index, and in the place where the body was.
    """
    looked = 0
    for mode in (Mode.NEVER, Mode.REDACT):
        with tempfile.TemporaryDirectory(prefix="mailward-redaction-") as folder:
            fault, cells = await _rehearse(Path(folder), context.entropy, mode)
        if fault:
            return failed(f"with every field set to {mode.value}: {fault}")
        looked += cells
    return passed(
        "marked messages were delivered and handed over, and their mark is nowhere: not in "
        f"{looked} values of all tables opened with their key, in no file, not in the search index, and a body does "
        "not open; the address that was refused is still not written to"
    )


async def _rehearse(folder: Path, entropy: Entropy, mode: Mode) -> tuple[str, int]:
    """(what went wrong or nothing, how many values were looked at)."""
    clock, key = Clock(), entropy.bytes(32)
    data = folder / "data"
    SqliteStore.prepare(data, key, clock)
    store = SqliteStore(data, key, worker=0, entropy=entropy)
    await store.open()
    mark = "mwmark" + entropy.bytes(12).hex()
    try:
        vault = Vault(folder / "keys", entropy, now=clock.now())
        rehearsal = Rehearsal(store, DataKeys(store, vault.service, entropy), clock, entropy)
        await rehearsal.make(mode)
        await rehearsal.accept(mark)
        id = await rehearsal.accept(mark, kept=False)
        found = await store.read(rehearsal.workspace, lambda tx: tx.messages.get(id))
        if found is None or found.body is None:
            return "a message that waits to be sent has no content", 0
        if mode is Mode.NEVER and (places := await rehearsal.found(mark)):
            return f"before delivery the mark is found in {', '.join(dict.fromkeys(places))}", 0
        for work in [*rehearsal.works, *await rehearsal.leased()]:
            await rehearsal.deliver(work)
        if sum(mark in said for said in rehearsal.said) < 3:
            return "mail did not flow", 0
        if await store.read(rehearsal.workspace, lambda tx: tx.redaction.privates(b"", 1)):
            return "a key is left after the last outcome", 0
        if mode is Mode.NEVER and (places := await rehearsal.found(mark)):
            return f"at delivery the mark is written to {', '.join(dict.fromkeys(places))}", 0
        clock.at += timedelta(minutes=1)
        await rehearsal.receive(mark)
        if mode is Mode.NEVER and (places := await rehearsal.found(mark)):
            return f"of received mail the mark is found in {', '.join(dict.fromkeys(places))}", 0
        if not await rehearsal.hand_over(mark):
            return "received mail did not reach its endpoint whole", 0
        clock.at += timedelta(minutes=1)
        await rehearsal.upkeep()
        places = await rehearsal.found(mark)
        if places:
            return f"the mark is found in {', '.join(dict.fromkeys(places))}", 0
        if not await rehearsal.suppressed(mark):
            return "an address that was refused for good is written to again", 0
        try:
            if mark.encode() in await rehearsal.opens(id, BodyRef(*found.body)):
                return "the body opens where it lay", 0
        except MailwardError:
            pass
        columns, cells = await asyncio.to_thread(_cells, data / "state.db", key, mark)
        if columns:
            return f"the mark is in {', '.join(columns[:5])}", cells
    finally:
        await store.close()
    _, _, files = await asyncio.to_thread(search, folder, spellings(mark))
    return (f"the mark is readable in {', '.join(files[:5])}" if files else ""), cells


def _cells(path: Path, key: bytes, mark: str) -> tuple[list[str], int]:
    """(tables that hold the mark in any column, values looked at), with the file's own key and no view between."""
    needles = spellings(mark)
    db = connect(path, key)
    try:
        tables = [str(r[0]) for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: list[str] = []
        cells = 0
        for table in tables:
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608  # names from the schema itself
                values = [v.encode("utf-8", "surrogatepass") if isinstance(v, str) else v for v in row]
                cells += len(values)
                if any(isinstance(v, bytes) and any(n in v for n in needles) for v in values):
                    found.append(table)
        return list(dict.fromkeys(found)), cells
    finally:
        db.close()


@check("PRIVACY-2")
async def rules_are_kept(context: Context) -> Finding:
    """In each workspace that redacts: nothing is an hour overdue, and no key is left of a message that has ended."""
    now = context.installation.now_us() - _GRACE_US
    found = [w for w in await context.store.system_read(lambda tx: tx.workspaces.all()) if w.settings.redaction.on]
    for workspace in found:
        marks = await context.store.read(workspace.id, lambda tx: tx.redaction.marks())
        for one in past.passes(workspace.settings.redaction, marks, now=now):
            if await context.store.read(workspace.id, partial(past.anything_due, todo=[one])):
                return failed(f"{workspace.id}: {one.kind} mail is not redacted in time: {', '.join(one.fields)}")
        if left := await context.store.read(workspace.id, partial(_keys_left, now)):
            return failed(f"{workspace.id} keeps the keys of {left} messages that have ended")
    return passed(f"{len(found)} workspaces redact fields; nothing is an hour overdue and no ended message has a key")


async def _keys_left(before: int, tx: Tx) -> int:
    """Private parts of messages from before a time that have no copy under way."""
    oldest = [m for m in await tx.redaction.privates(b"", 1000) if int.from_bytes(m[:6], "big") * 1000 < before]
    busy = await tx.retention.open_among(oldest) | await tx.inbound.unfinished_among(oldest)
    return sum(m not in busy for m in oldest)
