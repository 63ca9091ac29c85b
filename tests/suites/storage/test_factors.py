"""Second factors, recovery codes, tickets and trusted devices, on every store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.core.identity.model import (
    Factor,
    FactorKind,
    Member,
    Session,
    Ticket,
    TicketKind,
    TrustedDevice,
    User,
)
from mailward.policy.access import Role

ANN, BOB = (UserId(ids.encode("usr", bytes([n]) * 16)) for n in (1, 2))
WS = WorkspaceId(ids.encode("ws", b"w" * 16))


def _factor(n: int, now: Any, **other: Any) -> Factor:
    facts: dict[str, Any] = {
        "id": ids.encode("fac", bytes([n]) * 16), "user": ANN, "kind": FactorKind.TOTP, "name": "Phone",
        "secret": b"sealed", "created": now + timedelta(seconds=n),
    }  # fmt: skip
    return Factor(**(facts | other))


async def test_a_factor_comes_back_as_it_was_stored(store: Store, clock: Any) -> None:
    """Name, secret, handle and counter of a factor are read as they were written, by person and by handle."""
    now = clock.now()
    phone = _factor(1, now)
    key = _factor(2, now, kind=FactorKind.PASSKEY, name="Key ü", secret=b"\x00\xff", handle=b"handle", counter=7)
    theirs = _factor(3, now, user=BOB)

    async def write(tx: Any) -> None:
        for f in (phone, key, theirs):
            await tx.factors.add(f)

    await store.system_write(write)
    assert await store.system_read(lambda tx: tx.factors.of(ANN)) == [phone, key]
    assert await store.system_read(lambda tx: tx.factors.by_handle(b"handle")) == key
    assert await store.system_read(lambda tx: tx.factors.by_handle(b"other")) is None


@pytest.mark.asvs("2.3.4", "6.5.1")
async def test_a_counter_only_grows(store: Store, clock: Any) -> None:
    """The same step is taken once, an earlier one never: of two at once, one."""
    now = clock.now()
    await store.system_write(lambda tx: tx.factors.add(_factor(1, now)))
    id = _factor(1, now).id

    async def advance(counter: int) -> bool:
        return await store.system_write(lambda tx: tx.factors.advance(id, counter, now))

    answers = [await advance(n) for n in (5, 5, 4, 6)]
    assert answers == [True, False, False, True]
    [found] = await store.system_read(lambda tx: tx.factors.of(ANN))
    assert (found.counter, found.used) == (6, now)


async def test_a_factor_is_removed_by_its_owner_only(store: Store, clock: Any) -> None:
    """Another person's id removes nothing."""
    await store.system_write(lambda tx: tx.factors.add(_factor(1, clock.now())))
    id = _factor(1, clock.now()).id
    assert not await store.system_write(lambda tx: tx.factors.remove(BOB, id))
    assert await store.system_write(lambda tx: tx.factors.remove(ANN, id))
    assert not await store.system_write(lambda tx: tx.factors.remove(ANN, id))


async def test_a_recovery_code_is_taken_once_and_new_ones_replace_the_old(store: Store, clock: Any) -> None:
    """A code works for its person, once; a new set ends the old one."""
    now = clock.now()
    await store.system_write(lambda tx: tx.factors.set_recovery_codes(ANN, [b"a" * 32, b"b" * 32], now))
    assert not await store.system_write(lambda tx: tx.factors.take_recovery_code(BOB, b"a" * 32))
    assert await store.system_write(lambda tx: tx.factors.take_recovery_code(ANN, b"a" * 32))
    assert not await store.system_write(lambda tx: tx.factors.take_recovery_code(ANN, b"a" * 32))
    assert await store.system_read(lambda tx: tx.factors.recovery_codes(ANN)) == 1
    await store.system_write(lambda tx: tx.factors.set_recovery_codes(ANN, [b"c" * 32], now))
    assert not await store.system_write(lambda tx: tx.factors.take_recovery_code(ANN, b"b" * 32))


async def test_a_ticket_lives_until_it_is_used_or_its_time_is_over(store: Store, clock: Any) -> None:
    """Only the right kind of ticket is found, tries are counted, and it is taken once."""
    now = clock.now()
    ticket = Ticket(TicketKind.SIGN_IN, ANN, {"a": "ü"}, now + timedelta(minutes=10))
    await store.system_write(lambda tx: tx.factors.add_ticket(b"t" * 32, ticket))

    async def look(kind: TicketKind, at: Any) -> Any:
        return await store.system_read(lambda tx: tx.factors.ticket(b"t" * 32, kind, at))

    assert await look(TicketKind.SIGN_IN, now) == ticket
    assert await look(TicketKind.RESET, now) is None
    assert await look(TicketKind.SIGN_IN, ticket.expires) is None
    await store.system_write(lambda tx: tx.factors.try_ticket(b"t" * 32))
    await store.system_write(lambda tx: tx.factors.change_ticket(b"t" * 32, {"b": "1"}))
    changed = await look(TicketKind.SIGN_IN, now)
    assert (changed.tries, changed.facts) == (1, {"b": "1"})
    assert await store.system_write(lambda tx: tx.factors.take_ticket(b"t" * 32))
    assert not await store.system_write(lambda tx: tx.factors.take_ticket(b"t" * 32))


async def test_what_ended_is_forgotten(store: Store, clock: Any) -> None:
    """Tickets and trusted devices go when their time is over, and a person's with the person's wish."""
    now = clock.now()
    ticket = Ticket(TicketKind.CEREMONY, None, {}, now + timedelta(minutes=10))
    device = TrustedDevice(ids.encode("dev", b"d" * 16), ANN, "Firefox", "192.0.2.1", now, now, now + timedelta(days=1))

    async def write(tx: Any) -> None:
        await tx.factors.add_ticket(b"t" * 32, ticket)
        await tx.factors.add_device(device, b"d" * 32)

    await store.system_write(write)
    assert await store.system_read(lambda tx: tx.factors.device(b"d" * 32, now)) == device
    assert await store.system_read(lambda tx: tx.factors.devices(ANN)) == [device]
    assert await store.system_write(lambda tx: tx.factors.forget(now)) == 0
    assert await store.system_read(lambda tx: tx.factors.device(b"d" * 32, device.expires)) is None
    assert not await store.system_write(lambda tx: tx.factors.revoke_device(BOB, device.id))
    assert await store.system_write(lambda tx: tx.factors.forget(device.expires)) == 2


@pytest.mark.asvs("7.2.4")
async def test_a_renewed_session_answers_to_its_new_token_only(store: Store, clock: Any) -> None:
    """Rotation keeps the session and changes its token and what was proved in it."""
    now = clock.now()
    session = Session(
        SessionId(ids.encode("ses", b"s" * 16)), ANN, WS, now, now, "Firefox", "192.0.2.1", frozenset({"password"}),
        None, "192.0.2.0/24", "Vienna, AT",
    )  # fmt: skip
    await store.system_write(lambda tx: tx.people.add_session(session, b"1" * 32))
    assert await store.system_read(lambda tx: tx.people.session_by_token(b"1" * 32)) == session
    after = replace(session, factors=frozenset({"password", "totp"}), stepped_up=now)
    assert await store.system_write(lambda tx: tx.people.renew_session(after, b"2" * 32))
    assert await store.system_read(lambda tx: tx.people.session_by_token(b"1" * 32)) is None
    assert await store.system_read(lambda tx: tx.people.session_by_token(b"2" * 32)) == after


async def test_another_address_holds_in_every_workspace(store: Store, clock: Any) -> None:
    """A changed address signs in, the old one does not, and members are listed under it."""
    now = clock.now()

    async def write(tx: Any) -> None:
        await tx.people.add_user(User(ANN, "ann@old.example", "Ann", "x", now))
        await tx.people.add_member(WS, Member(ANN, "ann@old.example", "Ann", Role.MEMBER, now))
        await tx.people.set_email(ANN, "ann@new.example")

    await store.system_write(write)
    found = await store.system_read(lambda tx: tx.people.user_by_email("ANN@new.example"))
    assert found is not None
    assert found.name == "Ann"
    assert await store.system_read(lambda tx: tx.people.user_by_email("ann@old.example")) is None
    assert [m.email for m in await store.system_read(lambda tx: tx.people.members(WS))] == ["ann@new.example"]
    assert await store.system_read(lambda tx: tx.people.users()) == [found]
