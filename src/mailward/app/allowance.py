"""How much may be submitted now, and what was: one place on the path of every message, in memory alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from mailward.app.settings import Limits
from mailward.base.errors import LimitReached
from mailward.base.ids import WorkspaceId
from mailward.policy.access import Actor
from mailward.policy.gcra import Rate, decide

_CREDENTIALS = frozenset({"key", "smtp_credential", "network"})
_MOST = 50_000


class Allowance:
    """Rates of a workspace and of a sender domain, in this worker's share; and the traffic of each credential."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float], workers: int) -> None:
        self._monotonic = monotonic
        self._workspace = share("messages", limits.messages_per_minute, workers)
        self._domain = share("sender-domain", limits.smtp_messages_per_minute_domain, workers)
        self._tats: dict[tuple[str, str], float] = {}
        self._traffic: Counter[tuple[WorkspaceId, str]] = Counter()

    def __call__(self, actor: Actor, domain: str, recipients: int) -> None:
        """Count a message to so many recipients. LimitReached, and nothing counted, when there is no room now."""
        if self._workspace is not None or self._domain is not None:
            self._take(actor, domain)
        if actor.kind in _CREDENTIALS:
            self._traffic[actor.workspace, actor.id] += recipients

    def _take(self, actor: Actor, domain: str) -> None:
        now = self._monotonic()
        taken = []
        for rate, key in ((self._workspace, ""), (self._domain, domain)):
            if rate is None:
                continue
            place = (actor.workspace, key)
            tat, decision = decide(rate, self._tats.get(place, 0.0), now)
            if not decision.allowed:
                raise LimitReached(
                    "rate_limited", "Too many messages for now; try again later.", retry_after=decision.retry_after
                )
            taken.append((place, tat))
        self._tats.update(taken)
        if len(self._tats) > _MOST:
            # A bucket that is full again equals no bucket.
            self._tats = {k: t for k, t in self._tats.items() if t > now}

    def take_traffic(self) -> dict[tuple[WorkspaceId, str], int]:
        """What each credential sent since the last call, in recipients."""
        taken, self._traffic = self._traffic, Counter()
        return taken


def share(name: str, quota: int, workers: int) -> Rate | None:
    """One worker's part of a rate a minute; None for a quota of 0, which means no limit."""
    return Rate(name, max(1, quota // workers), 60) if quota else None
