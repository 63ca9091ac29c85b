"""What registers need of a store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mailward.core.audit.ports import AuditRepo
from mailward.core.registers.model import Entry, Kind, Notice, Signing


class RegistersRepo(Protocol):
    """Entries, who follows them, what they are owed, and what they signed."""

    async def put_entry(self, entry: Entry) -> None:
        """New, or in the place of the one with the same id. System scope."""

    async def remove_entry(self, id: str) -> bool:
        """False when there is none. System scope."""

    async def entry(self, id: str) -> Entry | None:
        """System scope."""

    async def entries(self, kind: Kind | None = None) -> list[Entry]:
        """Oldest first, of one kind or of all. System scope."""

    async def follow(self, workspace: bytes, since: datetime) -> None:
        """In the workspace's scope; twice is once."""

    async def unfollow(self, workspace: bytes) -> None: ...

    async def follows(self, workspace: bytes) -> bool: ...

    async def followers(self) -> list[bytes]:
        """System scope."""

    async def owe(self, notices: Sequence[Notice]) -> None:
        """System scope."""

    async def owed(self, limit: int) -> list[Notice]:
        """Notices nobody was told of yet, oldest first. System scope."""

    async def told(self, notice: Notice, how: str) -> None:
        """It was mailed, or could not be. System scope."""

    async def notices(self, workspace: bytes, limit: int) -> list[tuple[Notice, str]]:
        """A workspace's own, newest first, with how it was told. In its scope."""

    async def add_signing(self, workspace: bytes, signing: Signing) -> None:
        """In the workspace's scope."""

    async def signings(self, workspace: bytes) -> list[Signing]:
        """Newest first, in the workspace's scope."""


class Epochs(Protocol):
    """By which workers notice that what they know is old."""

    async def bump(self, name: str) -> int: ...


class RegistersTx(Protocol):
    """A transaction with registers, the audit log and the epochs of what workers know."""

    @property
    def registers(self) -> RegistersRepo: ...

    @property
    def audit(self) -> AuditRepo: ...

    @property
    def counters(self) -> Epochs: ...
