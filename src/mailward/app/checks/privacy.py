"""PRIVACY-1: nothing is kept past its time, here and now, and when the clock is moved."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from mailward.app.checks.registry import check
from mailward.app.checks.rehearsal import rehearse
from mailward.app.context import Context
from mailward.app.retention import default_terms
from mailward.app.store import Tx
from mailward.base import ids
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.workspaces.retention import DAY_US, terms

# A day's key goes when the last message of the day is over, and so do the day's rows on PostgreSQL: up to a day later
# than the first message's term. Upkeep runs every ten minutes, and has an hour.
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
        if any(over):
            what = f"{over[0]} messages, content of {over[1]}, data keys of {over[2]} days"
            return failed(f"{workspace.id} keeps more than its terms allow ({_told(kept)}): {what}")
    return passed(f"{len(workspaces)} workspaces keep nothing past their terms; the installation's: {_told(default)}")


@check("PRIVACY-1")
async def a_day_after_its_term_it_is_gone(context: Context) -> Finding:
    """A message of a store of its own, under the installation's terms: there on the last day, nowhere on the next."""
    default = default_terms(context.settings)
    kept = default._replace(content_days=min(default.content_days, default.messages_days))
    with tempfile.TemporaryDirectory(prefix="mailward-rehearsal-") as folder:
        fault = await rehearse(Path(folder), context.entropy, kept)
    if fault:
        return failed(fault)
    return passed(
        f"rehearsed with a moved clock ({_told(kept)}): all there on the last day; a day later row, search tokens, "
        "segment file and data key are gone, and a copy of the file no longer opens"
    )


async def _past(workspace: bytes, messages: int, content: int, tx: Tx) -> tuple[int, int, int]:
    return await tx.evidence.past_terms(workspace, messages, content)


def _told(kept: tuple[int, int]) -> str:
    return f"messages {kept[0]} days, content {kept[1]}"
