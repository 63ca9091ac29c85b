"""A message that kills its worker: what the successor finds, counts and parks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.host.in_hand import HANDING, SENDING, InHand
from mailward.app import poison
from mailward.app.checks import crashing
from mailward.app.poison import bury
from mailward.app.store import Store
from mailward.base import ids
from mailward.core.delivery.lease import lease
from mailward.core.guard.model import Digests
from mailward.core.inbound import quarantine
from mailward.core.inbound.model import CopyState
from mailward.core.messages import change
from mailward.core.messages.model import DeliveryState
from mailward.core.webhooks.enqueue import tell
from tests.core.conftest import T0, WS, WS_ID, put, submission
from tests.core.inbound.inbound_rig import ACTOR, RAW, World

DIGESTS = Digests(b"k" * 32)
# A worker as far as this is concerned: it takes the page, works on a message, and the processor stops it.
WORKER = """
import ctypes, sys
from pathlib import Path
from mailward.adapters.host.in_hand import InHand
page, generation, kind, workspace, message, other = sys.argv[1:]
hand = InHand(Path(page))
hand.begin(int(generation))
with hand.holding(int(kind), bytes.fromhex(workspace), bytes.fromhex(other)):
    pass
with hand.holding(int(kind), bytes.fromhex(workspace), bytes.fromhex(message)):
    ctypes.string_at(0)
"""


def die(page: Path, generation: int, kind: int, workspace: bytes, message: bytes, other: bytes) -> None:
    """Run it to its end."""
    given = [str(page), str(generation), str(kind), workspace.hex(), message.hex(), other.hex()]
    ended = subprocess.run([sys.executable, "-c", WORKER, *given], check=False)
    assert ended.returncode == -signal.SIGSEGV


@pytest.mark.claim("AVAIL-1")
async def test_a_message_that_three_workers_died_of_is_held(
    store: Store, tmp_path: Path, clock: Any, entropy: Any
) -> None:
    """It is out of the queue, with its reason, on the timeline and with an alert; what waited beside it goes on. Read
    again, the same death counts once; released, it is held again by the next."""
    page = tmp_path / "in-hand" / "0"
    for n in (1, 2):
        await put(store, submission(n, "ann@x.test"))
    poison, other = submission(1).id, submission(2).id

    async def buried(generation: int) -> int:
        die(page, generation, SENDING, WS, poison, other)
        parked = 0
        for _ in range(2):
            parked += await bury(store, InHand(page), DIGESTS, now=clock.now(), entropy=entropy)
        return parked

    assert [await buried(g) for g in (7, 8)] == [0, 0]
    assert await buried(9) == 1
    works = await store.system_write(lambda tx: lease(tx, 10, now=T0 + 1, until=T0 + 9, limit=9, turn=0))
    assert [w.id for w in works] == [other]
    (copy,) = (await store.read(WS_ID, lambda tx: tx.deliveries.of([poison])))[poison]
    assert (copy.state, copy.reason) == (DeliveryState.HELD, "crashed")
    moments = await store.read(WS_ID, lambda tx: tx.messages.timeline(poison))
    assert [m for _, m, _ in moments] == ["parked"]
    (alert,) = await store.read(WS_ID, lambda tx: tx.guard.alerts(before=None, limit=9))
    assert (alert.rule, alert.subject) == ("poison-message", ids.encode("msg", poison))
    at = int(clock.now().timestamp() * 1e6)
    assert await store.write(WS_ID, lambda tx: change.release(tx, ACTOR, poison, now=at, tell=tell)) == 1
    assert await buried(11) == 1


@pytest.mark.claim("EMAIL-9")
async def test_a_received_message_that_three_workers_died_of_is_in_quarantine(
    store: Store, tmp_path: Path, clock: Any, entropy: Any
) -> None:
    """Its copy is handed over no more until somebody releases it; the others are."""
    world, page = World(store, clock, entropy), tmp_path / "in-hand" / "0"
    route = await world.route()
    poison, other = await world.take(route), await world.take(route)
    for generation in (1, 2, 3):
        die(page, generation, HANDING, RAW, poison, other)
        await bury(store, InHand(page), DIGESTS, now=clock.now(), entropy=entropy)
    assert [w.message.id for w in await world.lease()] == [other]
    assert (await world.state(poison, route))[0] is CopyState.QUARANTINED
    kept = await store.read(ACTOR.workspace, lambda tx: tx.inbound.received(poison))
    assert kept is not None
    assert "ended the worker" in kept.reason
    name = ids.encode("rcv", poison)
    assert await store.write(ACTOR.workspace, lambda tx: quarantine.release(tx, ACTOR, name, now=clock.now())) == 1


def test_a_page_says_nothing_of_what_ended_well(tmp_path: Path) -> None:
    """Work that is over is not noted, more at once than there are places is not an error, and a new page is empty."""
    hand = InHand(tmp_path / "page")
    hand.begin(5)
    held = [hand.holding(SENDING, b"w" * 16, bytes([n]) * 16) for n in range(70)]
    for one in held:
        one.__enter__()
    assert len(hand.left()[1]) == 64
    for one in held:
        one.__exit__(None, None, None)
    assert hand.left() == (5, [])
    with hand.holding(HANDING, b"w" * 16, b"m" * 16):
        assert InHand(tmp_path / "page").left()[1] == [(HANDING, b"w" * 16, b"m" * 16)]
        InHand(tmp_path / "page").begin(6)
    assert hand.left() == (6, [])


@pytest.mark.claim("AVAIL-1")
async def test_the_rehearsal_holds_and_notices_what_is_not_parked(
    tmp_path: Path, entropy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check's own store sees one message parked; were nothing parked, the check would say so."""
    (tmp_path / "well").mkdir()
    assert await crashing.rehearse(tmp_path / "well", entropy) == ""
    monkeypatch.setattr(poison, "MOST", 99)
    (tmp_path / "lax").mkdir()
    assert "not at all" in await crashing.rehearse(tmp_path / "lax", entropy)
