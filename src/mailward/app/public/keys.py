"""What of the vault the public side uses: sealing of reports and signatures."""

from __future__ import annotations

from mailward.app.installation import Installation


class ReportSeal:
    """Implements `core.disclosure.ports.Seal`."""

    def __init__(self, installation: Installation) -> None:
        self._vault = installation.vault

    def seal(self, id: str, plain: bytes) -> bytes:
        """For the row of this report only."""
        return self._vault.seal("report", plain, id.encode())

    def open(self, id: str, sealed: bytes) -> bytes:
        """The octets again; Corrupt when they were not sealed for this report."""
        return self._vault.unseal("report", sealed, id.encode())
