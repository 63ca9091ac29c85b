"""What counts requests, messages and connections for everybody: on one machine its workers, with a shared store all."""

from __future__ import annotations

from typing import Protocol

from mailward.policy.gcra import Decision, Rate


class Budgets(Protocol):
    """Buckets by rate and key.

    `adapters.host.buckets` has them for one machine, `app.quotas` for all nodes, and
    `edges.web.limits.LocalLimiter` for a process alone.
    """

    def spend(self, key: str, rate: Rate, cost: int = 1) -> Decision | None:
        """Decide from memory; None, and nothing counted, when only the store can say."""

    def spend_now(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Decide from memory in any case, for whom cannot wait."""

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Decide, asking the store where that is needed."""

    def give_back(self, key: str, rate: Rate, cost: int = 1) -> None:
        """What was drawn was not used."""
