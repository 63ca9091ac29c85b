"""AVAIL-1: what crashes workers is parked. Processes really die, of a message in a store of the check's own."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.host.in_hand import InHand
from mailward.adapters.storage.records import BodyRef
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.checks.registry import check
from mailward.app.context import Context, cli_actor
from mailward.app.poison import examine
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.delivery.lease import lease
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.guard.deaths import MOST
from mailward.core.guard.model import Digests
from mailward.core.messages.model import DeliveryState, MessageFacts
from mailward.core.submission.model import Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.workspaces import change

# A worker as far as this is concerned: it takes its page, works on a message, and ends from one instant to the next.
_WORKER = """
import os, signal, sys
from pathlib import Path
from mailward.adapters.host.in_hand import SENDING, InHand
page, generation, workspace, message = sys.argv[1:]
hand = InHand(Path(page))
hand.begin(int(generation))
with hand.holding(SENDING, bytes.fromhex(workspace), bytes.fromhex(message)):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@check("AVAIL-1")
async def what_kills_workers_is_parked(context: Context) -> Finding:
    """Processes die of a message, as the running platform would see it, over a store in a temporary folder: the third
    death holds that message, with an alert, and the one beside it is still given out.
    """
    with tempfile.TemporaryDirectory(prefix="mailward-verify-") as folder:
        try:
            wrong = await rehearse(Path(folder), context.entropy)
        except Unavailable as e:
            return failed(f"the rehearsal could not run: {e.code}")
    return failed(wrong) if wrong else passed(
        f"{MOST} processes were killed over one message: it is held, with an alert, and the one beside it goes on"
    )  # fmt: skip


async def rehearse(folder: Path, entropy: Entropy) -> str:
    """Let workers die in an empty folder; what went wrong, or ""."""
    key = entropy.bytes(32)
    SqliteStore.prepare(folder / "data", key, SystemClock())
    store = SqliteStore(folder / "data", key, worker=0, entropy=entropy)
    await store.open()
    try:
        return await _run(store, folder / "in-hand" / "0", entropy)
    finally:
        await store.close()


async def _run(store: SqliteStore, page: Path, entropy: Entropy) -> str:
    now, raw = SystemClock().now(), entropy.bytes(16)
    at, workspace = int(now.timestamp() * 1_000_000), WorkspaceId(ids.encode("ws", raw))
    actor = replace(cli_actor(workspace), kind="system", id="rehearsal")
    await store.system_write(
        partial(change.create, actor=actor, name="Rehearsal", now=now, entropy=entropy, id=workspace)
    )
    poison, neighbour = [await _accept(store, raw, at, entropy) for _ in range(2)]
    digests = Digests(entropy.bytes(32))
    for generation in range(1, MOST + 1):
        if not await _die(page, generation, raw, poison):
            return "a process could not be killed while it worked on a message"
        hand = InHand(page)
        found = await examine(store, hand, digests, now=now, entropy=entropy)
        hand.close()
        if [(d.message, d.deaths, d.parked) for d in found] != [
            (ids.encode("msg", poison), generation, generation == MOST)
        ]:
            return f"after {generation} deaths: {_told(found)}"
    given = await store.system_write(lambda tx: lease(tx, 1, now=at + 1, until=at + 2, limit=9, turn=0))
    (copy,) = (await store.read(workspace, lambda tx: tx.deliveries.of([poison])))[poison]
    if [w.id for w in given] != [neighbour] or copy.state is not DeliveryState.HELD:
        return "what killed workers is given out again, or what waited beside it is not"
    alerts = await store.read(workspace, lambda tx: tx.guard.alerts(before=None, limit=2))
    return "" if [a.rule for a in alerts] == ["poison-message"] else "nobody is alerted about what killed workers"


async def _accept(store: SqliteStore, raw: bytes, at: int, entropy: Entropy) -> bytes:
    id = ids.new_raw(at // 1000, entropy)
    facts = MessageFacts("api", "verify", "rehearsal.invalid", "", "", "", "", "", 0)
    counters = await store.system_read(lambda tx: tx.counters.all())
    epochs = (counters.get("auth_epoch", 0), counters.get("domains_epoch", 0))
    to = [Recipient("somebody@rehearsal.invalid", bytes(8))]
    made = Submission(id, at, facts, to, DeliveryState.QUEUED, at, 0, epochs)
    await store.write(ids.encode("ws", raw), lambda tx: record(tx, [(made, BodyRef(0, 0, 0))]))
    return id


async def _die(page: Path, generation: int, workspace: bytes, message: bytes) -> bool:
    given = (str(page), str(generation), workspace.hex(), message.hex())
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", _WORKER, *given)
    return await child.wait() == -signal.SIGKILL


def _told(found: Sequence[object]) -> str:
    return "nothing was counted" if not found else "it was not counted, or parked too early or not at all"
