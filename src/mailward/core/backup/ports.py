"""What backups need of a store, of a place, and of the installation's keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mailward.core.audit.ports import AuditRepo
from mailward.core.backup.model import Backup, Item, Trial
from mailward.core.guard.ports import GuardRepo

Tell = Callable[[str, int, int], None]
"""What is being done, so much of it, out of so much."""


class BackupsRepo(Protocol):
    """What was made and tested. System scope."""

    async def add(self, backup: Backup) -> None: ...

    async def newest(self) -> Backup | None:
        """The newest one that is still kept."""

    async def kept(self) -> list[Backup]:
        """Newest first."""

    async def gone(self, ids: Sequence[str], at: datetime) -> int:
        """These are kept no more."""

    async def add_test(self, test: Trial) -> None: ...

    async def tests(self, limit: int) -> list[Trial]:
        """Newest first."""

    async def forget(self, before: datetime) -> int:
        """Drop what is told of backups that went, and of tests, before that time."""


class BackupTx(Protocol):
    """A transaction with what these verbs use."""

    @property
    def backups(self) -> BackupsRepo: ...

    @property
    def guard(self) -> GuardRepo: ...

    @property
    def audit(self) -> AuditRepo: ...


class Shelf(Protocol):
    """The place where backups lie. Every method raises Unavailable when it is away; names are ours, with slashes."""

    @property
    def where(self) -> str:
        """For people, without secrets."""

    async def put(self, name: str, source: Path) -> None:
        """A file under a new name: all of it, durable, or nothing under that name."""

    async def write(self, name: str, data: bytes) -> None:
        """The same for a few octets."""

    async def get(self, name: str, target: Path) -> None:
        """Into a file. NotFound when there is none of that name."""

    async def read(self, name: str) -> bytes:
        """Few octets. NotFound when there is none of that name."""

    async def items(self, folder: str) -> list[Item]:
        """Everything in a folder (`parts/`), unfinished uploads left out."""

    async def remove(self, names: Sequence[str]) -> None:
        """One that is not there is no error."""

    async def tidy(self) -> int:
        """Remove what uploads that never ended have left. Only while nobody else writes here."""


class ManifestSigner(Protocol):
    """Signs manifests and knows its own signature again."""

    def sign(self, message: bytes) -> bytes:
        """Ed25519, 64 octets."""

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether it is ours."""
