"""Who connects, how often, and how many at once. How often is counted for all workers, how many for each."""

from __future__ import annotations

from collections import Counter

from mailward.app.budgets import Budgets
from mailward.base.errors import LimitReached
from mailward.policy.gcra import Rate
from mailward.policy.source import source_of


class Arrivals:
    """Limits on connections. A source is an IPv4 address, or the /64 that an IPv6 address is in."""

    def __init__(self, budgets: Budgets, *, at_once: int, at_once_ip: int, rate: Rate | None) -> None:
        """`rate` is that of one source; None for no limit."""
        self._budgets = budgets
        self._at_once = at_once
        self._at_once_ip = at_once_ip
        self._rate = rate
        self._open: Counter[str] = Counter()
        self._all = 0

    @property
    def open(self) -> int:
        """Connections open now."""
        return self._all

    def opened(self, ip: str) -> None:
        """Count a connection. LimitReached, and nothing counted, when there are too many."""
        source = source_of(ip)
        if self._all >= self._at_once:
            raise LimitReached("too_many_connections", "Too many connections; try again later.", retry_after=60)
        if self._open[source] >= self._at_once_ip:
            raise LimitReached("too_many_connections", "Too many connections from your address.", retry_after=60)
        if self._rate is not None:
            decision = self._budgets.spend_now(source, self._rate)
            if not decision.allowed:
                raise LimitReached(
                    "too_many_connections", "Your address connects too often.", retry_after=decision.retry_after
                )
        self._open[source] += 1
        self._all += 1

    def closed(self, ip: str) -> None:
        """One fewer; once for each opened() that did not raise."""
        source = source_of(ip)
        self._all -= 1
        self._open[source] -= 1
        if self._open[source] <= 0:
            del self._open[source]
