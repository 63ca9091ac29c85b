"""From the commit to the endpoint's word: leasing, settling, replaying, looking, quarantine, retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.core.inbound import expire, look, quarantine, replay, routes
from mailward.core.inbound.model import TRANSITIONS, CopyState, HandedOver, InboundRoute, Progress, hand_over_id
from mailward.core.inbound.receive import landed
from mailward.policy.posting import REPLAY_PER_SECOND, SCHEDULE
from tests.core.inbound.inbound_rig import ACTOR, OTHER, OTHER_RAW, RAW, World

S = CopyState
DAY = 86_400_000_000


@pytest.fixture
def world(store: Any, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


def named(message: bytes) -> str:
    return ids.encode("rcv", message)


def rte(route: InboundRoute) -> str:
    return ids.encode("rte", route.id)


async def test_a_message_is_recorded_with_a_copy_for_each_route(world: World) -> None:
    """Both routes lease it at once, with its facts, its place, the route and the secrets."""
    a, b = await world.route("a"), await world.route("b", url="https://y.example/")
    message = await world.take(a, b, subject="héllo")
    works = await world.lease()
    assert {w.route.id for w in works} == {a.id, b.id}
    assert {w.message.id for w in works} == {message}
    assert works[0].message.facts.subject == "héllo"
    assert works[0].message.body == (1, 2, 3)
    assert [(w.number, w.slow, len(w.secrets), w.workspace) for w in works] == [(1, False, 1, RAW)] * 2
    assert await world.lease() == []  # the lease holds


async def test_a_lease_that_runs_out_comes_back(world: World) -> None:
    """Work whose worker died is due again, as the same attempt."""
    route = await world.route()
    await world.take(route)
    await world.lease()
    world.clock.move(minutes=5)
    assert [w.number for w in await world.lease()] == [1]


async def test_what_a_dead_worker_held_is_due_at_once(world: World) -> None:
    """Its successor in the slot gives its leases back; what waits for its next try, and what others hold, stays."""
    route = await world.route()
    for _ in range(3):
        await world.take(route)

    async def begin(slot: int) -> tuple[int, int]:
        started: tuple[int, int] = await world.store.system_write(lambda tx: tx.deliveries.take_slot(slot, world.us()))
        return started

    (dead, _), (alive, _) = await begin(1), await begin(2)
    await world.answer(await world.lease(lessee=dead, limit=1), 503)
    (held,) = await world.lease(lessee=dead, limit=1)
    assert len(await world.lease(lessee=alive, limit=1)) == 1
    assert (await begin(1))[1] == 1
    assert [(w.message.id, w.number) for w in await world.lease()] == [(held.message.id, 1)]
    assert (await begin(1))[1] == 0


async def test_what_the_endpoint_takes_is_handed_over(world: World) -> None:
    """2xx ends the copy; the attempt is kept with what was said."""
    route = await world.route()
    message = await world.take(route)
    await world.answer(await world.lease(), 204, text=b"thanks")
    assert await world.state(message, route) == (S.HANDED_OVER, 1, None)
    page = await world.read(lambda tx: look.attempts(tx, ACTOR, named(message)))
    assert [(a.outcome, a.status, a.response, a.number) for a in page.attempts] == [("handed_over", 204, "thanks", 1)]


@pytest.mark.parametrize("status", [0, 301, 400, 404, 422, 429, 500, 503])
async def test_everything_else_is_tried_again_for_days(world: World, status: int) -> None:
    """A message that is ours is not lost for a 4xx: the schedule of three days, then failed."""
    route = await world.route()
    message = await world.take(route)
    more = {"error": "no"} if status == 0 else {}
    waits = []
    for n in range(1, len(SCHEDULE) + 1):
        works = await world.lease()
        assert [w.number for w in works] == [n]
        before = world.us()
        await world.answer(works, status, **more)
        state, attempts, due = await world.state(message, route)
        assert attempts == n
        if due is None:
            assert (n, state) == (len(SCHEDULE), S.FAILED)
            break
        assert state is S.RECEIVED
        waits.append((due - before) / 1e6)
        world.clock.move(microseconds=due - before)
    assert all(low <= w <= low * 1.2 for w, low in zip(waits, SCHEDULE[1:], strict=True))


async def test_patience_that_is_asked_for_is_given(world: World) -> None:
    """Retry-After makes the wait longer, up to a day."""
    route = await world.route()
    message = await world.take(route)
    await world.answer(await world.lease(), 503, retry_after=1e9)
    _, _, due = await world.state(message, route)
    assert due == world.us() + DAY


async def test_410_turns_the_route_off_and_says_so(world: World) -> None:
    """Off, what waits is ended and counted, audited, and due to be told to its owner."""
    route = await world.route()
    first, second = await world.take(route), await world.take(route)
    works = [w for w in await world.lease() if w.message.id == first]
    await world.answer(works, 410)
    assert (await world.state(first, route))[0] is S.FAILED
    assert (await world.state(second, route))[0] is S.EXPIRED
    off = await world.read(lambda tx: routes.find(tx, ACTOR, rte(route)))
    assert (off.enabled, off.disabled_reason, off.owner_told) == (False, "it answered 410 Gone", "due")
    assert (await world.acts("route.disabled"))[0][1]["messages_ended"] == "1"
    untold = await world.store.system_read(lambda tx: tx.inbound.untold(10))
    assert [r.id for r in untold] == [route.id]
    await world.store.system_write(lambda tx: tx.inbound.set_told(RAW, route.id, "mailed"))
    assert await world.store.system_read(lambda tx: tx.inbound.untold(10)) == []


async def test_an_endpoint_silent_for_days_is_turned_off(world: World) -> None:
    """Only when a message has used up its schedule and nothing was taken for five days."""
    route = await world.route()
    await world.take(route)
    await world.answer(await world.lease(), 500)
    world.clock.move(days=6)
    last = await world.take(route)
    for _ in SCHEDULE:
        works = [w for w in await world.lease(slow=0) if w.message.id == last]
        if works:
            await world.answer(works, 500)
        world.clock.move(days=2)
        if (await world.read(lambda tx: routes.find(tx, ACTOR, rte(route)))).enabled is False:
            break
    else:
        # The failing route gets one place at a time: the older copy was served first. Serve the rest.
        for _ in range(2 * len(SCHEDULE)):
            await world.answer(await world.lease(), 500)
            world.clock.move(days=2)
    off = await world.read(lambda tx: routes.find(tx, ACTOR, rte(route)))
    assert (off.enabled, off.disabled_reason) == (False, "it took no message for five days")


async def test_one_failure_after_a_quiet_time_turns_nothing_off(world: World) -> None:
    """A message was never taken, and for weeks there was none: one that finds the endpoint away waits its turn."""
    route = await world.route()
    await world.take(route)
    for wait in SCHEDULE:
        world.clock.move(seconds=wait * 1.2 + 1)
        await world.answer(await world.lease(), 500)
    world.clock.move(days=20)
    message = await world.take(route)
    await world.answer(await world.lease(), 503)
    assert (await world.read(lambda tx: routes.find(tx, ACTOR, rte(route)))).enabled
    assert (await world.state(message, route))[0] is S.RECEIVED


async def test_a_failing_endpoint_gets_one_place_and_the_others_theirs(world: World) -> None:
    """One that takes nothing lately is asked once at a time, one that takes eight at once."""
    bad, good = await world.route("bad"), await world.route("good")
    first = await world.take(bad)
    await world.answer(await world.lease(), 500)
    world.clock.move(hours=1)
    for _ in range(20):
        await world.take(bad)
        await world.take(good)
    works = await world.lease()
    assert sum(w.route.id == bad.id for w in works) == 1
    assert sum(w.route.id == good.id for w in works) == 8
    assert all(w.slow == (w.route.id == bad.id) for w in works)
    assert await world.lease(busy={good.id: 8, bad.id: 1}) == []
    taken = [w for w in works if w.route.id == bad.id]
    await world.answer(taken, 200)
    assert (await world.read(lambda tx: routes.find(tx, ACTOR, rte(bad)))).failing_since is None
    assert first


async def test_a_result_that_was_recorded_before_changes_nothing(world: World) -> None:
    """Two workers that both held the lease record one attempt."""
    route = await world.route()
    message = await world.take(route)
    works = await world.lease()
    await world.answer(works, 204)
    await world.answer(works, 500)
    assert (await world.state(message, route))[0] is S.HANDED_OVER
    assert len((await world.read(lambda tx: look.attempts(tx, ACTOR, named(message)))).attempts) == 1


async def test_an_answer_in_session_is_kept_with_its_attempt(world: World) -> None:
    """What the endpoint took is handed over and not leased; what it refused leaves facts and no content."""
    route = await world.route()
    said = HandedOver(route.id, world.us(), "handed_over", 200, 12, "ok")
    taken = await world.take(route, state=S.HANDED_OVER, attempts=(said,))
    refused = await world.take(
        route, state=S.REFUSED, attempts=(HandedOver(route.id, world.us(), "refused", 403, 9, "spam"),), body=False
    )
    assert await world.lease() == []
    assert await world.state(taken, route) == (S.HANDED_OVER, 1, None)
    found, copies = await world.read(lambda tx: look.one(tx, ACTOR, named(refused)))
    assert (found.body, copies[0].state) == (None, S.REFUSED)
    page = await world.read(lambda tx: look.attempts(tx, ACTOR, named(refused)))
    assert [(a.outcome, a.status, a.response) for a in page.attempts] == [("refused", 403, "spam")]
    with pytest.raises(NotFound):
        await world.write(
            lambda tx: replay.replay_message(tx, ACTOR, named(refused), now=world.clock.now(), entropy=world.entropy)
        )


async def test_what_was_recorded_is_known_when_the_answer_is_lost(world: World) -> None:
    """`landed` says so for each, so that nothing is recorded twice."""
    from mailward.core.inbound.model import Reception
    from tests.core.inbound.inbound_rig import facts

    route = await world.route()
    message = await world.take(route)
    asked = [Reception(i, 1, facts(), [(route.id, S.RECEIVED, 1)]) for i in (message, b"\x07" * 16)]
    found = await world.read(lambda tx: landed(tx, asked))
    assert found[0] is not None
    assert found[0].waiting == 1
    assert found[1] is None


async def test_the_list_is_newest_first_by_route_and_state(world: World) -> None:
    """Pages follow each other without gap or repetition, filters included."""
    a, b = await world.route("a"), await world.route("b")
    made = []
    for n in range(5):
        world.clock.move(seconds=1)
        made.append(await world.take(a if n % 2 else b, state=S.QUARANTINED if n == 4 else S.RECEIVED))

    async def listed(**more: Any) -> list[bytes]:
        out: list[bytes] = []
        cursor: str | None = None
        while True:
            page = await world.read(partial(look.page, actor=ACTOR, limit=2, cursor=cursor, **more))
            out += [m.id for m, _ in page.messages]
            if page.next is None:
                return out
            cursor = named(page.next)

    assert await listed() == made[::-1]
    assert await listed(route=rte(a)) == [made[3], made[1]]
    assert await listed(state=S.QUARANTINED) == [made[4]]
    assert await listed(state=S.RECEIVED, route=rte(b)) == [made[2], made[0]]


async def test_one_message_is_handed_over_again(world: World) -> None:
    """Under the same id, from the first attempt; to a route it never had as well."""
    a, b = await world.route("a"), await world.route("b")
    message = await world.take(a)
    with pytest.raises(Conflict):
        await again(world, message)  # it is under way
    await world.answer(await world.lease(), 200)
    assert await again(world, message) == 1
    works = await world.lease()
    assert [(w.number, w.route.id) for w in works] == [(1, a.id)]
    await world.answer(works, 200)
    assert await again(world, message, route=rte(b)) == 1
    assert [w.route.id for w in await world.lease()] == [b.id]
    assert hand_over_id(message, a.id) != hand_over_id(message, b.id)
    assert [a for a, _ in await world.acts("message.replayed")] == ["message.replayed"] * 2


async def again(world: World, message: bytes, **more: Any) -> int:
    found: int = await world.write(
        lambda tx: replay.replay_message(
            tx, ACTOR, named(message), now=world.clock.now(), entropy=world.entropy, **more
        )
    )
    return found


async def over_again(world: World, route: InboundRoute, **more: Any) -> Progress:
    found: Progress = await world.write(
        lambda tx: replay.replay_range(tx, ACTOR, rte(route), now=world.clock.now(), entropy=world.entropy, **more)
    )
    return found


async def test_mail_of_weeks_ago_is_handed_over_again(world: World) -> None:
    """Leases that look at the last days alone see a replay of earlier mail within seconds, beside what is new."""
    route = await world.route()
    message = await world.take(route)
    await world.answer(await world.lease(), 200)
    world.clock.move(days=20)
    assert await world.lease() == []
    assert await again(world, message) == 1
    world.clock.move(seconds=6)
    new = await world.take(route)
    assert {w.message.id for w in await world.lease()} == {message, new}


async def test_all_failures_and_a_span_of_time(world: World) -> None:
    """All failures take what failed or expired and nothing it took; a span takes everything of that time."""
    route = await world.route()
    made = []
    for status in (200, 410, 200):
        made.append(await world.take(route))
        await world.answer(await world.lease(), status)
        await world.change(route, enabled=True)
        world.clock.move(hours=1)
    await world.take(route)  # still under way: left alone
    failures = await over_again(world, route)
    assert (failures.replay.total, failures.counts, failures.finished) == (1, {S.RECEIVED: 1}, False)
    world.clock.move(seconds=1)
    works = await world.lease()
    await world.answer(works, 200)
    name = ids.encode("rpl", failures.replay.id)
    done = await world.read(lambda tx: replay.progress(tx, ACTOR, rte(route), name))
    assert (done.finished, done.counts) == (True, {S.HANDED_OVER: 1})
    start = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    span = await over_again(world, route, since=start, until=start + timedelta(minutes=61), failed_only=False)
    assert span.replay.total == 2
    assert set(made[:2]) == {
        w.message.id for w in await later(world, route, 1 / REPLAY_PER_SECOND) if w.message.id in made
    }


async def later(world: World, route: InboundRoute, seconds: float) -> list[Any]:
    world.clock.move(seconds=seconds)
    return await world.lease()


async def test_quarantine_is_released_or_discarded(world: World) -> None:
    """Released it is handed over, discarded it never is; each once, audited, and not by another workspace."""
    route = await world.route()
    one, two = await world.take(route, state=S.QUARANTINED), await world.take(route, state=S.QUARANTINED)
    assert await world.lease() == []
    now = world.clock.now()
    with pytest.raises(NotFound):
        await world.write(lambda tx: quarantine.release(tx, OTHER, named(one), now=now), OTHER)
    assert await world.write(lambda tx: quarantine.release(tx, ACTOR, named(one), now=now)) == 1
    assert await world.write(lambda tx: quarantine.discard(tx, ACTOR, named(two), now=now)) == 1
    for message in (one, two):
        with pytest.raises(Conflict):
            await world.write(partial(quarantine.release, actor=ACTOR, message=named(message), now=now))
    assert [w.message.id for w in await world.lease()] == [one]
    assert (await world.state(two, route))[0] is S.REFUSED
    assert [a for a, _ in await world.acts("message.")] == ["message.released", "message.discarded"]


async def test_another_workspace_sees_nothing_received(world: World) -> None:
    """Not in its list, not by id, not by attempts, and a removal there takes nothing here."""
    route = await world.route()
    message = await world.take(route)
    await world.answer(await world.lease(), 200)
    assert (await world.read(lambda tx: look.page(tx, OTHER), OTHER)).messages == []
    for verb in (
        lambda tx: look.one(tx, OTHER, named(message)),
        lambda tx: look.attempts(tx, OTHER, named(message)),
        lambda tx: expire.erase_one(tx, OTHER, named(message), now=world.clock.now()),
        lambda tx: replay.replay_message(tx, OTHER, named(message), now=world.clock.now(), entropy=world.entropy),
    ):
        with pytest.raises(NotFound):
            await world.write(verb, OTHER)
    await world.write(lambda tx: tx.inbound.erase([message]), OTHER)
    await world.write(lambda tx: tx.inbound.let_go([message], 1), OTHER)
    found, _ = await world.read(lambda tx: look.one(tx, ACTOR, named(message)))
    assert found.body is not None
    assert OTHER_RAW != RAW


async def test_content_goes_first_then_everything(world: World) -> None:
    """What is still to be handed over keeps its content; the day's key waits for it; then rows go."""
    route = await world.route()
    day = world.us() // DAY
    span = ((day * 86_400_000).to_bytes(6, "big") + bytes(10), ((day + 1) * 86_400_000).to_bytes(6, "big") + bytes(10))
    done, held = await world.take(route), await world.take(route, state=S.QUARANTINED)
    await world.answer(await world.lease(), 200)
    waiting = await world.take(route)
    now = world.us() + 10 * DAY

    async def let_go() -> int:
        gone, after = await world.write(lambda tx: expire.let_go(tx, after=b"", now=now, keep_us=DAY, limit=10))
        assert after is None
        return int(gone)

    look_now = {"now": now, "content_us": DAY, "messages_us": 5 * DAY}
    assert await world.read(lambda tx: expire.anything_over(tx, **look_now))
    assert await let_go() == 2
    assert await world.read(lambda tx: tx.inbound.keeping([done, waiting])) == {waiting}
    assert (await world.state(held, route))[0] is S.EXPIRED
    assert await world.read(lambda tx: tx.retention.waits_between(*span))
    await world.answer(await world.lease(), 200)
    assert await let_go() == 1
    assert not await world.read(lambda tx: tx.retention.waits_between(*span))
    found, _ = await world.read(lambda tx: look.one(tx, ACTOR, named(done)))
    assert (found.body, found.content_gone) == (None, now)
    assert await world.read(lambda tx: tx.inbound.keeping([done, held])) == set()
    assert await world.write(lambda tx: expire.erase_old(tx, now=now, keep_us=DAY, limit=10)) == 3
    assert (await world.read(lambda tx: look.page(tx, ACTOR))).messages == []
    assert not await world.read(lambda tx: expire.anything_over(tx, **look_now))
    assert waiting


async def test_erasing_one_names_its_body(world: World) -> None:
    """So that its octets can be overwritten; rows go at once."""
    message = await world.take(await world.route())
    now = world.clock.now()
    erased = await world.write(lambda tx: expire.erase_one(tx, ACTOR, named(message), now=now))
    assert erased == (message, (1, 2, 3))
    owed = await world.store.system_read(lambda tx: tx.retention.owed(10))
    assert owed == [(RAW, message, (1, 2, 3))]
    assert await world.acts("message.erased")
    with pytest.raises(NotFound):
        await world.read(lambda tx: look.one(tx, ACTOR, named(message)))
    assert await world.lease() == []


def test_every_move_of_a_copy_is_in_the_table() -> None:
    """Each state has its row, and nothing leaves REFUSED."""
    assert set(TRANSITIONS) == set(CopyState)
    assert not TRANSITIONS[S.REFUSED]
