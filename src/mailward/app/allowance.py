"""How much may be submitted now, and what was: one place on the path of every message, in memory alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mailward.app.budgets import Budgets
from mailward.app.settings import Limits
from mailward.base.errors import Invalid, LimitReached
from mailward.base.ids import WorkspaceId
from mailward.policy.access import Actor
from mailward.policy.gcra import Decision, Rate

_CREDENTIALS = frozenset({"key", "smtp_credential", "network"})


class Allowance:
    """Rates of a workspace, of a sender domain and of a credential, and the traffic of each credential.

    `ceiling` gives the rate of a workspace, which is the second argument unless the operator
    set another one.
    """

    def __init__(
        self,
        limits: Limits,
        budgets: Budgets,
        ceiling: Callable[[WorkspaceId, Rate | None], Rate | None] = lambda _, usual: usual,
    ) -> None:
        self._budgets = budgets
        self._ceiling = ceiling
        self._workspace = per_minute("messages", limits.messages_per_minute)
        self._domain = per_minute("sender-domain", limits.smtp_messages_per_minute_domain)
        self._credential = per_minute("credential", limits.messages_per_minute_credential)
        self._traffic: Counter[tuple[WorkspaceId, str]] = Counter()

    def __call__(self, actor: Actor, domain: str, recipients: int) -> bool:
        """Count a message to so many recipients. LimitReached, and nothing counted, when there is no room now.

        False, and nothing counted, when only the store can say: `count` asks it.
        """
        taken: list[tuple[str, Rate]] = []
        for key, rate in self._asked(actor, domain):
            decision = self._budgets.spend(key, rate)
            if decision is None or not decision.allowed:
                self._give_back(taken)
                if decision is None:
                    return False
                _require(decision)
            taken.append((key, rate))
        self._note(actor, recipients)
        return True

    async def count(self, actor: Actor, domain: str, recipients: int) -> None:
        """The same, waiting for the store where that is needed."""
        taken: list[tuple[str, Rate]] = []
        for key, rate in self._asked(actor, domain):
            decision = await self._budgets.take(key, rate)
            if not decision.allowed:
                self._give_back(taken)
                _require(decision)
            taken.append((key, rate))
        self._note(actor, recipients)

    async def count_all(self, actor: Actor, messages: Sequence[tuple[str, int]]) -> None:
        """The same for messages that pass together or not at all, each with its domain and number of recipients.

        Invalid for more of them than a limit ever lets through at once.
        """
        wanted = Counter(bucket for domain, _ in messages for bucket in self._asked(actor, domain))
        for (_, rate), number in wanted.items():
            if number > rate.quota:
                raise Invalid(
                    "batch_beyond_limit",
                    f"{number} messages cannot pass at once ({rate.quota} a minute may): make the batch smaller.",
                    field="messages",
                )
        taken: list[tuple[str, Rate, int]] = []
        for (key, rate), number in wanted.items():
            decision = await self._budgets.take(key, rate, number)
            if not decision.allowed:
                for was in taken:
                    self._budgets.give_back(*was)
                _require(decision)
            taken.append((key, rate, number))
        for _, recipients in messages:
            self._note(actor, recipients)

    def _asked(self, actor: Actor, domain: str) -> list[tuple[str, Rate]]:
        """The buckets a message draws from. The rate of a domain is the workspace's own."""
        found: list[tuple[str, Rate]] = []
        if (workspace := self._ceiling(actor.workspace, self._workspace)) is not None:
            found.append((actor.workspace, workspace))
        if self._domain is not None:
            found.append((f"{actor.workspace} {domain}", self._domain))
        if self._credential is not None and actor.kind in _CREDENTIALS:
            found.append((actor.id, self._credential))
        return found

    def _give_back(self, taken: list[tuple[str, Rate]]) -> None:
        for key, rate in taken:
            self._budgets.give_back(key, rate)

    def _note(self, actor: Actor, recipients: int) -> None:
        if actor.kind in _CREDENTIALS:
            self._traffic[actor.workspace, actor.id] += recipients

    def take_traffic(self) -> dict[tuple[WorkspaceId, str], int]:
        """What each credential sent since the last call, in recipients."""
        taken, self._traffic = self._traffic, Counter()
        return taken


def per_minute(name: str, quota: int) -> Rate | None:
    """A rate a minute; None for a quota of 0, which means no limit."""
    return Rate(name, quota, 60) if quota else None


def _require(decision: Decision) -> None:
    if not decision.allowed:
        raise LimitReached(
            "rate_limited", "Too many messages for now; try again later.", retry_after=decision.retry_after
        )
