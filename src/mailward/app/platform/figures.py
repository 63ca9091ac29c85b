"""The figures area of the dashboard: what happened by the hour and day, and the log of requests."""

from __future__ import annotations

import base64
from collections import defaultdict

from mailward.app.platform.views import at
from mailward.app.store import Store, Tx
from mailward.base.errors import Invalid
from mailward.base.sources import Clock
from mailward.core.messages.figures import TOOK, percentile
from mailward.core.messages.model import HOUR_US
from mailward.core.requests import look
from mailward.core.requests.look import Page
from mailward.core.requests.model import LEFT_OUT
from mailward.edges.web.dashboard.ports import Bucket, Requested, RequestsAsked, RequestsPage, Span, Spread
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_SPANS = {Span.DAY: (24, 1), Span.WEEK: (168, 1), Span.MONTH: (720, 24), Span.QUARTER: (2160, 24)}
"""How many hours back, and how many hours a bucket holds."""
_ID = 18


class Figures:
    """Implements `edges.web.dashboard.ports.Figures`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def spread(self, actor: Actor, span: Span) -> Spread:
        """Buckets without a gap, oldest first, from counters: the messages are not looked at."""
        access.require(actor, Permission.WORKSPACE_READ)
        hours, step = _SPANS[span]
        # Days begin at midnight UTC; the present one is not over yet.
        last = int(self._clock.now().timestamp() * 1e6) // HOUR_US // step
        first = last - hours // step + 1
        rows = await self._store.read(actor.workspace, lambda tx: tx.messages.hours(first * step))
        by: dict[int, dict[str, int]] = defaultdict(dict)
        whole: dict[str, int] = {}
        for hour, what, n in rows:
            counts = by[hour // step]
            counts[what] = counts.get(what, 0) + n
            whole[what] = whole.get(what, 0) + n
        buckets = [_bucket(n * step, by.get(n, {})) for n in range(first, last + 1)]
        return Spread(buckets, _bucket(first * step, whole), step == 1)

    async def requests(self, actor: Actor, asked: RequestsAsked) -> RequestsPage:
        """A page of the log, and how many of the last day's requests are not in it."""
        before = _cursor(asked.cursor)
        since = int(self._clock.now().timestamp() * 1e6) // HOUR_US - 23

        async def verb(tx: Tx) -> tuple[Page, int]:
            page = await look.look(
                tx,
                actor,
                before=before,
                limit=asked.limit,
                failed=asked.failed,
                operation=asked.operation,
                by=asked.actor,
            )
            return page, sum(n for _, what, n in await tx.messages.hours(since) if what == LEFT_OUT)

        page, left_out = await self._store.read(actor.workspace, verb)
        return RequestsPage(
            [
                Requested(r.public_id, at(r.at), r.method, r.operation, r.status, r.us / 1000, r.actor)
                for r in page.requests
            ],
            base64.urlsafe_b64encode(page.next).decode() if page.next is not None else None,
            left_out,
        )


def _bucket(hour: int, counts: dict[str, int]) -> Bucket:
    took = {what: n for what, n in counts.items() if what.startswith(TOOK)}
    return Bucket(
        at=at(hour * HOUR_US),
        accepted=counts.get("accepted", 0),
        delivered=counts.get("delivered", 0),
        deferred=counts.get("deferred", 0),
        bounced=counts.get("bounced", 0),
        complained=counts.get("complained", 0),
        received=counts.get("received", 0),
        median_ms=percentile(took, 0.5),
        slow_ms=percentile(took, 0.95),
    )


def _cursor(text: str) -> bytes | None:
    if not text:
        return None
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        raw = b""
    if len(raw) != _ID:
        raise Invalid("invalid_cursor", "This page does not exist.", field="cursor")
    return raw
