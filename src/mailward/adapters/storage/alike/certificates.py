"""SQL of certificates and the notes around their orders."""

from __future__ import annotations

from datetime import datetime

from mailward.adapters.storage.alike.statements import Row, Statements
from mailward.adapters.storage.times import from_us, to_us
from mailward.core.certificates.model import Certificate


class Certificates:
    """Implements `core.certificates.ports.CertificatesRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def add(self, certificate: Certificate) -> None:
        """A new row; a serial number comes once."""
        await self._sql.run(
            "INSERT INTO certificates(serial, names, issued, expires, sealed) VALUES ($1, $2, $3, $4, $5)",
            certificate.serial,
            " ".join(certificate.names),
            to_us(certificate.issued),
            to_us(certificate.expires),
            certificate.sealed,
        )

    async def newest(self) -> Certificate | None:
        """By the begin of its validity."""
        row = await self._sql.row(
            "SELECT serial, names, issued, expires, sealed FROM certificates "
            "ORDER BY issued DESC, expires DESC, serial LIMIT 1"
        )
        return _certificate(row, row[4]) if row else None

    async def all(self) -> list[Certificate]:
        """Newest first."""
        rows = await self._sql.rows(
            "SELECT serial, names, issued, expires FROM certificates ORDER BY issued DESC, expires DESC, serial"
        )
        return [_certificate(row, b"") for row in rows]

    async def forget(self, before: datetime) -> int:
        """Old rows go."""
        return await self._sql.run("DELETE FROM certificates WHERE expires < $1", to_us(before))

    async def take(self, name: str, holder: bytes, now: datetime, until: datetime) -> bool:
        """One statement: of two that try at once, one changes the row."""
        taken = await self._sql.run(
            "INSERT INTO certificate_notes(name, body, until) VALUES ($1, $2, $3) "
            "ON CONFLICT (name) DO UPDATE SET body = excluded.body, until = excluded.until "
            "WHERE certificate_notes.until <= $4 OR certificate_notes.body = excluded.body",
            name,
            holder,
            to_us(until),
            to_us(now),
        )
        return taken > 0

    async def note(self, name: str) -> bytes | None:
        """By name, of use or not."""
        row = await self._sql.row("SELECT body FROM certificate_notes WHERE name = $1", name)
        return bytes(row[0]) if row else None

    async def notes(self, prefix: str, now: datetime) -> dict[str, bytes]:
        """Names are ASCII: what follows the prefix sorts before the prefix's last letter's successor."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        rows = await self._sql.rows(
            "SELECT name, body FROM certificate_notes WHERE name >= $1 AND name < $2 AND until > $3",
            prefix,
            end,
            to_us(now),
        )
        return {row[0]: bytes(row[1]) for row in rows}

    async def put_note(self, name: str, body: bytes, until: datetime) -> None:
        """New, or changed."""
        await self._sql.run(
            "INSERT INTO certificate_notes(name, body, until) VALUES ($1, $2, $3) "
            "ON CONFLICT (name) DO UPDATE SET body = excluded.body, until = excluded.until",
            name,
            body,
            to_us(until),
        )

    async def drop_note(self, name: str) -> None:
        """Gone, or never there."""
        await self._sql.run("DELETE FROM certificate_notes WHERE name = $1", name)


def _certificate(row: Row, sealed: bytes) -> Certificate:
    return Certificate(
        serial=row[0],
        names=tuple(row[1].split()),
        issued=from_us(row[2]),
        expires=from_us(row[3]),
        sealed=bytes(sealed),
    )
