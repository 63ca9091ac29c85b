"""Leases and settling between workers of several nodes."""

from __future__ import annotations

import asyncio
from typing import Any

from mailward.core.messages.model import FACTS_ENCODER, AttemptFacts, DeliveryState
from tests.adapters.storage.postgres.transactions import OTHER, T0, WS, Node, id_of, put

MINUTE = 60_000_000
LATER = T0 + MINUTE
THIRD = b"\x0c" * 16


async def lease(node: Node, lessee: int, *, now: int = LATER, limit: int = 100, turn: int = 0) -> list[Any]:
    async with node.begin(None) as tx:
        return await tx.deliveries.lease_batch(lessee, now=now, until=now + MINUTE, limit=limit, turn=turn)


async def test_two_workers_share_the_queue_without_waiting(node: Node) -> None:
    """While one worker's lease is not committed another passes its rows over, at once, and takes the rest."""
    async with node.begin(WS) as tx:
        await put(tx, *range(1, 21))
    async with node.begin(None) as first:
        mine = await first.deliveries.lease_batch(1, now=LATER, until=LATER + MINUTE, limit=12, turn=0)
        async with asyncio.timeout(5):
            others = await lease(node, 2)
    assert [r[1] for r in mine] == [id_of(n) for n in range(1, 13)]
    assert [r[1] for r in others] == [id_of(n) for n in range(13, 21)]
    assert await lease(node, 3) == []


async def test_an_uncommitted_lease_that_fails_is_free_again(node: Node) -> None:
    """A worker that dies before its commit has leased nothing."""
    async with node.begin(WS) as tx:
        await put(tx, 1)
    tx = await node.connect()
    try:
        async with node.begin(None, tx):
            assert len(await tx.deliveries.lease_batch(1, now=LATER, until=LATER + MINUTE, limit=9, turn=0)) == 1
            raise RuntimeError
    except RuntimeError:
        pass
    assert len(await lease(node, 2)) == 1


async def test_shares_are_even_and_turn_about(node: Node) -> None:
    """Each workspace with due work gets its share; when there is not room for all, each has its turn."""
    for workspace in (WS, OTHER, THIRD):
        async with node.begin(workspace) as tx:
            await put(tx, *range(1, 31))
    rows = await lease(node, 1, limit=30)
    assert {w: sum(r[0] == w for r in rows) for w in (WS, OTHER, THIRD)} == {WS: 10, OTHER: 10, THIRD: 10}
    first = [(await lease(node, 2, limit=1, turn=turn))[0][0] for turn in range(6)]
    assert first == [WS, OTHER, THIRD, WS, OTHER, THIRD]


async def test_a_row_has_all_that_sending_needs(node: Node) -> None:
    """A lease brings recipient and facts in the clear, whichever day the message is of."""
    async with node.begin(WS) as tx:
        await put(tx, 1)
        await put(tx, 2, day=20_503)
    assert [(r[1], r[3], r[7:10]) for r in await lease(node, 1)] == [
        (id_of(1), "r1@x.test", (1, 0, 10)),
        (id_of(2, 20_503), "r2@x.test", (1, 0, 10)),
    ]


async def test_what_is_not_due_waits(node: Node) -> None:
    """Neither the future nor what is held or leased counts as due; a lease that ran out does."""
    async with node.begin(WS) as tx:
        await put(tx, 1, due=LATER + MINUTE)
        await put(tx, 2, state=2)
        await put(tx, 3, state=1, due=LATER + MINUTE, lessee=9)
    async with node.begin(None) as tx:
        assert not await tx.deliveries.anything_due(LATER)
        assert await tx.deliveries.anything_due(LATER + 2 * MINUTE)
    assert await lease(node, 1) == []
    assert [r[1] for r in await lease(node, 1, now=LATER + 2 * MINUTE)] == [id_of(1), id_of(3)]


def outcome(n: int, state: DeliveryState, lessee: int, due: int = 0) -> tuple[Any, ...]:
    return (int(state), due, 1, LATER, "550 no <r@x.test>", id_of(n), 0, lessee)


async def test_only_the_lessee_settles(node: Node, admin: Any) -> None:
    """An outcome of a worker whose lease another took over changes nothing; the first of two outcomes counts."""
    async with node.begin(WS) as tx:
        await put(tx, 1, 2, 3, state=1, lessee=5)
    async with node.begin(WS) as tx:
        await tx.deliveries.settle(
            [
                outcome(1, DeliveryState.DELIVERED, 5),
                outcome(1, DeliveryState.BOUNCED, 5),
                outcome(2, DeliveryState.DELIVERED, 6),
                outcome(3, DeliveryState.QUEUED, 5, due=LATER + MINUTE),
            ]
        )
        found = await tx.deliveries.of([id_of(n) for n in (1, 2, 3, 4)])
    assert [d.state.name for n in (1, 2, 3) for d in found[id_of(n)]] == ["DELIVERED", "LEASED", "QUEUED"]
    assert found[id_of(1)][0].reason == "550 no <r@x.test>"
    assert found[id_of(4)] == []
    assert await admin.fetchval("SELECT count(*) FROM mailward.open_deliveries") == 2
    assert await admin.fetchval("SELECT count(*) FROM mailward.deliveries") == 1


async def test_an_attempt_written_again_is_one(node: Node) -> None:
    """The same try told twice, in one batch or in two, is one row with the last facts."""

    def row(text: str) -> tuple[bytes, int, int, int, bytes]:
        facts = AttemptFacts("delivered", "", 250, "2.0.0", text, "h", "127.0.0.1", "", "", {}, [], 1, ())
        return (id_of(1), 0, 1, LATER, FACTS_ENCODER.encode(facts))

    async with node.begin(WS) as tx:
        await put(tx, 1, state=1, lessee=5)
        await tx.deliveries.add_attempts([row("a"), row("b")])
        await tx.deliveries.add_attempts([row("c")])
        assert [a.facts.text for a in await tx.deliveries.attempts(id_of(1))] == ["c"]


async def test_slots_of_two_nodes_are_apart(node: Node) -> None:
    """Worker 0 of one node that starts takes nothing from worker 0 of another."""
    one, two = await node.connect(), await node.connect()
    one.node, two.node = 1, 2
    async with node.begin(None, one):
        mine, _ = await one.deliveries.take_slot(0, T0)
    async with node.begin(None, two):
        theirs, returned = await two.deliveries.take_slot(0, T0)
        assert returned == 0
        assert await two.deliveries.slots() == [0]
    assert mine != theirs
    async with node.begin(WS) as tx:
        await put(tx, 1, state=1, lessee=mine)
        await put(tx, 2, state=1, lessee=theirs)
    async with node.begin(None, two):
        assert (await two.deliveries.take_slot(0, LATER))[1] == 1
        await two.deliveries.drop_slot(0)
        assert await two.deliveries.slots() == []
    async with node.begin(None, one):
        assert await one.deliveries.slots() == [0]


async def test_counting_does_not_wait_for_others(node: Node) -> None:
    """Two transactions that count the same thing commit without waiting for each other, and the sum is of both."""
    day_us = 86_400_000_000
    first, second = await node.connect(), await node.connect()
    async with node.begin(WS, first):
        await first.messages.count(day_us, {"accepted": 2})
        async with asyncio.timeout(5):
            async with node.begin(WS, second):
                await second.messages.count(day_us, {"accepted": 3})
    async with node.begin(WS, first):
        await first.messages.count(day_us, {"accepted": 1})
        assert await first.messages.usage(0) == [(1, "accepted", 6)]


async def test_one_of_two_requests_under_one_key_is_answered(node: Node) -> None:
    """A key claimed in a transaction that is not committed keeps another waiting, which then finds that answer."""
    rows = [(b"key-a", b"body", b"answer", T0 + MINUTE)]
    first, second = await node.connect(), await node.connect()

    async def other() -> dict[bytes, tuple[bytes, bytes]]:
        async with node.begin(WS, second):
            more = [(b"key-b", b"body", b"answer", T0 + MINUTE), (b"key-a", b"body2", b"answer2", T0 + MINUTE)]
            return await second.messages.claim_answers(more, T0)

    async with node.begin(WS, first):
        assert await first.messages.claim_answers(rows, T0) == {}
        waiting = asyncio.create_task(other())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting == {b"key-a": (b"body", b"answer")}
    async with node.begin(WS) as tx:
        assert await tx.messages.claim_answers(rows, T0 + MINUTE) == {}  # expired, so free again
    async with node.begin(OTHER) as tx:
        assert await tx.messages.claim_answers(rows, T0) == {}  # a workspace's keys are its own


async def test_appends_to_one_log_wait_in_line(node: Node) -> None:
    """Two transactions that append to one workspace's log get places one after the other, without a gap."""
    from mailward.adapters.storage.times import from_us
    from mailward.base import ids
    from mailward.base.ids import WorkspaceId
    from mailward.policy.access import Actor

    actor = Actor(WorkspaceId(ids.encode("ws", WS)), "system", "test", frozenset())
    first, second = await node.connect(), await node.connect()

    async def other() -> None:
        async with node.begin(WS, second):
            await second.audit.append(actor, "b.done", "x", {"who": "ann"}, now=from_us(T0))

    async with node.begin(WS, first):
        await first.audit.append(actor, "a.done", "x", now=from_us(T0))
        waiting = asyncio.create_task(other())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await waiting
    async with node.begin(WS) as tx:
        assert [(r.seq, r.act) for r in await tx.audit.leaves(WS, 0, 9)] == [(0, "a.done"), (1, "b.done")]
