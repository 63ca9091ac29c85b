"""The committing process where the store is PostgreSQL: opens it, and serves the workers until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import structlog

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.storage.committing.frames import SharedVerb
from mailward.adapters.storage.postgres.engine import PostgresStore
from mailward.adapters.storage.postgres.serving import Serving
from mailward.adapters.vault.vault import Vault
from mailward.app.plan import CommitterPlan
from mailward.app.stores import make_store
from mailward.app.watchdog import Sign
from mailward.base.errors import Unavailable
from mailward.base.sources import Entropy

log = structlog.get_logger()

_LOOK_SECONDS = 0.5
# Workers commit by themselves while there is no database for us, so there is no hurry.
_AGAIN_SECONDS = 2.0


async def serve(plan: CommitterPlan, vault: Vault, verbs: list[SharedVerb], entropy: Entropy, *, worker: int) -> None:
    """Until SIGTERM, SIGINT, or the supervisor is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = await _opened(plan, vault, entropy, worker, stop)
    if store is None:
        return
    serving = Serving(store, verbs)
    await serving.start(socket.socket(fileno=plan.listener))
    log.info("committing")
    if plan.signs >= 0:
        Sign(plan.signs, plan.place).keep(loop)
    while not stop.is_set() and os.getppid() == plan.supervisor:
        await _pause(stop, _LOOK_SECONDS)
    await serving.stop()
    await store.close()


async def _opened(
    plan: CommitterPlan, vault: Vault, entropy: Entropy, worker: int, stop: asyncio.Event
) -> PostgresStore | None:
    while not stop.is_set() and os.getppid() == plan.supervisor:
        store = make_store(plan.settings, vault, worker=worker, clock=SystemClock(), entropy=entropy)
        assert isinstance(store, PostgresStore)
        try:
            await store.open()
        except Unavailable as e:
            log.warning("committer_waits", code=e.code, detail=e.detail)
            await _pause(stop, _AGAIN_SECONDS)
            continue
        return store
    return None


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
