"""What disclosure needs of a store, and of the keys."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from mailward.core.audit.ports import AuditRepo
from mailward.core.disclosure.model import Origin, Report


class ReportsRepo(Protocol):
    """Reports. System scope."""

    async def insert(self, report: Report) -> None: ...

    async def change(self, report: Report) -> None:
        """State, times, alert and content, by id."""

    async def get(self, id: str) -> Report | None: ...

    async def by_token(self, token_hash: bytes) -> Report | None: ...

    async def newest(self, limit: int) -> list[Report]: ...

    async def waiting(self) -> list[Report]:
        """Those without an acknowledgement, the most urgent first."""

    async def keep_message(self, id: str, sealed: bytes) -> None:
        """The message that the report of this id came as."""

    async def message(self, id: str) -> bytes | None:
        """The same, sealed; None for a report of the form."""

    async def by_digest(self, digest: bytes) -> Report | None:
        """The one that came as the message of this digest."""

    async def count_since(self, since: datetime, origin: Origin) -> int:
        """How many came this way since then."""


class DisclosureTx(Protocol):
    """A transaction with reports and the audit log."""

    @property
    def reports(self) -> ReportsRepo: ...

    @property
    def audit(self) -> AuditRepo: ...


class Seal(Protocol):
    """Seals a report's content; bound to its id."""

    def seal(self, id: str, plain: bytes) -> bytes: ...

    def open(self, id: str, sealed: bytes) -> bytes: ...
