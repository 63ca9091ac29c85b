"""A quarter's access review, with the clock moved through it, on every store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailward.app.store import Store
from mailward.base.errors import Conflict, Forbidden
from mailward.base.ids import WorkspaceId
from mailward.core.identity.credentials import Wish, create_key, create_smtp
from mailward.core.identity.model import Member
from mailward.core.operators import review
from mailward.core.operators.model import Decision, Kind, Review
from mailward.core.operators.register import operator_actor
from mailward.policy.access import Actor, Permission, Role, Scope
from tests.conftest import MovingClock, SeededEntropy
from tests.core.operators.operators_rig import SHELL, Rig


@pytest.fixture
async def rig(store: Store, clock: MovingClock, entropy: SeededEntropy) -> Rig:
    return await Rig(store, clock, entropy).settle()


def upkeep(rig: Rig) -> Actor:
    return Actor(rig.workspace, "system", "upkeep", frozenset(Permission))


async def key(rig: Rig, name: str) -> str:
    wish = Wish(name, frozenset({Scope.SEND}))
    made = await rig.store.write(
        rig.workspace, lambda tx: create_key(tx, upkeep(rig), wish, now=rig.now, entropy=rig.entropy)
    )
    return made.credential.id


async def opened(rig: Rig) -> Review:
    made = await rig.store.write(
        rig.workspace, lambda tx: review.open_review(tx, upkeep(rig), now=rig.now, entropy=rig.entropy)
    )
    assert made is not None
    return made


def test_quarters() -> None:
    """A quarter has a name and a beginning."""
    when = datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert (review.quarter_of(when), review.quarter_began(when)) == ("2026-Q4", datetime(2026, 10, 1, tzinfo=UTC))
    assert review.quarter_of(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-Q1"


async def test_credentials_stand_by_kind(rig: Rig) -> None:
    """Keys come first, then SMTP credentials, also where pairs of them were made at one and the same time."""
    for _ in range(6):
        await key(rig, "pair")
        await rig.store.write(
            rig.workspace,
            lambda tx: create_smtp(tx, upkeep(rig), Wish("pair"), now=rig.now, entropy=rig.entropy),
        )
    kinds = [i.facts["kind"] for i in (await opened(rig)).items if i.kind is Kind.KEY]
    assert kinds == ["key"] * 6 + ["smtp"] * 6


@pytest.mark.claim("AUTHZ-4")
async def test_a_quarter_from_the_opening_to_the_evidence(rig: Rig) -> None:
    """Decisions are done at once, what nobody decided on is suspended after 30 days, and the evidence says all."""
    mate = await rig.person("mate@acme.test")
    await rig.store.write(
        rig.workspace,
        lambda tx: tx.people.add_member(rig.workspace, Member(mate, "mate@acme.test", "m", Role.ADMIN, rig.now)),
    )
    kept, gone, forgotten = await key(rig, "kept"), await key(rig, "gone"), await key(rig, "forgotten")
    grant = await rig.live()
    made = await opened(rig)
    assert {(i.kind, i.id) for i in made.items} == {
        (Kind.MEMBER, rig.owner), (Kind.MEMBER, mate), (Kind.KEY, kept), (Kind.KEY, gone), (Kind.KEY, forgotten),
        (Kind.GRANT, grant.id),
    }  # fmt: skip
    assert await rig.store.write(
        rig.workspace, lambda tx: review.open_review(tx, upkeep(rig), now=rig.now, entropy=rig.entropy)
    ) is None, "a quarter has one review"  # fmt: skip
    await rig.do(review.decide, rig.customer, made.id, Kind.KEY, kept, Decision.KEEP)
    await rig.do(review.decide, rig.customer, made.id, Kind.KEY, gone, Decision.REMOVE)
    await rig.do(review.decide, rig.customer, made.id, Kind.GRANT, grant.id, Decision.REMOVE)
    with pytest.raises(Conflict, match="decided"):
        await rig.do(review.decide, rig.customer, made.id, Kind.KEY, kept, Decision.REMOVE)
    with pytest.raises(Forbidden, match="no_grant"):
        await rig.read(grant)

    rig.clock.move(days=13, hours=23)
    assert await rig.do(review.escalate, upkeep(rig), made.id) is None
    rig.clock.move(hours=1)
    assert (await rig.do(review.escalate, upkeep(rig), made.id)).escalated == rig.now
    assert await rig.do(review.suspend, upkeep(rig), made.id) is None
    rig.clock.move(days=16)
    await rig.do(review.suspend, upkeep(rig), made.id)

    found = await rig.do_read(review.show, rig.customer, made.id)
    assert {i.id: i.outcome for i in found.items} == {
        rig.owner: "last one", mate: "suspended", kept: "kept", gone: "removed", forgotten: "suspended",
        grant.id: "removed",
    }  # fmt: skip
    paused = await rig.store.read(rig.workspace, lambda tx: tx.credentials.get(forgotten))
    assert paused is not None
    assert paused.paused == rig.now
    assert await rig.store.read(rig.workspace, lambda tx: tx.people.member(rig.workspace, mate)) is None

    for kind, id, what in (
        (Kind.MEMBER, mate, "kept"), (Kind.KEY, forgotten, "kept"), (Kind.MEMBER, rig.owner, "kept")
    ):  # fmt: skip
        found = await rig.do(review.decide, rig.customer, made.id, kind, id, Decision.KEEP)
        assert next(i for i in found.items if i.id == id).outcome == what
    assert found.closed == rig.now
    back = await rig.store.read(rig.workspace, lambda tx: tx.people.member(rig.workspace, mate))
    assert back is not None
    assert back.role is Role.ADMIN
    released = await rig.store.read(rig.workspace, lambda tx: tx.credentials.get(forgotten))
    assert released is not None
    assert released.paused is None
    assert all(i.decision and i.decided_by == rig.owner and i.decided for i in found.items)


@pytest.mark.claim("AUTHZ-4")
async def test_operators_are_reviewed_by_others(rig: Rig) -> None:
    """Of operators another one decides; what nobody decided on ends, but never the last operator."""
    nowhere = Actor(WorkspaceId(""), "system", "upkeep", frozenset(Permission))
    ann = operator_actor(rig.ann)

    async def do(verb: Any, actor: Actor, *args: Any) -> Any:
        return await rig.store.system_write(lambda tx: verb(tx, actor, *args, now=rig.now))

    made = await rig.store.system_write(lambda tx: review.open_review(tx, nowhere, now=rig.now, entropy=rig.entropy))
    assert made is not None
    assert {i.id for i in made.items} == {rig.ann, rig.bob}
    with pytest.raises(Forbidden, match="self_review"):
        await do(review.decide, ann, made.id, Kind.OPERATOR, rig.ann, Decision.KEEP)
    away = Actor(WorkspaceId(""), "session", rig.owner, frozenset(Permission), Role.MANAGER)
    with pytest.raises(Forbidden, match="operators_only"):
        await do(review.decide, away, made.id, Kind.OPERATOR, rig.ann, Decision.REMOVE)
    rig.clock.move(days=30)
    found = await do(review.suspend, nowhere, made.id)
    assert sorted(i.outcome for i in found.items) == ["last one", "suspended"]
    assert len(await rig.store.system_read(lambda tx: tx.operators.serving())) == 1
    left = next(i for i in found.items if i.outcome == "last one")
    await do(review.decide, SHELL, made.id, Kind.OPERATOR, left.id, Decision.KEEP)


async def test_a_manager_leaves_the_decision_on_themselves_to_another(rig: Rig) -> None:
    """With two managers neither decides on themselves; alone there is nobody else."""
    other = await rig.person("second@acme.test")
    seat = Member(other, "second@acme.test", "s", Role.MANAGER, rig.now)
    await rig.store.write(rig.workspace, lambda tx: tx.people.add_member(rig.workspace, seat))
    made = await opened(rig)
    with pytest.raises(Forbidden, match="self_review"):
        await rig.do(review.decide, rig.customer, made.id, Kind.MEMBER, rig.owner, Decision.KEEP)
    await rig.do(review.decide, rig.customer, made.id, Kind.MEMBER, other, Decision.REMOVE)
    rig.clock.move(days=1)
    done = await rig.do(review.decide, rig.customer, made.id, Kind.MEMBER, rig.owner, Decision.KEEP)
    assert done.closed - done.opened == timedelta(days=1)
