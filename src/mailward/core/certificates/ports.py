"""What certificates need of a store. System scope."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from mailward.core.audit.ports import AuditRepo
from mailward.core.certificates.model import Certificate


class CertificatesRepo(Protocol):
    """Certificates, and notes: short facts that all nodes share, each with the time it is of no use any more."""

    async def add(self, certificate: Certificate) -> None: ...

    async def newest(self) -> Certificate | None:
        """The one issued last."""

    async def all(self) -> list[Certificate]:
        """Newest first, without their sealed part."""

    async def forget(self, before: datetime) -> int:
        """Remove those that expired before; how many."""

    async def take(self, name: str, holder: bytes, now: datetime, until: datetime) -> bool:
        """Make a note in one's own name unless somebody else's is still of use."""

    async def note(self, name: str) -> bytes | None: ...

    async def notes(self, prefix: str, now: datetime) -> dict[str, bytes]:
        """Those of use whose names begin so."""

    async def put_note(self, name: str, body: bytes, until: datetime) -> None:
        """New, or in the place of the one with the same name."""

    async def drop_note(self, name: str) -> None: ...


class CertificatesTx(Protocol):
    """A transaction with certificates and the audit log."""

    @property
    def certificates(self) -> CertificatesRepo: ...

    @property
    def audit(self) -> AuditRepo: ...
