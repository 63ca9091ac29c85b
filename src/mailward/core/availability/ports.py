"""What availability needs of a store. System scope."""

from __future__ import annotations

from typing import Protocol

from mailward.core.audit.ports import AuditRepo
from mailward.core.availability.model import Day, Outage, Post


class AvailabilityRepo(Protocol):
    """Days, outages and posts."""

    async def last_minute(self) -> int | None:
        """The newest minute that was counted."""

    async def add_to_day(self, day: Day) -> None:
        """Add the counts to that day's; `last` becomes the day's newest minute."""

    async def days(self, first: int) -> list[Day]:
        """Days from `first` on, oldest first."""

    async def newest_outage(self) -> Outage | None: ...

    async def put_outage(self, outage: Outage) -> None:
        """A new one, or a longer one that began at the same minute."""

    async def outages(self, since: int) -> list[Outage]:
        """Those that ended after minute `since`, oldest first."""

    async def put_post(self, post: Post) -> None:
        """New, or in the place of the one with the same id."""

    async def post(self, id: str) -> Post | None: ...

    async def posts(self, limit: int) -> list[Post]:
        """Newest first."""


class AvailabilityTx(Protocol):
    """A transaction with availability and the audit log."""

    @property
    def availability(self) -> AvailabilityRepo: ...

    @property
    def audit(self) -> AuditRepo: ...
