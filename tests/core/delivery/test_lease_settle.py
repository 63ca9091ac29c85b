"""The queue: leases, their end, and what attempts leave behind."""

from __future__ import annotations

import msgspec
import pytest

from mailward.app.store import Store, Tx
from mailward.core.delivery.lease import due_now, lease
from mailward.core.delivery.model import Settled, Work
from mailward.core.delivery.settle import Settling
from mailward.core.delivery.settled import settled
from mailward.core.messages.model import NOT_TRIED, AttemptFacts, DeliveryState
from tests.conftest import SeededEntropy
from tests.core.conftest import T0, TOKEN_KEY, WS, WS_ID, put, submission

MINUTE = 60_000_000
settle = Settling(lambda workspace: TOKEN_KEY, SeededEntropy()).settle


def ended(work: Work, state: DeliveryState, *, lessee: int, due: int = 0) -> list[Settled]:
    facts = AttemptFacts("delivered", "", 250, "2.0.0", "ok", "h", "127.0.0.1", "", "", {}, [], 1, ())
    return [
        Settled(work.id, c.n, c.recipient, c.attempts + 1, state, due, T0, lessee, None, facts, False, work.facts)
        for c in work.copies
    ]


async def take(store: Store, lessee: int, now: int = T0, limit: int = 100, turn: int = 0) -> list[Work]:
    return await store.system_write(
        lambda tx: lease(tx, lessee, now=now, until=now + 20 * MINUTE, limit=limit, turn=turn)
    )


async def test_due_work_is_leased_once(store: Store) -> None:
    """What one worker leased, another does not get before the lease ends; then it does."""
    await put(store, submission(1, "b@x.test", "c@y.test"))
    first = await take(store, 1)
    assert [c.recipient for c in first[0].copies] == ["b@x.test", "c@y.test"]
    assert await take(store, 2) == []
    assert len(await take(store, 2, now=T0 + 21 * MINUTE)) == 1


async def test_a_scheduled_message_waits(store: Store) -> None:
    """Not due, not leased."""
    await put(store, submission(1, due=T0 + MINUTE))
    assert not await store.system_read(lambda tx: due_now(tx, T0))
    assert await take(store, 1) == []
    assert len(await take(store, 1, now=T0 + MINUTE)) == 1


async def test_a_crowded_workspace_does_not_starve_another(store: Store) -> None:
    """A lease is shared evenly over the workspaces that have due work."""
    for n in range(40):
        await put(store, submission(n))
    await put(store, submission(99), workspace=b"b" * 16)
    works = await take(store, 1, limit=10)
    assert {w.workspace for w in works} == {WS, b"b" * 16}


async def test_who_has_enough_already_is_passed_over(store: Store) -> None:
    """A workspace of which this worker holds much: the places go to others, and its work to other workers."""
    for n in range(20):
        await put(store, submission(n))
    await put(store, submission(99), workspace=b"b" * 16)
    (other,) = await store.system_write(
        lambda tx: lease(tx, 1, now=T0, until=T0 + MINUTE, limit=10, turn=0, without=frozenset((WS,)))
    )
    assert other.workspace == b"b" * 16
    assert not await store.system_read(lambda tx: due_now(tx, T0, frozenset((WS,))))
    assert await store.system_read(lambda tx: due_now(tx, T0))
    both = frozenset((WS, b"b" * 16))
    assert await store.system_write(lambda tx: lease(tx, 1, now=T0, until=T0, limit=10, turn=3, without=both)) == []
    assert len(await take(store, 2, limit=60)) == 20


async def test_a_dead_workers_leases_return_when_its_slot_starts_again(store: Store) -> None:
    """A new generation of the slot gives back what the old one held, at once."""
    generation, returned = await store.system_write(lambda tx: tx.deliveries.take_slot(0, T0))
    assert returned == 0
    await put(store, submission(1, state=DeliveryState.LEASED, lessee=generation, due=T0 + 20 * MINUTE))
    assert await take(store, 77) == []
    again, returned = await store.system_write(lambda tx: tx.deliveries.take_slot(0, T0))
    assert (again, returned) == (generation + 1, 1)
    assert len(await take(store, again)) == 1


async def test_settling_writes_state_and_attempt(store: Store) -> None:
    """A delivered copy leaves the queue and keeps the record of its attempt."""
    await put(store, submission(1))
    (work,) = await take(store, 5)
    await store.write_item(settle, WS, ended(work, DeliveryState.DELIVERED, lessee=5))

    async def look(tx: Tx) -> object:
        (copy,) = (await tx.deliveries.of([work.id]))[work.id]
        (attempt,) = await tx.deliveries.attempts(work.id)
        return copy.state, copy.attempts, attempt.facts.code

    assert await store.read(WS_ID, look) == (DeliveryState.DELIVERED, 1, 250)
    assert await take(store, 6, now=T0 + 10**12) == []


async def test_what_was_not_tried_waits_and_is_no_attempt(store: Store) -> None:
    """It is due again with its reason; nothing is recorded, counted or told of it."""
    await put(store, submission(1))
    (work,) = await take(store, 5)
    (one,) = ended(work, DeliveryState.QUEUED, lessee=5, due=T0 + MINUTE)
    facts = msgspec.structs.replace(one.facts, outcome=NOT_TRIED)
    later = one._replace(attempt=0, reason="turn", facts=facts)
    await store.write_item(settle, WS, [later])

    async def look(tx: Tx) -> object:
        (copy,) = (await tx.deliveries.of([work.id]))[work.id]
        return copy.state, copy.attempts, copy.due, copy.reason, await tx.deliveries.attempts(work.id)

    assert await store.read(WS_ID, look) == (DeliveryState.QUEUED, 0, T0 + MINUTE, "turn", [])
    assert await store.write_item(settled, WS, [later])
    assert await take(store, 5) == []
    assert len(await take(store, 6, now=T0 + MINUTE)) == 1


async def test_a_copy_taken_over_keeps_its_new_lessees_state(store: Store) -> None:
    """An outcome from a worker whose lease ran out is recorded, but does not overwrite the new holder's copy."""
    await put(store, submission(1))
    (work,) = await take(store, 5)
    (again,) = await take(store, 6, now=T0 + 21 * MINUTE)
    await store.write_item(settle, WS, ended(work, DeliveryState.QUEUED, lessee=5, due=T0))

    async def state(tx: Tx) -> DeliveryState:
        return (await tx.deliveries.of([work.id]))[work.id][0].state

    assert await store.read(WS_ID, state) == DeliveryState.LEASED
    await store.write_item(settle, WS, ended(again, DeliveryState.DELIVERED, lessee=6))
    assert await store.read(WS_ID, state) == DeliveryState.DELIVERED


async def test_a_hard_bounce_lists_the_address(store: Store) -> None:
    """After a hard bounce the next message to that address is recorded as suppressed, with its reason."""
    await put(store, submission(1))
    (work,) = await take(store, 5)
    (one,) = ended(work, DeliveryState.BOUNCED, lessee=5)
    await store.write_item(settle, WS, [one._replace(hard=True, reason="bad_mailbox")])
    receipt = await put(store, submission(2))
    assert receipt.states == (DeliveryState.SUPPRESSED,)


async def test_a_move_that_is_not_in_the_table_raises(store: Store) -> None:
    """LEASED cannot become CANCELLED."""
    await put(store, submission(1))
    (work,) = await take(store, 5)
    with pytest.raises(ValueError, match="no way"):
        await store.write_item(settle, WS, ended(work, DeliveryState.CANCELLED, lessee=5))
