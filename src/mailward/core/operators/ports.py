"""What operators need from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.ports import IdentityTx
from mailward.core.operators.model import Grant, Operator, Review


class OperatorsRepo(Protocol):
    """Operators (of the installation) and grants (of a workspace; in the system scope, of all)."""

    async def add(self, operator: Operator) -> None:
        """A new one, or one who comes back. System scope."""

    async def change(self, operator: Operator) -> None:
        """Register and end. System scope."""

    async def get(self, id: UserId) -> Operator | None:
        """Ended ones too. Any scope."""

    async def serving(self) -> list[Operator]:
        """Those who are operators now, oldest first. Any scope."""

    async def every(self) -> list[Operator]:
        """Ended ones too. System scope."""

    async def add_grant(self, grant: Grant) -> None: ...

    async def grant(self, id: str) -> Grant | None: ...

    async def change_grant(self, grant: Grant) -> None:
        """Write its progress. The wish, the operator and the time of the request never change, an end only shrinks."""

    async def grants(self, *, limit: int, before: str | None = None) -> list[Grant]:
        """Newest first."""

    async def resting_on(self, user: UserId) -> list[Grant]:
        """Those not ended that this person asked for or approved. System scope."""

    async def overdue(self, now: datetime, unused_since: datetime) -> list[Grant]:
        """Live ones whose time is over, and others let through, or asked for, before `unused_since`. System scope."""

    async def untold(self, limit: int) -> list[Grant]:
        """Those whose customer was not mailed what they came to. System scope."""

    async def told(self, workspace: WorkspaceId, id: str, what: str) -> None:
        """The customer was mailed that. System scope."""


class ReviewsRepo(Protocol):
    """Access reviews of a workspace; in the system scope, of all and of the installation (workspace "")."""

    async def add(self, review: Review) -> bool:
        """False when that quarter has one already."""

    async def get(self, id: str) -> Review | None: ...

    async def held(self, id: str) -> Review | None:
        """The same, for change: two who decide wait for each other."""

    async def change(self, review: Review) -> None: ...

    async def page(self, *, limit: int) -> list[Review]:
        """Newest first."""

    async def open(self) -> list[Review]:
        """Not closed. System scope."""

    async def covered(self, quarter: str) -> set[WorkspaceId]:
        """Whose review of that quarter was opened. System scope."""


class OperatorsTx(IdentityTx, Protocol):
    """A transaction with what these verbs use."""

    @property
    def operators(self) -> OperatorsRepo: ...

    @property
    def reviews(self) -> ReviewsRepo: ...
