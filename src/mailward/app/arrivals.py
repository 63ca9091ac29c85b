"""Who connects, how often, and how many at once: counted per source in one worker's memory."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable

from mailward.base.errors import LimitReached
from mailward.policy.gcra import Rate, decide

_MOST = 20_000


class Arrivals:
    """Limits on connections. A source is an IPv4 address, or the /64 that an IPv6 address is in."""

    def __init__(self, monotonic: Callable[[], float], *, at_once: int, at_once_ip: int, rate: Rate | None) -> None:
        """`rate` is that of one source; None for no limit."""
        self._monotonic = monotonic
        self._at_once = at_once
        self._at_once_ip = at_once_ip
        self._rate = rate
        self._open: Counter[str] = Counter()
        self._tats: dict[str, float] = {}
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
            now = self._monotonic()
            tat, decision = decide(self._rate, self._tats.get(source, 0.0), now)
            self._tats[source] = tat
            if not decision.allowed:
                raise LimitReached(
                    "too_many_connections", "Your address connects too often.", retry_after=decision.retry_after
                )
            if len(self._tats) > _MOST:  # past times mean nothing
                self._tats = {key: at for key, at in self._tats.items() if at > now}
        self._open[source] += 1
        self._all += 1

    def closed(self, ip: str) -> None:
        """One fewer; once for each opened() that did not raise."""
        source = source_of(ip)
        self._all -= 1
        self._open[source] -= 1
        if self._open[source] <= 0:
            del self._open[source]


def source_of(ip: str) -> str:
    """What stands for an address in limits: who has one IPv6 address has the 2^64 beside it, too."""
    if ":" not in ip:
        return ip
    try:
        return str(ipaddress.IPv6Network((ip, 64), strict=False).network_address)
    except ValueError:
        return ip
