"""record(): what is on disk when we say yes."""

from __future__ import annotations

import asyncio

import pytest

from mailward.app.store import Store, Tx
from mailward.base.errors import Conflict
from mailward.core.messages.model import DeliveryState
from mailward.core.submission.model import Idempotency, StaleJudgement
from mailward.core.suppression.change import by_bounce
from tests.conftest import MovingClock, SeededEntropy
from tests.core.conftest import T0, TOKEN_KEY, WS, WS_ID, put, submission


async def test_a_message_and_its_copies_are_recorded_together(store: Store) -> None:
    """After the receipt the message, one delivery a recipient and the usage count can be read."""
    receipt = await put(store, submission(1, "b@x.test", "c@y.test"))
    assert receipt.states == (DeliveryState.QUEUED, DeliveryState.QUEUED)

    async def look(tx: Tx) -> object:
        message = await tx.messages.get(receipt.id)
        assert message is not None
        copies = (await tx.deliveries.of([receipt.id]))[receipt.id]
        return message.facts.subject, [c.recipient for c in copies], await tx.messages.usage(0)

    day = T0 // 86_400_000_000
    assert await store.read(WS_ID, look) == ("Message 1 hello", ["b@x.test", "c@y.test"], [(day, "accepted", 1)])


async def test_a_suppressed_recipient_is_recorded_and_not_queued(
    store: Store, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """A copy for an address on the list is SUPPRESSED with its reason; the other goes on."""
    await store.write(
        WS_ID, lambda tx: by_bounce(tx, "B@x.test", source="msg", key=TOKEN_KEY, now=clock.now(), entropy=entropy)
    )
    receipt = await put(store, submission(1, "b@x.test", "c@y.test"))
    assert receipt.states == (DeliveryState.SUPPRESSED, DeliveryState.QUEUED)


async def test_an_idempotency_key_gives_one_message_to_a_hundred_callers(store: Store) -> None:
    """Same key and body: one message, the same receipt for all; another body: a conflict."""
    key = Idempotency(b"k" * 32, b"body1", T0 + 86_400_000_000)
    receipts = await asyncio.gather(*(put(store, submission(n, idempotency=key)) for n in range(100)))
    assert len({r.id for r in receipts}) == 1
    assert sum(not r.replayed for r in receipts) == 1
    with pytest.raises(Conflict):
        await put(store, submission(101, idempotency=key._replace(body=b"body2")))

    async def count(tx: Tx) -> int:
        return len(await tx.messages.page(before=None, limit=100))

    assert await store.read(WS_ID, count) == 1


async def test_an_idempotency_key_is_free_again_after_its_time(store: Store) -> None:
    """24 hours later the same key makes a new message."""
    key = Idempotency(b"k" * 32, b"body1", T0 + 10)
    first = await put(store, submission(1, idempotency=key))
    second = await put(store, submission(2, created=T0 + 11, idempotency=key._replace(expires=T0 + 20)))
    assert first.id != second.id


async def test_a_judgement_made_before_a_revocation_is_not_accepted(store: Store) -> None:
    """Once a revocation committed, a message judged by older caches is refused and judged again."""
    await store.system_write(lambda tx: tx.counters.bump("auth_epoch"))
    with pytest.raises(StaleJudgement):
        await put(store, submission(1))
    assert (await put(store, submission(1, epochs=(1, 0)))).id


async def test_workspaces_do_not_share_idempotency_or_lists(store: Store) -> None:
    """Another workspace's key and suppression do not touch ours."""
    key = Idempotency(b"k" * 32, b"body1", T0 + 10)
    first = await put(store, submission(1, idempotency=key))
    other = await put(store, submission(2, idempotency=key._replace(body=b"other")), workspace=b"b" * 16)
    assert first.id != other.id
    assert WS != b"b" * 16
