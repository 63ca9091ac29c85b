"""What every store keeps for the guard: tries, places, challenges, sign-ins, links, observations, alerts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailward.app.guard.watch import Watch
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import ChallengeRequired, Forbidden, LimitReached, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.guard import tries
from mailward.core.guard.acknowledge import acknowledge, acknowledge_ours
from mailward.core.guard.model import Alert, Digests, Link, LinkKind, SignedIn
from mailward.core.guard.watching import observe, raise_alerts
from mailward.core.identity.credentials import Wish, create_key
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.policy.access import IN_WORKSPACE, Actor, Permission, Role
from mailward.policy.detection import Kind, Observation, slot_of
from mailward.policy.lockout import Bucket
from mailward.policy.suspicion import Level
from tests.conftest import MovingClock, SeededEntropy

DIGESTS = Digests(bytes(32))
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.asvs("2.3.4", "6.3.1")
async def test_tries_made_at_once_are_as_few_as_tries_in_a_row(store: Store) -> None:
    """Of forty tries at one account side by side, five are taken before a challenge is asked."""

    async def one(n: int) -> bool:
        tried = DIGESTS.tried("ada@example.com", f"192.0.2.{n}", None)
        try:
            await store.system_write(lambda tx: tries.count_try(tx, "password", tried, proven=False, now=NOW))
        except ChallengeRequired:
            return False
        return True

    assert sum(await asyncio.gather(*(one(n) for n in range(40)))) == 5


async def test_an_accounts_own_place_has_a_bucket_of_its_own(store: Store) -> None:
    """While strangers have locked an account, its owner's browser and address try on; forgetting them ends that."""
    stranger = DIGESTS.tried("ada@example.com", "192.0.2.1", None)
    owner = DIGESTS.tried("Ada@Example.com ", "198.51.100.7", b"browser")
    assert owner.at_device is not None
    for _ in range(10):
        await store.system_write(lambda tx: tries.count_try(tx, "password", stranger, proven=True, now=NOW))
    with pytest.raises(LimitReached):
        await store.system_write(lambda tx: tries.count_try(tx, "password", owner, proven=True, now=NOW))
    places = [owner.at_device]
    await store.system_write(lambda tx: tx.guard.remember(owner.account, places, NOW))
    assert await store.system_read(lambda tx: tx.guard.known(owner.account, [*places, b"?"])) == set(places)
    await store.system_write(lambda tx: tries.count_try(tx, "password", owner, proven=False, now=NOW))
    assert await store.system_write(lambda tx: tx.guard.forget_places(owner.account)) == 1
    with pytest.raises(LimitReached):
        await store.system_write(lambda tx: tries.count_try(tx, "password", owner, proven=True, now=NOW))


async def test_a_right_try_is_given_back(store: Store) -> None:
    """A try that was right leaves the bucket as it was, and the next is the first again."""
    tried = DIGESTS.tried("ada@example.com", "192.0.2.1", None)
    for _ in range(12):
        await store.system_write(lambda tx: tries.count_try(tx, "password", tried, proven=False, now=NOW))
        await store.system_write(lambda tx: tries.give_back(tx, "password", tried))
    assert await store.system_read(lambda tx: tries.wrong_so_far(tx, "password", tried)) == 0


@pytest.mark.asvs("2.4.1")
async def test_a_challenge_is_spent_once(store: Store) -> None:
    """The second to spend a solution is told so."""
    until = NOW + timedelta(minutes=10)
    assert await store.system_write(lambda tx: tx.guard.spend(b"solution", until))
    assert not await store.system_write(lambda tx: tx.guard.spend(b"solution", until))


async def test_sign_ins_and_links_come_back_as_they_were(store: Store, entropy: SeededEntropy) -> None:
    """Sign-ins are listed newest first; a link works once, for what it was made for, and in time."""
    user = UserId(ids.new("usr", NOW, entropy))
    made = [
        SignedIn(
            ids.decode("sin", ids.new("sin", NOW + timedelta(hours=n), entropy)), user, NOW + timedelta(hours=n),
            Level.LOW, n > 0, "192.0.2.1", "Firefox", b"d" * 16, "Vienna, AT", "192.0.2.0/24", (48.2, 16.4), ("new",),
        )
        for n in range(3)
    ]  # fmt: skip
    for one in made:
        await store.system_write(lambda tx, one=one: tx.guard.add_sign_in(one))  # type: ignore[misc]
    assert await store.system_read(lambda tx: tx.guard.sign_ins(user, 2)) == [made[2], made[1]]
    link = Link(LinkKind.CONFIRM, user, NOW + timedelta(hours=1), "192.0.2.1", "Firefox", None, "", "192.0.2.0/24")
    await store.system_write(lambda tx: tx.guard.add_link(b"h" * 32, link))
    look = (b"h" * 32, LinkKind.CONFIRM)
    assert await store.system_read(lambda tx: tx.guard.open_link(*look, NOW)) == link
    assert await store.system_read(lambda tx: tx.guard.open_link(b"h" * 32, LinkKind.DISOWN, NOW)) is None
    assert await store.system_read(lambda tx: tx.guard.open_link(*look, NOW + timedelta(hours=2))) is None
    assert await store.system_write(lambda tx: tx.guard.take_link(b"h" * 32, NOW))
    assert not await store.system_write(lambda tx: tx.guard.take_link(b"h" * 32, NOW))


@pytest.mark.asvs("16.3.3")
async def test_what_several_processes_saw_adds_up_to_one_alert(store: Store, entropy: SeededEntropy) -> None:
    """Twelve accounts that failed from one source, half seen here and half there, raise one alert, once."""
    slot = slot_of(NOW.timestamp())

    def seen(first: int) -> list[Observation]:
        return [Observation(slot, Kind.FAILED, b"source", bytes([n]), 2, "192.0.2.1") for n in range(first, first + 6)]

    await store.system_write(lambda tx: observe(tx, seen(0)))
    assert await store.system_write(lambda tx: raise_alerts(tx, now=NOW, entropy=entropy)) == []
    await store.system_write(lambda tx: observe(tx, seen(6)))
    (alert,) = await store.system_write(lambda tx: raise_alerts(tx, now=NOW, entropy=entropy))
    assert (alert.rule, alert.severity, alert.subject, alert.workspace) == (
        "credential-stuffing",
        "high",
        "192.0.2.1",
        None,
    )
    assert alert.sentence == "192.0.2.1 failed to sign in to 12 accounts within ten minutes, in 24 tries."
    assert await store.system_write(lambda tx: raise_alerts(tx, now=NOW, entropy=entropy)) == []
    assert await store.system_read(lambda tx: tx.guard.alerts(before=None, limit=5)) == [alert]


async def test_an_alert_on_a_credential_is_seen_by_its_workspace_alone(store: Store, entropy: SeededEntropy) -> None:
    """A workspace reads its own alerts, and neither another's nor the installation's."""
    ours, theirs = (ids.new("ws", NOW, entropy) for _ in range(2))
    for owner, name in ((ours, "key_1"), (theirs, "key_2"), ("", "192.0.2.1")):
        kind = Kind.REFUSED if owner else Kind.BAD_KEY
        raw = ids.decode("ws", owner) if owner else b""
        seen = [Observation(slot_of(NOW.timestamp()), kind, name.encode(), bytes([n]), 2, name, raw) for n in range(25)]
        await store.system_write(lambda tx, seen=seen: observe(tx, seen))  # type: ignore[misc]
    raised = await store.system_write(lambda tx: raise_alerts(tx, now=NOW, entropy=entropy))
    assert {(a.rule, a.subject) for a in raised} == {
        ("key-abuse", "key_1"), ("key-abuse", "key_2"), ("key-abuse", "192.0.2.1"),
    }  # fmt: skip
    own = await store.read(ours, lambda tx: tx.guard.alerts(before=None, limit=5))
    assert [a.subject for a in own] == ["key_1"]
    await acknowledged(store, WorkspaceId(ours), {a.subject: a for a in raised})


async def test_a_verifications_own_keys_raise_no_alert(store: Store, entropy: SeededEntropy) -> None:
    """It shows them at every door on purpose, which is no attack; anybody else's key that does so is told."""
    workspace = WorkspaceId(ids.new("ws", NOW, entropy))

    async def made_by(who: str) -> str:
        actor = Actor(workspace, "system", who, IN_WORKSPACE)
        issued = await store.write(workspace, lambda tx: create_key(tx, actor, Wish("k"), now=NOW, entropy=entropy))
        return issued.credential.id

    keys = [await made_by("verify"), await made_by("usr_1")]
    raw, slot = ids.decode("ws", workspace), slot_of(NOW.timestamp())
    seen = [Observation(slot, Kind.REFUSED, k.encode(), bytes([n]), 2, k, raw) for k in keys for n in range(25)]
    await store.system_write(lambda tx: observe(tx, seen))
    raised = await store.system_write(lambda tx: raise_alerts(tx, now=NOW, entropy=entropy))
    assert [alert.subject for alert in raised] == keys[1:]


async def acknowledged(store: Store, ours: WorkspaceId, raised: dict[str, Alert]) -> None:
    """Who may says so of the workspace's own, an operator of the installation's; the first of each stays, audited."""
    mine, theirs, everybodys = (raised[name].id for name in ("key_1", "key_2", "192.0.2.1"))
    one = Actor(ours, "session", "usr_1", frozenset({Permission.ALERT_CHANGE}), Role.CUSTOM)
    operator = Actor(WorkspaceId(""), "operator", "usr_2", frozenset(), Role.SUPER_ADMIN)
    for now in (NOW, NOW + timedelta(hours=1)):
        seen = await store.write(ours, lambda tx, now=now: acknowledge(tx, one, mine, now=now))  # type: ignore[misc]
        assert seen == replace(raised["key_1"], acknowledged=NOW, acknowledged_by="session usr_1")
        await store.system_write(lambda tx, now=now: acknowledge_ours(tx, operator, everybodys, now=now))  # type: ignore[misc]
    for foreign in (theirs, everybodys):
        with pytest.raises(NotFound):
            await store.write(ours, lambda tx, id=foreign: acknowledge(tx, one, id, now=NOW))  # type: ignore[misc]
    with pytest.raises(NotFound):
        await store.system_write(lambda tx: acknowledge_ours(tx, operator, theirs, now=NOW))
    with pytest.raises(Forbidden):
        await store.write(ours, lambda tx: acknowledge(tx, replace(one, permissions=frozenset()), mine, now=NOW))
    with pytest.raises(Forbidden):
        await store.system_write(lambda tx: acknowledge_ours(tx, one, everybodys, now=NOW))
    kept = await store.system_read(lambda tx: tx.guard.alerts(before=None, limit=5))
    assert {a.subject: (a.acknowledged, a.acknowledged_by) for a in kept} == {
        "key_1": (NOW, "session usr_1"), "key_2": (None, ""), "192.0.2.1": (NOW, "operator usr_2"),
    }  # fmt: skip


async def test_rows_past_their_time_are_dropped(store: Store, clock: MovingClock) -> None:
    """A bucket, a solution and an observation are gone after their time; fresh ones stay."""
    key = ("password.account", b"account")
    await store.system_write(lambda tx: tx.guard.hold([key]))
    await store.system_write(lambda tx: tx.guard.put({key: Bucket(3, 0.0, 0.0, NOW.timestamp())}))
    await store.system_write(lambda tx: tx.guard.spend(b"solution", NOW))
    assert await store.system_write(lambda tx: tx.guard.forget(NOW)) == 0
    assert (await store.system_read(lambda tx: tx.guard.look([key])))[key].tries == 3
    assert await store.system_write(lambda tx: tx.guard.forget(NOW + timedelta(days=3))) == 2
    assert await store.system_read(lambda tx: tx.guard.look([key])) == {}


@pytest.mark.claim("LOG-3")
async def test_what_comes_back_of_a_workspaces_mail_is_judged_from_its_counters(
    store: Store, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """A workspace with a habit of two percent has a day of thirty: one alert, in its own log, not again within hours;
    its neighbour, who always had thirty, and whoever sent little have none."""
    now = clock.now()
    made = [WorkspaceId(ids.new("ws", now, entropy)) for _ in range(3)]
    for workspace, usual, today in zip(made, (20, 300, 0), (300, 300, 9), strict=True):
        await store.system_write(
            lambda tx, w=workspace: tx.workspaces.insert(Workspace(w, "W", now, WorkspaceSettings()))  # type: ignore[misc]
        )

        async def send(tx: Tx, usual: int = usual, today: int = today) -> None:
            for day in range(1, 29):
                at = int((now - timedelta(days=day)).timestamp() * 1e6)
                await tx.messages.count(at, {"delivered": 1000 - usual, "bounced": usual})
            await tx.messages.count(int(now.timestamp() * 1e6), {"delivered": 1000 - today, "bounced": today})

        await store.write(workspace, send)
    watch = Watch(store, DIGESTS, entropy)
    (alert,) = await watch.judge_returns(now)
    assert (alert.workspace, alert.rule, alert.subject) == (made[0], "bounce-rate", made[0])
    assert "30.0 % of 1000; the worst day of the four weeks before had 2.0 %." in alert.sentence
    assert await watch.judge_returns(now + timedelta(minutes=10)) == []
    assert [a.id for a in await store.read(made[0], lambda tx: tx.guard.alerts(before=None, limit=9))] == [alert.id]
    assert await store.read(made[1], lambda tx: tx.guard.alerts(before=None, limit=9)) == []
