"""Who connects, how often, and how many at once: one source for all workers of a machine, all sources for each."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from mailward.app.budgets import Budgets
from mailward.base.errors import LimitReached
from mailward.policy.gcra import Rate
from mailward.policy.source import source_of


class Seats(Protocol):
    """What is open on this machine, by key. `adapters.host.seats` counts it for all workers."""

    def take(self, key: str, most: int) -> bool:
        """One more, if that makes no more than `most`."""

    def leave(self, key: str) -> None:
        """One fewer; once for each take() that was True."""


class Arrivals:
    """Limits on connections. A source is an IPv4 address, or the /64 that an IPv6 address is in."""

    def __init__(
        self,
        budgets: Budgets,
        *,
        at_once: int,
        at_once_ip: int,
        rate: Rate | None,
        seats: Seats | None = None,
        door: str = "",
    ) -> None:
        """`rate` is that of one source; None for no limit. `seats` has what other workers hold open at this `door`;
        without it each worker counts for itself."""
        self._budgets = budgets
        self._at_once = at_once
        self._at_once_ip = at_once_ip
        self._rate = rate
        self._seats = seats
        self._door = door
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
        if self._seats is not None and not self._seats.take(self._key(source), self._at_once_ip):
            if self._rate is not None:
                self._budgets.give_back(source, self._rate)
            raise LimitReached("too_many_connections", "Too many connections from your address.", retry_after=60)
        self._open[source] += 1
        self._all += 1

    def closed(self, ip: str) -> None:
        """One fewer; once for each opened() that did not raise."""
        source = source_of(ip)
        self._all -= 1
        self._open[source] -= 1
        if self._open[source] <= 0:
            del self._open[source]
        if self._seats is not None:
            self._seats.leave(self._key(source))

    def _key(self, source: str) -> str:
        return f"{self._door} {source}"
