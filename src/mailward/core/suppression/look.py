"""Read the list: one address, or a page of a search."""

from __future__ import annotations

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.suppression.model import Entry, Page, Reason, normalise, token
from mailward.core.suppression.ports import SuppressionTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

PAGE_MAX = 500


async def get(tx: SuppressionTx, actor: Actor, target: str, *, key: bytes) -> list[Entry]:
    """The entry with an id, or all entries of an address (one a stream). Raises NotFound when there is none."""
    access.require(actor, Permission.SUPPRESSION_READ)
    if "@" in target:
        entries = await tx.suppressions.by_token(token(key, normalise(target)))
    else:
        found = await tx.suppressions.by_id(ids.decode("sup", target))
        entries = [found] if found else []
    if not entries:
        raise NotFound("not_found", "This address is not on the suppression list.")
    return entries


async def page(
    tx: SuppressionTx,
    actor: Actor,
    *,
    cursor: str | None = None,
    limit: int = 50,
    search: str = "",
    reason: Reason | None = None,
    stream: str | None = None,
) -> Page:
    """Newest first. `cursor` is the id of the last entry seen; `limit` is clamped to 500."""
    access.require(actor, Permission.SUPPRESSION_READ)
    limit = max(1, min(limit, PAGE_MAX))
    before = ids.decode("sup", cursor) if cursor else None
    found = await tx.suppressions.page(before=before, limit=limit + 1, search=search, reason=reason, stream=stream)
    more = len(found) > limit
    entries = found[:limit]
    return Page(entries, entries[-1].id if more else None)
