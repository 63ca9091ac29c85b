"""Registers are the operator's, changes of subprocessors are told to who follows, and nothing runs out unseen."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

import pytest

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Forbidden, Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.registers.change import put, read_fields, remove
from mailward.core.registers.customers import Signer, follow, sign
from mailward.core.registers.model import Entry, Kind, Subprocessor, overdue
from mailward.policy.access import Actor, Permission, Role
from tests.conftest import MovingClock, SeededEntropy
from tests.core.conftest import WS, WS_ID

pytestmark = pytest.mark.claim("PRIVACY-4")

OPERATOR = Actor(WorkspaceId(""), "cli", "cli")
CUSTOMER = Actor(WorkspaceId(WS_ID), "session", "usr_x", frozenset(Permission), Role.MANAGER)
TODAY = date(2026, 3, 4)
HOST = {"name": "Host Ltd", "purpose": "machines", "place": "Oslo"}


def host(**more: str) -> Subprocessor:
    fields = read_fields(Kind.SUBPROCESSOR, HOST | more, today=TODAY)
    assert isinstance(fields, Subprocessor)
    return fields


async def test_a_new_subprocessor_owes_followers_a_notice(
    store: Store, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Who follows is owed one for the new entry and for its changed place; a review alone tells nobody."""
    other = b"b" * 16
    await store.write(WS_ID, lambda tx: follow(tx, CUSTOMER, True, now=clock.now()))
    save = partial(put, actor=OPERATOR, kind=Kind.SUBPROCESSOR, entropy=entropy)
    entry = await store.system_write(lambda tx: save(tx, fields=host(), now=clock.now()))
    await store.system_write(lambda tx: save(tx, fields=host(due_diligence="done"), id=entry.id, now=clock.now()))
    clock.move(hours=1)
    await store.system_write(lambda tx: save(tx, fields=host(place="Bergen"), id=entry.id, now=clock.now()))
    owed = await store.system_read(lambda tx: tx.registers.owed(10))
    assert [n.workspace for n in owed] == [WS, WS]
    assert "From 2026-04-03 on a new subprocessor" in owed[0].text
    assert "Bergen" in owed[1].text
    await store.system_write(lambda tx: tx.registers.told(owed[0], "mailed"))
    assert len(await store.system_read(lambda tx: tx.registers.owed(10))) == 1
    assert len(await store.read(WS_ID, lambda tx: tx.registers.notices(WS, 10))) == 2
    assert await store.read(ids.encode("ws", other), lambda tx: tx.registers.notices(WS, 10)) == []


async def test_who_no_longer_follows_is_told_nothing(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """Following twice is once, and ends."""
    for on in (True, True, False):
        await store.write(WS_ID, lambda tx, on=on: follow(tx, CUSTOMER, on, now=clock.now()))  # type: ignore[misc]
    await store.system_write(lambda tx: put(tx, OPERATOR, Kind.SUBPROCESSOR, host(), now=clock.now(), entropy=entropy))
    assert await store.system_read(lambda tx: tx.registers.owed(10)) == []


async def test_only_operators_change_registers(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """Every permission of a workspace is not enough; what is not there cannot be changed or struck."""
    with pytest.raises(Forbidden):
        await store.system_write(
            lambda tx: put(tx, CUSTOMER, Kind.SUBPROCESSOR, host(), now=clock.now(), entropy=entropy)
        )
    with pytest.raises(NotFound):
        await store.system_write(
            lambda tx: remove(tx, OPERATOR, ids.encode("reg", bytes(16)), now=clock.now(), entropy=entropy)
        )


async def test_there_is_one_profile(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """A second one takes the place of the first."""
    for name in ("Old Ltd", "New Ltd"):
        fields = read_fields(Kind.PROFILE, {"name": name}, today=TODAY)
        await store.system_write(
            lambda tx, f=fields: put(tx, OPERATOR, Kind.PROFILE, f, now=clock.now(), entropy=entropy)  # type: ignore[misc]
        )
    (entry,) = await store.system_read(lambda tx: tx.registers.entries(Kind.PROFILE))
    assert entry.fields == read_fields(Kind.PROFILE, {"name": "New Ltd"}, today=TODAY)


async def test_a_signature_names_the_text(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """Its hash is kept in the workspace's scope, and who signed as the sealed octets that were given."""
    signer = Signer(name="A. Person", title="Director", company="Customer Ltd")
    await store.write(
        WS_ID, lambda tx: sign(tx, CUSTOMER, signer, b"sealed", b"h" * 32, now=clock.now(), entropy=entropy)
    )
    (found,) = await store.read(WS_ID, lambda tx: tx.registers.signings(WS))
    assert (found.hash, found.sealed) == (b"h" * 32, b"sealed")
    with pytest.raises(Forbidden):
        await store.write(
            WS_ID,
            lambda tx: sign(
                tx, Actor(WorkspaceId(WS_ID), "key", "k"), signer, b"", b"", now=clock.now(), entropy=entropy
            ),
        )


def test_reviews_and_certificates_run_out(clock: MovingClock) -> None:
    """A year after the review, and the day after a certificate's last, each is named; before, nothing is."""
    fields = host(certificates="ISO 27001; 2026-06-30\nSOC 2 report")
    entry = Entry("reg_x", Kind.SUBPROCESSOR, clock.now(), fields)
    assert overdue(entry, date(2026, 6, 30)) == []
    assert [o.what for o in overdue(entry, date(2026, 7, 1))] == ["certificate ISO 27001"]
    assert [o.what for o in overdue(entry, TODAY + timedelta(days=366))] == ["review", "certificate ISO 27001"]


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        (Kind.SUBPROCESSOR, {"name": "x", "purpose": "y"}, "place"),
        (Kind.SUBPROCESSOR, HOST | {"reviewed": "soon"}, "reviewed"),
        (Kind.LEGAL, {"half": "2026", "requests": "1", "complied": "0"}, "half"),
        (Kind.LEGAL, {"half": "2026-H1", "requests": "many", "complied": "0"}, "requests"),
        (Kind.REGION, {"name": "EU", "place": "x", "holds": "all", "colour": "red"}, "colour"),
        (Kind.THANKS, {"name": "a\x00b"}, "name"),
    ],
)
def test_a_wrong_field_is_named(kind: Kind, given: dict[str, str], wrong: str) -> None:
    """So that a form can show where."""
    with pytest.raises(Invalid) as refused:
        read_fields(kind, given, today=TODAY)
    assert refused.value.field == wrong
