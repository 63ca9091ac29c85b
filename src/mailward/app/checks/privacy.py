"""PRIVACY-1: nothing is kept past its time."""

from __future__ import annotations

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, passed

_DAY_US = 86_400_000_000
# Upkeep runs through the day; a message may outlive its term by as much.
_GRACE_DAYS = 1


@check("PRIVACY-1")
async def nothing_past_its_term(context: Context) -> Finding:
    """The oldest message and the oldest live data key are younger than the retention period and a day."""
    keep = context.settings.retention
    limit = keep.messages_days + _GRACE_DAYS
    now = context.installation.now_us()
    oldest = await context.store.system_read(lambda tx: tx.evidence.oldest_message())
    if oldest is None:
        return passed(f"no messages; retention is {keep.messages_days} days")
    age = (now - oldest) / _DAY_US
    if age > limit:
        return failed(f"the oldest message is {age:.1f} days old; retention is {keep.messages_days} days")
    return passed(f"the oldest message is {age:.1f} days old; retention is {keep.messages_days} days")
