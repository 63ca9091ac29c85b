"""SQL of second factors, recovery codes, tickets and trusted devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from mailward.adapters.storage.postgres.sealed import INSTALLATION
from mailward.adapters.storage.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import UserId
from mailward.core.identity.model import Factor, FactorKind, Ticket, TicketKind, TrustedDevice

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

_FACTOR = 'id, "user", kind, name, secret, handle, counter, created, used'
_DEVICE = 'id, "user", details, created, used, expires'


class PgFactors:
    """Second factors on PostgreSQL. System scope; names, secrets, facts and places are sealed."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._name = tx.cipher.column("factors", "name")
        self._secret = tx.cipher.column("factors", "secret")
        self._facts = tx.cipher.column("tickets", "facts")
        self._details = tx.cipher.column("trusted_devices", "details")

    def _factor(self, r: Row) -> Factor:
        return Factor(
            id=ids.encode("fac", r[0]),
            user=UserId(ids.encode("usr", r[1])),
            kind=FactorKind(r[2]),
            name=self._name.open(INSTALLATION, r[0], r[3]).decode(),
            secret=self._secret.open(INSTALLATION, r[0], r[4]),
            handle=r[5],
            counter=r[6],
            created=from_us(r[7]),
            used=maybe_from_us(r[8]),
        )

    async def add(self, factor: Factor) -> None:
        """A further one."""
        f, raw = factor, ids.decode("fac", factor.id)
        await self._tx.run(
            f"INSERT INTO factors({_FACTOR}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",  # noqa: S608
            raw,
            ids.decode("usr", f.user),
            f.kind.value,
            self._name.seal(INSTALLATION, raw, f.name.encode()),
            self._secret.seal(INSTALLATION, raw, f.secret),
            f.handle,
            f.counter,
            to_us(f.created),
            to_us(f.used),
        )

    async def of(self, user: UserId) -> list[Factor]:
        """Oldest first."""
        sql = f'SELECT {_FACTOR} FROM factors WHERE "user" = $1 ORDER BY created, id'  # noqa: S608
        return [self._factor(r) for r in await self._tx.rows(sql, ids.decode("usr", user))]

    async def by_handle(self, handle: bytes) -> Factor | None:
        """A passkey by its id."""
        row = await self._tx.row(f"SELECT {_FACTOR} FROM factors WHERE handle = $1", handle)  # noqa: S608
        return self._factor(row) if row else None

    async def advance(self, id: str, counter: int, now: datetime) -> bool:
        """Only upwards."""
        sql = "UPDATE factors SET counter = $1, used = $2 WHERE id = $3 AND counter < $1"
        return await self._tx.run(sql, counter, to_us(now), ids.decode("fac", id)) > 0

    async def touch(self, id: str, now: datetime) -> bool:
        """A use."""
        return await self._tx.run("UPDATE factors SET used = $1 WHERE id = $2", to_us(now), ids.decode("fac", id)) > 0

    async def remove(self, user: UserId, id: str) -> bool:
        """One of this person's."""
        sql = 'DELETE FROM factors WHERE "user" = $1 AND id = $2'
        return await self._tx.run(sql, ids.decode("usr", user), ids.decode("fac", id)) > 0

    async def set_recovery_codes(self, user: UserId, hashes: Sequence[bytes], now: datetime) -> None:
        """The old ones go."""
        raw = ids.decode("usr", user)
        await self._tx.run('DELETE FROM recovery_codes WHERE "user" = $1', raw)
        for code in hashes:
            sql = 'INSERT INTO recovery_codes("user", code_hash, created) VALUES ($1, $2, $3)'
            await self._tx.run(sql, raw, code, to_us(now))

    async def take_recovery_code(self, user: UserId, code_hash: bytes) -> bool:
        """The row goes."""
        sql = 'DELETE FROM recovery_codes WHERE "user" = $1 AND code_hash = $2'
        return await self._tx.run(sql, ids.decode("usr", user), code_hash) > 0

    async def recovery_codes(self, user: UserId) -> int:
        """How many."""
        row = await self._tx.row('SELECT count(*) FROM recovery_codes WHERE "user" = $1', ids.decode("usr", user))
        return int(row[0]) if row else 0

    async def add_ticket(self, token_hash: bytes, ticket: Ticket) -> None:
        """A step was begun."""
        await self._tx.run(
            'INSERT INTO tickets(token_hash, kind, "user", facts, tries, expires) VALUES ($1, $2, $3, $4, $5, $6)',
            token_hash,
            ticket.kind.value,
            None if ticket.user is None else ids.decode("usr", ticket.user),
            self._facts.seal(INSTALLATION, token_hash, msgspec.json.encode(ticket.facts)),
            ticket.tries,
            to_us(ticket.expires),
        )

    async def ticket(self, token_hash: bytes, kind: TicketKind, now: datetime) -> Ticket | None:
        """Of that kind and in time."""
        sql = 'SELECT "user", facts, expires, tries FROM tickets WHERE token_hash = $1 AND kind = $2 AND expires > $3'
        r = await self._tx.row(sql, token_hash, kind.value, to_us(now))
        if r is None:
            return None
        user = None if r[0] is None else UserId(ids.encode("usr", r[0]))
        facts = msgspec.json.decode(self._facts.open(INSTALLATION, token_hash, r[1]), type=dict[str, str])
        return Ticket(kind, user, facts, from_us(r[2]), r[3])

    async def change_ticket(self, token_hash: bytes, facts: Mapping[str, str]) -> None:
        """Other facts."""
        sealed = self._facts.seal(INSTALLATION, token_hash, msgspec.json.encode(dict(facts)))
        await self._tx.run("UPDATE tickets SET facts = $1 WHERE token_hash = $2", sealed, token_hash)

    async def try_ticket(self, token_hash: bytes) -> None:
        """Counted."""
        await self._tx.run("UPDATE tickets SET tries = tries + 1 WHERE token_hash = $1", token_hash)

    async def take_ticket(self, token_hash: bytes) -> bool:
        """The row goes."""
        return await self._tx.run("DELETE FROM tickets WHERE token_hash = $1", token_hash) > 0

    async def drop_tickets(self, user: UserId) -> None:
        """All of a person's."""
        await self._tx.run('DELETE FROM tickets WHERE "user" = $1', ids.decode("usr", user))

    async def forget(self, now: datetime) -> int:
        """What ended by time."""
        ended = await self._tx.run("DELETE FROM tickets WHERE expires <= $1", to_us(now))
        return ended + await self._tx.run("DELETE FROM trusted_devices WHERE expires <= $1", to_us(now))

    # -- trusted devices ----------------------------------------------------------------------

    def _device(self, r: Row) -> TrustedDevice:
        device, address = self._details.unpack(INSTALLATION, r[0], r[2])
        user = UserId(ids.encode("usr", r[1]))
        return TrustedDevice(
            ids.encode("dev", r[0]), user, device, address, from_us(r[3]), from_us(r[4]), from_us(r[5])
        )

    async def add_device(self, device: TrustedDevice, token_hash: bytes) -> None:
        """Trusted from now on."""
        d, raw = device, ids.decode("dev", device.id)
        await self._tx.run(
            f"INSERT INTO trusted_devices({_DEVICE}, token_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",  # noqa: S608
            raw,
            ids.decode("usr", d.user),
            self._details.pack(INSTALLATION, raw, d.device, d.address),
            to_us(d.created),
            to_us(d.used),
            to_us(d.expires),
            token_hash,
        )

    async def device(self, token_hash: bytes, now: datetime) -> TrustedDevice | None:
        """By its cookie."""
        sql = f"SELECT {_DEVICE} FROM trusted_devices WHERE token_hash = $1 AND expires > $2"  # noqa: S608
        row = await self._tx.row(sql, token_hash, to_us(now))
        return self._device(row) if row else None

    async def devices(self, user: UserId) -> list[TrustedDevice]:
        """Newest first."""
        sql = f'SELECT {_DEVICE} FROM trusted_devices WHERE "user" = $1 ORDER BY created DESC, id'  # noqa: S608
        return [self._device(r) for r in await self._tx.rows(sql, ids.decode("usr", user))]

    async def use_device(self, id: str, now: datetime) -> None:
        """A use."""
        await self._tx.run("UPDATE trusted_devices SET used = $1 WHERE id = $2", to_us(now), ids.decode("dev", id))

    async def revoke_device(self, user: UserId, id: str) -> bool:
        """One of this person's."""
        sql = 'DELETE FROM trusted_devices WHERE "user" = $1 AND id = $2'
        return await self._tx.run(sql, ids.decode("usr", user), ids.decode("dev", id)) > 0

    async def revoke_devices(self, user: UserId) -> int:
        """All of a person's."""
        return await self._tx.run('DELETE FROM trusted_devices WHERE "user" = $1', ids.decode("usr", user))
