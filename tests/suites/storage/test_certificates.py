"""Certificates and the notes around their orders, on every store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from mailward.app.store import Store, Tx
from mailward.base.ids import WorkspaceId
from mailward.core.certificates import order
from mailward.core.certificates.model import Certificate, Standing
from mailward.policy.boundaries import job_actor

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ACTOR = job_actor(WorkspaceId(""), "renewal")


def certificate(serial: str, issued: datetime) -> Certificate:
    return Certificate(
        serial=serial, names=("a.example", "b.example"), issued=issued, expires=issued + timedelta(days=90), sealed=b"s"
    )


async def test_one_node_orders_at_a_time(store: Store) -> None:
    """A second node is refused until the first is done, or has been silent for longer than any order takes."""
    assert await store.system_write(lambda tx: order.begin(tx, b"one", now=NOW))
    assert not await store.system_write(lambda tx: order.begin(tx, b"two", now=NOW))
    assert await store.system_write(lambda tx: order.begin(tx, b"one", now=NOW))
    late = NOW + order.LEASE
    assert await store.system_write(lambda tx: order.begin(tx, b"two", now=late))
    await store.system_write(lambda tx: order.settle(tx, ACTOR, certificate("01", NOW), now=late))
    assert await store.system_write(lambda tx: order.begin(tx, b"one", now=late))


async def test_the_newest_certificate_is_the_one_that_counts(store: Store) -> None:
    """Certificates are kept for half a year past their end, the newest is served, and failures are forgotten."""
    assert await store.system_read(lambda tx: tx.certificates.newest()) is None
    await store.system_write(lambda tx: order.fail(tx, ACTOR, "no", now=NOW, spread=0.0))
    for serial, issued in (("aa", NOW - timedelta(days=400)), ("bb", NOW - timedelta(days=60)), ("cc", NOW)):
        await store.system_write(partial(_settle, certificate(serial, issued)))
    newest = await store.system_read(lambda tx: tx.certificates.newest())
    assert newest == certificate("cc", NOW)
    assert [c.serial for c in await store.system_read(lambda tx: tx.certificates.all())] == ["cc", "bb"]
    assert await store.system_read(order.standing) == Standing()


async def test_failures_wait_longer_each_time(store: Store) -> None:
    """The reason is kept, and the pause doubles."""
    one = await store.system_write(lambda tx: order.fail(tx, ACTOR, "refused", now=NOW, spread=0.0))
    two = await store.system_write(lambda tx: order.fail(tx, ACTOR, "refused again", now=NOW, spread=0.0))
    assert (two.failures, two.error) == (2, "refused again")
    start = int(NOW.timestamp() * 1_000_000)
    assert two.retry - start == 2 * (one.retry - start)
    assert await store.system_read(order.standing) == two


async def test_answers_to_challenges_are_seen_by_all_until_hidden(store: Store) -> None:
    """Tokens are notes of their own kind; what is too old is not shown."""
    await store.system_write(lambda tx: order.show_tokens(tx, {"t1": "one", "t2": "two"}, now=NOW))
    await store.system_write(lambda tx: order.keep_account(tx, b"key"))
    shown = await store.system_read(lambda tx: tx.certificates.notes(order.TOKEN, NOW))
    assert shown == {"token/t1": b"one", "token/t2": b"two"}
    assert await store.system_read(lambda tx: tx.certificates.notes(order.TOKEN, NOW + order.LEASE)) == {}
    await store.system_write(lambda tx: order.hide_tokens(tx, ["t1", "t2"]))
    assert await store.system_read(lambda tx: tx.certificates.notes(order.TOKEN, NOW)) == {}
    assert await store.system_read(lambda tx: tx.certificates.note(order.ACCOUNT)) == b"key"


async def _settle(made: Certificate, tx: Tx) -> None:
    await order.settle(tx, ACTOR, made, now=NOW)
