"""keep(), look(), forget(): the life of the request log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mailward.core.requests.model import KEPT_DAYS, KEPT_MOST, Request
from mailward.core.requests.ports import RequestsTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_DAY_US = 86_400_000_000


class Page(NamedTuple):
    """Newest first; `next` is the `before` of the following page, None at the end."""

    requests: list[Request]
    next: bytes | None


async def keep(tx: RequestsTx, rows: Sequence[tuple[bytes, Request]]) -> int:
    """Write what a process gathered, each with the workspace it belongs to. System scope."""
    await tx.requests.add(rows)
    return len(rows)


async def look(
    tx: RequestsTx,
    actor: Actor,
    *,
    before: bytes | None = None,
    limit: int = 50,
    failed: bool = False,
    operation: str = "",
    by: str = "",
) -> Page:
    """A page of the log; all filters have to fit."""
    access.require(actor, Permission.WORKSPACE_READ)
    found = await tx.requests.page(before=before, limit=limit + 1, failed=failed, operation=operation, actor=by)
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


async def forget(tx: RequestsTx, *, now: int) -> int:
    """Drop what is older than its term or more than is kept; how many. `now` is microseconds UTC."""
    return await tx.requests.drop((now - KEPT_DAYS * _DAY_US).to_bytes(8, "big"), KEPT_MOST)
