"""SQL of second factors, recovery codes, tickets and trusted devices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.times import from_us, maybe_from_us, to_us
from mailward.base import ids
from mailward.base.ids import UserId
from mailward.core.identity.model import Factor, FactorKind, Ticket, TicketKind, TrustedDevice

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row, Sql

_FACTOR = "id, user, kind, name, secret, handle, counter, created, used"
_DEVICE = "id, user, device, address, created, used, expires"


def _factor(r: Row) -> Factor:
    return Factor(
        id=ids.encode("fac", r[0]),
        user=UserId(ids.encode("usr", r[1])),
        kind=FactorKind(r[2]),
        name=r[3],
        secret=r[4],
        handle=r[5],
        counter=r[6],
        created=from_us(r[7]),
        used=maybe_from_us(r[8]),
    )


def _device(r: Row) -> TrustedDevice:
    user = UserId(ids.encode("usr", r[1]))
    return TrustedDevice(ids.encode("dev", r[0]), user, r[2], r[3], from_us(r[4]), from_us(r[5]), from_us(r[6]))


class SqliteFactors:
    """Second factors on SQLite. System scope."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def add(self, factor: Factor) -> None:
        """A further one."""
        f = factor
        self._tx.run(
            f"INSERT INTO factors({_FACTOR}) VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608
            (
                ids.decode("fac", f.id),
                ids.decode("usr", f.user),
                f.kind.value,
                f.name,
                f.secret,
                f.handle,
                f.counter,
                to_us(f.created),
                to_us(f.used),
            ),
        )

    async def of(self, user: UserId) -> list[Factor]:
        """Oldest first."""
        sql = f"SELECT {_FACTOR} FROM factors WHERE user = ? ORDER BY created, id"  # noqa: S608
        return [_factor(r) for r in self._tx.rows(sql, (ids.decode("usr", user),))]

    async def by_handle(self, handle: bytes) -> Factor | None:
        """A passkey by its id."""
        row = self._tx.row(f"SELECT {_FACTOR} FROM factors WHERE handle = ?", (handle,))  # noqa: S608
        return _factor(row) if row else None

    async def advance(self, id: str, counter: int, now: datetime) -> bool:
        """Only upwards."""
        sql = "UPDATE factors SET counter = ?, used = ? WHERE id = ? AND counter < ?"
        return self._tx.run(sql, (counter, to_us(now), ids.decode("fac", id), counter)) > 0

    async def touch(self, id: str, now: datetime) -> bool:
        """A use."""
        return self._tx.run("UPDATE factors SET used = ? WHERE id = ?", (to_us(now), ids.decode("fac", id))) > 0

    async def remove(self, user: UserId, id: str) -> bool:
        """One of this person's."""
        sql = "DELETE FROM factors WHERE user = ? AND id = ?"
        return self._tx.run(sql, (ids.decode("usr", user), ids.decode("fac", id))) > 0

    async def set_recovery_codes(self, user: UserId, hashes: Sequence[bytes], now: datetime) -> None:
        """The old ones go."""
        raw = ids.decode("usr", user)
        self._tx.run("DELETE FROM recovery_codes WHERE user = ?", (raw,))
        for code in hashes:
            self._tx.run("INSERT INTO recovery_codes(user, code_hash, created) VALUES (?,?,?)", (raw, code, to_us(now)))

    async def take_recovery_code(self, user: UserId, code_hash: bytes) -> bool:
        """The row goes."""
        sql = "DELETE FROM recovery_codes WHERE user = ? AND code_hash = ?"
        return self._tx.run(sql, (ids.decode("usr", user), code_hash)) > 0

    async def recovery_codes(self, user: UserId) -> int:
        """How many."""
        row = self._tx.row("SELECT count(*) FROM recovery_codes WHERE user = ?", (ids.decode("usr", user),))
        return int(row[0]) if row else 0

    async def add_ticket(self, token_hash: bytes, ticket: Ticket) -> None:
        """A step was begun."""
        self._tx.run(
            "INSERT INTO tickets(token_hash, kind, user, facts, tries, expires) VALUES (?,?,?,?,?,?)",
            (
                token_hash,
                ticket.kind.value,
                None if ticket.user is None else ids.decode("usr", ticket.user),
                json.dumps(ticket.facts),
                ticket.tries,
                to_us(ticket.expires),
            ),
        )

    async def ticket(self, token_hash: bytes, kind: TicketKind, now: datetime) -> Ticket | None:
        """Of that kind and in time."""
        sql = "SELECT user, facts, expires, tries FROM tickets WHERE token_hash = ? AND kind = ? AND expires > ?"
        r = self._tx.row(sql, (token_hash, kind.value, to_us(now)))
        if r is None:
            return None
        user = None if r[0] is None else UserId(ids.encode("usr", r[0]))
        return Ticket(kind, user, json.loads(r[1]), from_us(r[2]), r[3])

    async def change_ticket(self, token_hash: bytes, facts: Mapping[str, str]) -> None:
        """Other facts."""
        self._tx.run("UPDATE tickets SET facts = ? WHERE token_hash = ?", (json.dumps(dict(facts)), token_hash))

    async def try_ticket(self, token_hash: bytes) -> None:
        """Counted."""
        self._tx.run("UPDATE tickets SET tries = tries + 1 WHERE token_hash = ?", (token_hash,))

    async def take_ticket(self, token_hash: bytes) -> bool:
        """The row goes."""
        return self._tx.run("DELETE FROM tickets WHERE token_hash = ?", (token_hash,)) > 0

    async def drop_tickets(self, user: UserId) -> None:
        """All of a person's."""
        self._tx.run("DELETE FROM tickets WHERE user = ?", (ids.decode("usr", user),))

    async def forget(self, now: datetime) -> int:
        """What ended by time."""
        ended = self._tx.run("DELETE FROM tickets WHERE expires <= ?", (to_us(now),))
        return ended + self._tx.run("DELETE FROM trusted_devices WHERE expires <= ?", (to_us(now),))

    async def add_device(self, device: TrustedDevice, token_hash: bytes) -> None:
        """Trusted from now on."""
        d = device
        self._tx.run(
            f"INSERT INTO trusted_devices({_DEVICE}, token_hash) VALUES (?,?,?,?,?,?,?,?)",  # noqa: S608
            (
                ids.decode("dev", d.id),
                ids.decode("usr", d.user),
                d.device,
                d.address,
                to_us(d.created),
                to_us(d.used),
                to_us(d.expires),
                token_hash,
            ),
        )

    async def device(self, token_hash: bytes, now: datetime) -> TrustedDevice | None:
        """By its cookie."""
        sql = f"SELECT {_DEVICE} FROM trusted_devices WHERE token_hash = ? AND expires > ?"  # noqa: S608
        row = self._tx.row(sql, (token_hash, to_us(now)))
        return _device(row) if row else None

    async def devices(self, user: UserId) -> list[TrustedDevice]:
        """Newest first."""
        sql = f"SELECT {_DEVICE} FROM trusted_devices WHERE user = ? ORDER BY created DESC, id"  # noqa: S608
        return [_device(r) for r in self._tx.rows(sql, (ids.decode("usr", user),))]

    async def use_device(self, id: str, now: datetime) -> None:
        """A use."""
        self._tx.run("UPDATE trusted_devices SET used = ? WHERE id = ?", (to_us(now), ids.decode("dev", id)))

    async def revoke_device(self, user: UserId, id: str) -> bool:
        """One of this person's."""
        sql = "DELETE FROM trusted_devices WHERE user = ? AND id = ?"
        return self._tx.run(sql, (ids.decode("usr", user), ids.decode("dev", id))) > 0

    async def revoke_devices(self, user: UserId) -> int:
        """All of a person's."""
        return self._tx.run("DELETE FROM trusted_devices WHERE user = ?", (ids.decode("usr", user),))
