"""Chores of figures and of the request log: batches in, old rows out."""

from __future__ import annotations

from functools import partial

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.sources import Clock
from mailward.core.messages.model import HOUR_US
from mailward.core.requests import look
from mailward.core.requests.model import LEFT_OUT, Request, request_id
from mailward.edges.web.request_log import RequestLog

HOURS_KEPT = 90 * 24


async def write_requests(store: Store, gathered: RequestLog, now: int) -> int:
    """Write what this process gathered; how many. What cannot be written is lost: it is a record, not mail."""
    noted, left_out = gathered.take()
    rows = [
        (ids.decode("ws", workspace), Request(request_id(r.at, r.id), r.method, r.operation, r.status, r.us, r.actor))
        for workspace, requests in noted.items()
        for r in requests
    ]
    if rows:
        await store.system_write(lambda tx: look.keep(tx, rows))
    for workspace, n in left_out.items():

        async def count(tx: Tx, n: int = n) -> None:
            await tx.messages.count(now, {LEFT_OUT: n})

        await store.write(workspace, count)
    return len(rows)


async def end_terms(store: Store, clock: Clock) -> int:
    """Hours beyond their term become days; requests beyond theirs go. How many rows, over all workspaces."""
    now = int(clock.now().timestamp() * 1e6)
    gone = 0
    for workspace in await store.system_read(lambda tx: tx.workspaces.all()):
        gone += await store.write(workspace.id, partial(_end, now=now))
    return gone


async def _end(tx: Tx, *, now: int) -> int:
    return await tx.messages.fold(now // HOUR_US - HOURS_KEPT) + await look.forget(tx, now=now)
