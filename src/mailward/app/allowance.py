"""How much may be submitted now, and what was: one place on the path of every message, in memory alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from mailward.app.quotas import Quotas
from mailward.app.settings import Limits
from mailward.base.errors import LimitReached
from mailward.base.ids import WorkspaceId
from mailward.policy.access import Actor
from mailward.policy.gcra import Decision, Rate, decide

_CREDENTIALS = frozenset({"key", "smtp_credential", "network"})
_MOST = 50_000


class Allowance:
    """Rates of a workspace and of a sender domain, and the traffic of each credential.

    With one machine, each worker has its part of both rates. With `quotas`, which all
    nodes share, the workspace's rate is counted over all of them.
    """

    def __init__(
        self, limits: Limits, monotonic: Callable[[], float], workers: int, quotas: Quotas | None = None
    ) -> None:
        self._monotonic = monotonic
        self._quotas = quotas
        self._workspace = share("messages", limits.messages_per_minute, workers if quotas is None else 1)
        self._domain = share("sender-domain", limits.smtp_messages_per_minute_domain, workers)
        self._tats: dict[tuple[str, str], float] = {}
        self._traffic: Counter[tuple[WorkspaceId, str]] = Counter()

    def __call__(self, actor: Actor, domain: str, recipients: int) -> bool:
        """Count a message to so many recipients. LimitReached, and nothing counted, when there is no room now.

        False, and nothing counted, when only the store can say: `count` asks it.
        """
        if self._workspace is None and self._domain is None:
            self._note(actor, recipients)
            return True
        taken = self._look(actor, domain)
        if self._quotas is not None and self._workspace is not None:
            decision = self._quotas.spend(actor.workspace, self._workspace)
            if decision is None:
                return False
            _require(decision)
        self._keep(taken, actor, recipients)
        return True

    async def count(self, actor: Actor, domain: str, recipients: int) -> None:
        """The same, waiting for the store where that is needed. Unavailable when it is away."""
        taken = self._look(actor, domain)
        if self._quotas is not None and self._workspace is not None:
            _require(await self._quotas.take(actor.workspace, self._workspace))
        self._keep(taken, actor, recipients)

    def _look(self, actor: Actor, domain: str) -> list[tuple[tuple[str, str], float]]:
        now = self._monotonic()
        taken: list[tuple[tuple[str, str], float]] = []
        for rate, key in ((self._workspace if self._quotas is None else None, ""), (self._domain, domain)):
            if rate is None:
                continue
            place = (actor.workspace, key)
            tat, decision = decide(rate, self._tats.get(place, 0.0), now)
            _require(decision)
            taken.append((place, tat))
        return taken

    def _keep(self, taken: list[tuple[tuple[str, str], float]], actor: Actor, recipients: int) -> None:
        self._tats.update(taken)
        if len(self._tats) > _MOST:
            # A bucket that is full again equals no bucket.
            now = self._monotonic()
            self._tats = {k: t for k, t in self._tats.items() if t > now}
        self._note(actor, recipients)

    def _note(self, actor: Actor, recipients: int) -> None:
        if actor.kind in _CREDENTIALS:
            self._traffic[actor.workspace, actor.id] += recipients

    def take_traffic(self) -> dict[tuple[WorkspaceId, str], int]:
        """What each credential sent since the last call, in recipients."""
        taken, self._traffic = self._traffic, Counter()
        return taken


def share(name: str, quota: int, workers: int) -> Rate | None:
    """One worker's part of a rate a minute; None for a quota of 0, which means no limit."""
    return Rate(name, max(1, quota // workers), 60) if quota else None


def _require(decision: Decision) -> None:
    if not decision.allowed:
        raise LimitReached(
            "rate_limited", "Too many messages for now; try again later.", retry_after=decision.retry_after
        )
