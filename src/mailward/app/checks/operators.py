"""AUTHZ-3, AUTHZ-4 and PEOPLE-1: who runs the installation, what they may read, and who looks at that."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from mailward.app.checks.breakglass import Drill, break_glass, lapse, quarter, refused
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.base import ids
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.operators.model import LONGEST, GrantState, Reader
from mailward.core.operators.review import SUSPENDS
from mailward.policy.access import Permission


async def _drilled(context: Context, part: Callable[[Drill], Awaitable[list[str]]]) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="mailward-drill-") as folder:
        drill = Drill(Path(folder), context.entropy)
        await drill.open()
        try:
            return await part(drill)
        finally:
            await drill.close()
            await asyncio.sleep(0)


@check("AUTHZ-3")
async def no_read_without_a_grant(context: Context) -> Finding:
    """An operator's read with every permission and no grant, asked of this vault; a drill; and every grant there is."""
    workspace = context.actor.workspace
    forged = Reader(workspace, "operator", "usr_" + "0" * 26, frozenset(Permission))
    key = context.installation.data_keys.open_key(ids.decode("ws", workspace), 0, 1, reader=forged)
    if await refused(key) != "no_grant":
        return failed("the vault did not refuse an operator without a grant")
    if wrong := await _drilled(context, break_glass):
        return failed("; ".join(wrong))
    known = await context.store.system_read(lambda tx: tx.operators.grants(limit=1000))
    now = context.clock.now()
    for g in known:
        if g.approver is not None and g.approver == g.operator:
            return failed(f"{g.id} was approved by who asked for it")
        if g.began is not None and g.ends is not None and g.ends - g.began > LONGEST:
            return failed(f"{g.id} lasts longer than any grant may")
        if g.state is GrantState.LIVE and g.ends is not None and now - g.ends > timedelta(minutes=10):
            return failed(f"{g.id} is over and was not ended")
    return passed(f"no key for an operator without a grant; the drill held; {len(known)} grants, each within its rules")


@check("AUTHZ-4")
async def access_is_reviewed(context: Context) -> Finding:
    """A quarter in a drill, and no review here older than its term with something undecided that was let be."""
    if wrong := await _drilled(context, quarter):
        return failed("; ".join(wrong))
    now = context.clock.now()
    still = await context.store.system_read(lambda tx: tx.reviews.open())
    late = [r.id for r in still if now - r.opened > SUSPENDS + timedelta(days=1) and r.suspended is None]
    if late:
        return failed(f"{len(late)} reviews are over their term and nothing was suspended")
    return passed(
        f"a quarter drilled: opened, decided, escalated, suspended; {len(still)} reviews open here, none late"
    )


@check("PEOPLE-1")
async def lapses_block(context: Context) -> Finding:
    """A lapse in a drill: the grant is refused and somebody told; and what is on file of the operators here."""
    if wrong := await _drilled(context, lapse):
        return failed("; ".join(wrong))
    now = context.clock.now()
    serving = await context.store.system_read(lambda tx: tx.operators.serving())
    lapsed = sum(bool(o.register.lapses(now)) for o in serving)
    return passed(
        f"a lapse drilled: refused and told; {len(serving)} operators here, {lapsed} of them blocked by theirs"
    )
