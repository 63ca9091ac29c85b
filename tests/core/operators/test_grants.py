"""Break-glass and every way to abuse it, on every store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mailward.app.store import Store
from mailward.base.errors import Conflict, Forbidden, Invalid, MailwardError, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.operators import end, grants, register
from mailward.core.operators.model import GrantState, Ground, Reach, Reader, Why
from mailward.core.operators.read import reader_by, reading
from mailward.core.operators.register import operator_actor
from mailward.policy.access import SCOPE_PERMISSIONS, Actor, Permission, Scope
from tests.conftest import MovingClock, SeededEntropy
from tests.core.operators.operators_rig import CONTENT, METADATA, SHELL, Rig

UPKEEP = Actor(WorkspaceId(""), "system", "upkeep", frozenset(Permission))


@pytest.fixture
async def rig(store: Store, clock: MovingClock, entropy: SeededEntropy) -> Rig:
    return await Rig(store, clock, entropy).settle()


@pytest.mark.claim("AUTHZ-3")
async def test_from_the_request_to_the_end_each_step_is_in_the_customers_log(rig: Rig) -> None:
    """Asked for, approved by another, permitted, begun, read and ended by time: the customer's log has it all."""
    live = await rig.live(CONTENT)
    assert live.ends == rig.now + timedelta(minutes=60)
    assert await rig.read(live, Reach.CONTENT) == "what is theirs"
    rig.clock.move(minutes=61)
    assert await rig.store.system_write(lambda tx: end.expire(tx, UPKEEP, now=rig.now)) == 1
    auditor = replace(rig.customer, permissions=SCOPE_PERMISSIONS[Scope.AUDIT])
    (kept,) = await rig.store.read(rig.workspace, lambda tx: grants.list_for_customer(tx, auditor, limit=5))
    assert (kept.state, kept.why, kept.ended) == (GrantState.ENDED, Why.TIME, live.ends)
    assert await rig.log() == [
        ("requested", rig.ann),
        ("approved", rig.bob),
        ("permitted", rig.owner),
        ("began", rig.ann),
        ("read", rig.ann),
        ("ended", "upkeep"),
    ]


@pytest.mark.claim("AUTHZ-3")
async def test_nobody_approves_or_permits_their_own_request(rig: Rig) -> None:
    """Ann cannot approve what Ann asked for, nor give the customer's permission should she be a manager there."""
    asked = await rig.request(CONTENT)
    with pytest.raises(Forbidden, match="self_approval"):
        await rig.do(grants.approve, rig.acting(rig.ann), asked.id)
    with pytest.raises(Forbidden, match="self_approval"):
        await rig.do(grants.permit, replace(rig.customer, id=rig.ann), asked.id)
    with pytest.raises(Conflict, match="grant_state"):
        await rig.do(grants.begin, rig.acting(rig.ann), asked.id)
    await rig.do(grants.approve, rig.acting(rig.bob), asked.id)
    with pytest.raises(Conflict, match="not_permitted"):
        await rig.do(grants.begin, rig.acting(rig.ann), asked.id)


async def test_an_operator_made_for_the_purpose_approves_nothing(rig: Rig) -> None:
    """Who became an operator less than a day ago is no second person yet."""
    asked = await rig.request()
    puppet = await rig.operator("puppet@ops.test")
    with pytest.raises(Forbidden, match="too_new"):
        await rig.do(grants.approve, rig.acting(puppet), asked.id)


def _none(rig: Rig) -> Any:
    return Reader(rig.workspace, "operator", rig.ann, frozenset(Permission), grant="")


async def _nothing(rig: Rig) -> None:
    return None


async def _hour(rig: Rig) -> None:
    rig.clock.move(minutes=60)


async def _approver_removed(rig: Rig) -> None:
    # Straight in the store, as if the verb that ends their grants had been passed by.
    bob = await rig.store.system_read(lambda tx: tx.operators.get(rig.bob))
    assert bob is not None
    await rig.store.system_write(lambda tx: tx.operators.change(replace(bob, ended=rig.now, ended_by="x")))


async def _approver_disabled(rig: Rig) -> None:
    await rig.store.system_write(lambda tx: tx.people.disable_user(rig.bob, rig.now))


async def _operator_ended(rig: Rig) -> None:
    await rig.store.system_write(lambda tx: register.end(tx, SHELL, rig.ann, now=rig.now))


async def _revoked_by_the_customer(rig: Rig) -> None:
    (grant,) = await rig.store.read(rig.workspace, lambda tx: tx.operators.grants(limit=1))
    await rig.do(end.revoke, rig.customer, grant.id)


async def _revoked_by_the_other(rig: Rig) -> None:
    (grant,) = await rig.store.read(rig.workspace, lambda tx: tx.operators.grants(limit=1))
    await rig.do(end.revoke, rig.acting(rig.bob), grant.id)


@pytest.mark.claim("AUTHZ-3")
@pytest.mark.parametrize(
    ("happens", "refused"),
    [
        (_nothing, False),
        (_hour, True),
        (_approver_removed, True),
        (_approver_disabled, True),
        (_operator_ended, True),
        (_revoked_by_the_customer, True),
        (_revoked_by_the_other, True),
    ],
)
async def test_a_grant_is_over_with_its_time_and_its_people(
    rig: Rig, happens: Callable[[Rig], Any], refused: bool
) -> None:
    """What was readable a moment ago is refused when time, a revocation or a person's role ended the grant."""
    live = await rig.live()
    await rig.read(live)
    await happens(rig)
    with pytest.raises(Forbidden, match="no_grant") if refused else contextlib.nullcontext():
        await rig.read(live)
    assert [act for act, _ in await rig.log()].count("read") == (1 if refused else 2)


@pytest.mark.claim("AUTHZ-3")
async def test_a_grant_reaches_what_it_says_and_nothing_else(rig: Rig) -> None:
    """Another reach, another workspace, another operator, or a reader who only claims a grant: refused."""
    live = await rig.live(METADATA)
    with pytest.raises(Forbidden, match="no_grant"):
        await rig.read(live, Reach.CONTENT)
    mine = reader_by(live)
    elsewhere = WorkspaceId("ws_00000000000000000000000000")
    for forged in (_none(rig), replace(mine, id=rig.bob), replace(mine, workspace=elsewhere)):
        with pytest.raises(MailwardError, match="no_grant"):
            await rig.read(forged)
    widened = replace(mine, permissions=frozenset(Permission))
    with pytest.raises(Forbidden, match="no_grant"):
        await rig.read(widened, Reach.CONTENT)


@pytest.mark.claim("AUTHZ-3")
async def test_a_grant_cannot_be_widened_or_prolonged(rig: Rig) -> None:
    """Neither a verb nor a row written past the verbs makes a grant larger or longer, or an ended one live."""
    live = await rig.live()
    assert live.ends is not None
    with pytest.raises(Conflict):
        await rig.do(grants.begin, rig.acting(rig.ann), live.id)
    longer = replace(live, ends=live.ends + timedelta(hours=1))
    with pytest.raises(Exception, match="does not grow"):
        await rig.store.system_write(lambda tx: tx.operators.change_grant(longer))
    await rig.do(end.revoke, rig.acting(rig.ann), live.id)
    with pytest.raises(Exception, match="does not grow"):
        await rig.store.system_write(lambda tx: tx.operators.change_grant(live))
    # And a row that says more than its wish is not believed.
    wide = replace(live, ends=rig.now + timedelta(hours=3))
    assert not wide.is_live(rig.now)


@pytest.mark.asvs("16.5.3")
@pytest.mark.claim("AUTHZ-3")
async def test_without_the_log_nothing_is_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the customer's log cannot be written the read fails and what it found is not handed out."""
    live = await rig.live()
    seen = []

    async def look(tx: Any) -> str:
        seen.append(type(tx.audit))
        monkeypatch.setattr(type(tx.audit), "append", full)
        return "what is theirs"

    async def full(*_: Any, **__: Any) -> str:
        raise RuntimeError("the log cannot be written")

    with pytest.raises(RuntimeError, match="the log"):
        await rig.store.write(
            rig.workspace,
            lambda tx: reading(tx, reader_by(live), Reach.METADATA, "a look", "", look, now=rig.now),
        )
    assert seen


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"reason": "because"}, "bad_reason"),
        ({"ticket": " "}, "bad_ticket"),
        ({"minutes": 241}, "bad_minutes"),
        ({"minutes": 0}, "bad_minutes"),
        ({"reach": frozenset()}, "bad_reach"),
        ({"ground": Ground.NONE}, "no_ground"),
        ({"ground": Ground.LEGAL}, "bad_ground"),
    ],
)
async def test_a_request_says_why_and_for_how_long(rig: Rig, over: dict[str, Any], code: str) -> None:
    """No reason, no ticket, more than four hours, or content without a ground: not even asked."""
    with pytest.raises(Invalid, match=code):
        await rig.request(msgspec.structs.replace(CONTENT, **over))


@pytest.mark.claim("AUTHZ-3")
async def test_a_single_operator_waits_a_day_and_the_customer_may_stop_it(rig: Rig) -> None:
    """Alone, nobody approves: the request may begin after a day, within the next, and not once revoked."""
    await rig.store.system_write(lambda tx: register.end(tx, SHELL, rig.bob, now=rig.now))
    first, second = await rig.request(), await rig.request()
    assert (first.state, first.ready) == (GrantState.WAITING, rig.now + timedelta(hours=24))
    rig.clock.move(hours=23, minutes=59)
    with pytest.raises(Conflict, match="too_early"):
        await rig.do(grants.begin, rig.acting(rig.ann), first.id)
    await rig.do(end.revoke, rig.customer, second.id)
    rig.clock.move(minutes=1)
    begun = await rig.do(grants.begin, rig.acting(rig.ann), first.id)
    assert await rig.read(begun)
    with pytest.raises(Conflict, match="grant_state"):
        await rig.do(grants.begin, rig.acting(rig.ann), second.id)


async def test_a_request_made_alone_goes_to_a_second_operator_who_came(rig: Rig) -> None:
    """The day's wait is for those who have nobody to ask."""
    await rig.store.system_write(lambda tx: register.end(tx, SHELL, rig.bob, now=rig.now))
    asked = await rig.request()
    carol = await rig.operator("carol@ops.test")
    rig.clock.move(hours=24)
    with pytest.raises(Conflict, match="not_alone"):
        await rig.do(grants.begin, rig.acting(rig.ann), asked.id)
    await rig.do(grants.approve, rig.acting(carol), asked.id)
    assert (await rig.do(grants.begin, rig.acting(rig.ann), asked.id)).state is GrantState.LIVE


async def test_what_was_let_through_and_not_used_ends(rig: Rig) -> None:
    """An approval is good for a day."""
    asked = await rig.request()
    await rig.do(grants.approve, rig.acting(rig.bob), asked.id)
    rig.clock.move(hours=24)
    with pytest.raises(Conflict, match="grant_unused"):
        await rig.do(grants.begin, rig.acting(rig.ann), asked.id)
    assert await rig.store.system_write(lambda tx: end.expire(tx, UPKEEP, now=rig.now)) == 1


@pytest.mark.claim("AUTHZ-3")
async def test_who_is_no_operator_finds_no_door(rig: Rig) -> None:
    """A customer's manager cannot ask, approve or begin; a foreign workspace's grant is not found."""
    asked = await rig.request()
    for verb in (grants.approve, grants.refuse, grants.begin):
        with pytest.raises(NotFound):
            await rig.do(verb, rig.customer, asked.id)
    foreign = operator_actor(rig.bob, WorkspaceId("ws_00000000000000000000000000"))
    with pytest.raises(NotFound):
        await rig.store.write(foreign.workspace, lambda tx: grants.approve(tx, foreign, asked.id, now=rig.now))
    weak = replace(rig.customer, permissions=frozenset())
    with pytest.raises(Forbidden):
        await rig.do(end.revoke, weak, asked.id)


@pytest.mark.claim("PEOPLE-1")
@pytest.mark.parametrize("who", ["asks", "approves"])
async def test_a_lapse_in_the_register_blocks_grants(rig: Rig, who: str) -> None:
    """Training is good for a year: after it neither asks nor approves, until it is entered again."""
    lapses, other = (rig.ann, rig.bob) if who == "asks" else (rig.bob, rig.ann)
    asked = await rig.request() if who == "approves" else None
    rig.clock.move(days=364, hours=23)
    await rig.file(other)

    async def step() -> None:
        fresh = await rig.request() if who == "approves" or asked is None else asked
        await rig.do(grants.approve, rig.acting(rig.bob), fresh.id)

    with pytest.raises(Forbidden, match="register_lapsed"):
        await step()
    told = await rig.store.system_write(lambda tx: register.lapsed(tx, UPKEEP, now=rig.now))
    assert [(o.id, missing) for o, missing in told] == [(lapses, ("training",))]
    assert await rig.store.system_write(lambda tx: register.lapsed(tx, UPKEEP, now=rig.now)) == []
    await rig.file(lapses)
    await step()


async def test_nobody_keeps_their_own_file(rig: Rig) -> None:
    """An operator's training is entered by another, for a day that is over."""
    actor = operator_actor(rig.ann)
    with pytest.raises(Forbidden):
        await rig.store.system_write(lambda tx: register.note(tx, actor, rig.ann, "training", rig.now, now=rig.now))
    tomorrow = rig.now + timedelta(days=1)
    with pytest.raises(Invalid):
        await rig.store.system_write(lambda tx: register.note(tx, actor, rig.bob, "training", tomorrow, now=rig.now))
    with pytest.raises(Forbidden):
        await rig.store.system_write(lambda tx: register.add(tx, actor, "owner@acme.test", now=rig.now))
    assert (await rig.store.system_read(lambda tx: tx.operators.get(UserId(rig.ann)))) is not None
