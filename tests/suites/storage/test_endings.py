"""When credentials end, however far away somebody says that is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mailward.adapters.storage.times import from_us, to_us
from mailward.app.platform.views import at
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Invalid
from mailward.base.ids import WorkspaceId
from mailward.core.identity.credentials import (
    LONGEST,
    Wish,
    create_key,
    create_network,
    create_smtp,
    list_keys,
    list_smtp,
    parse_networks,
    revoke_all,
    revoke_key,
)
from mailward.core.identity.succession import rotate
from mailward.policy.access import Actor, Permission

WS = WorkspaceId("ws_" + "0" * 25 + "1")
OWNER = Actor(WS, "session", "usr_" + "0" * 25 + "9", frozenset(Permission))
BEYOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(minutes=-1)))
NETWORKS = parse_networks(["192.0.2.0/24"])


async def _made(store: Store, verb: Any, clock: Any, entropy: Any, expires: datetime | None) -> Any:
    wish = Wish("p", networks=NETWORKS, expires=expires)
    return await store.write(WS, lambda tx: verb(tx, OWNER, wish, now=clock.now(), entropy=entropy))


@pytest.mark.parametrize("verb", [create_key, create_smtp, create_network])
async def test_an_expiry_is_a_time_within_ten_years(store: Store, verb: Any, clock: Any, entropy: Any) -> None:
    """One that no store could give back, and one that leads out of the calendar, are refused; others are in UTC."""
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23)))
    for wrong, code in ((BEYOND, "expires_too_far"), (clock.now() + LONGEST * 1.01, "expires_too_far"),
                        (first, "expired_already")):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            await _made(store, verb, clock, entropy, wrong)
        assert (refused.value.code, refused.value.field) == (code, "expires_at")
    ends = (clock.now() + timedelta(days=1)).astimezone(timezone(timedelta(hours=5)))
    issued = await _made(store, verb, clock, entropy, ends)
    assert issued.credential.expires == ends
    assert issued.credential.expires.utcoffset() == timedelta()


async def test_what_was_stored_with_an_impossible_end_is_read_replaced_and_revoked(
    store: Store, clock: Any, entropy: Any
) -> None:
    """Lists show it, it can be replaced and ended, and everything is revoked around and with it."""
    made = []
    for verb in (create_key, create_key, create_smtp):
        issued = await _made(store, verb, clock, entropy, clock.now() + timedelta(days=1))
        made.append(issued.credential.id)

    async def spoil(tx: Any) -> None:
        # As it was written once.
        await tx.credentials.insert(await _other(tx, made[0], "key", entropy, clock), b"1" * 32)
        await tx.credentials.insert(await _other(tx, made[2], "smtp", entropy, clock), b"2" * 32)

    await store.write(WS, spoil)
    keys = await store.read(WS, lambda tx: list_keys(tx, OWNER))
    spoiled = next(k for k in keys if k.id not in made)
    assert spoiled.expires == datetime.max.replace(tzinfo=UTC)
    assert len(await store.read(WS, lambda tx: list_smtp(tx, OWNER))) == 2
    issued = await store.write(WS, lambda tx: rotate(tx, OWNER, spoiled.id, now=clock.now(), entropy=entropy))
    assert issued.credential.expires == clock.now() + LONGEST
    await store.write(WS, lambda tx: revoke_key(tx, OWNER, spoiled.id, now=clock.now()))
    assert await store.write(WS, lambda tx: revoke_all(tx, OWNER, now=clock.now())) == 5
    assert await store.write(WS, lambda tx: revoke_all(tx, OWNER, now=clock.now())) == 0


async def _other(tx: Any, like: str, prefix: str, entropy: Any, clock: Any) -> Any:
    return replace(await tx.credentials.get(like), id=ids.new(prefix, clock.now(), entropy), expires=BEYOND)


async def test_a_row_that_cannot_be_read_keeps_nothing_from_being_revoked(
    store: Store, clock: Any, entropy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is ended by its id: what else a row says is not looked at."""
    for _ in range(3):
        await _made(store, create_key, clock, entropy, None)

    def unreadable(*_: Any) -> None:
        raise ValueError

    for module in ("sqlite", "postgres"):
        monkeypatch.setattr(f"mailward.adapters.storage.{module}.identity.Credential", unreadable)
    assert await store.write(WS, lambda tx: revoke_all(tx, OWNER, now=clock.now())) == 3


def test_times_beyond_the_calendar_are_its_ends() -> None:
    """A number that no datetime stands for can still be read."""
    for read in (from_us, at):
        assert read(to_us(BEYOND)) == datetime.max.replace(tzinfo=UTC)
        assert read(-(1 << 62)) == datetime.min.replace(tzinfo=UTC)
