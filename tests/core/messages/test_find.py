"""Search and pages, on every store."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mailward.app.store import Store, Tx
from mailward.base.ids import WorkspaceId
from mailward.core.messages import find as find_module
from mailward.core.messages.expire import search_pairs
from mailward.core.messages.find import Page, Query, find, index
from mailward.core.messages.model import DeliveryState as S
from mailward.policy.access import Actor, Permission
from tests.core.conftest import T0, WS_ID, put, submission

KEY = b"k" * 32
ACTOR = Actor(WorkspaceId(WS_ID), "system", "test", frozenset(Permission))


async def look(store: Store, query: Query) -> Page:
    return await store.read(WS_ID, lambda tx: find(tx, ACTOR, query, key=KEY, now=T0))


async def fill(store: Store, count: int) -> None:
    """Every third message goes to ann, every other one is about invoices."""
    for n in range(count):
        to = "ann@x.test" if n % 3 == 0 else f"b{n}@x.test"
        await put(store, submission(n, to, created=T0 + n * 1000, subject="Invoice due" if n % 2 else "Hello"))


async def test_pages_go_from_the_newest_to_the_oldest(store: Store) -> None:
    """Each page goes on where the last ended, without a gap or a repeat."""
    await fill(store, 7)
    seen: list[bytes] = []
    query = Query(limit=3)
    while True:
        page = await look(store, query)
        seen += [f.message.id for f in page.found]
        if page.next is None:
            break
        query = Query(limit=3, before=page.next)
    assert seen == [submission(n, created=T0 + n * 1000).id for n in range(6, -1, -1)]


async def test_indexed_and_fresh_messages_are_found_alike(store: Store) -> None:
    """A message is found by its words before it is in the index and after, by all of them together."""
    await fill(store, 12)
    wanted = [9, 3]  # to ann, and an invoice
    for upto in (0, 5, 12):
        below = submission(0, created=T0 + upto * 1000).id
        await store.write(WS_ID, partial(index, key=KEY, below=below, limit=100))
        found = (await look(store, Query(to="ann@x.test", subject="invoice"))).found
        assert [f.message.id for f in found] == [submission(n, created=T0 + n * 1000).id for n in wanted]
        assert [d.recipient for f in found for d in f.deliveries] == ["ann@x.test"] * 2


@pytest.mark.parametrize(
    ("subject", "found", "missed"),
    [
        ("会議のお知らせ", ("会議", "お知らせ", "会議 お知らせ", "会議のお知らせ"), ("議会", "会社")),
        ("Q1会議 Report", ("q1", "会議", "report", "Q1 会議"), ("q2", "port", "議会")),
        ("ใบแจ้งหนี้ของคุณ", ("หนี้", "ใบแจ้ง"), ("สวัสดี",)),
        ("Größe: STRASSE", ("grösse", "straße"), ("gro",)),
    ],
)
async def test_words_of_every_script(
    store: Store, subject: str, found: tuple[str, ...], missed: tuple[str, ...]
) -> None:
    """Where a script has no spaces a part of what is written is found, indexed or fresh."""
    await put(store, submission(1, created=T0, subject=subject))
    for below in (b"", b"\xff" * 16):
        await store.write(WS_ID, partial(index, key=KEY, below=below, limit=100))
        for word in (*found, *missed):
            got = (await look(store, Query(subject=word))).found
            assert bool(got) == (word in found), word


@pytest.mark.asvs("8.4.1")
async def test_another_workspace_finds_nothing(store: Store) -> None:
    """Search stays in its workspace, even with its key."""
    await fill(store, 3)
    await store.write(WS_ID, partial(index, key=KEY, below=b"\xff" * 16, limit=100))
    other = ACTOR.workspace.replace(WS_ID[-4:], "0000")
    page = await store.read(other, lambda tx: find(tx, ACTOR, Query(to="ann@x.test"), key=KEY, now=T0))
    assert page.found == []


async def test_an_erased_message_is_not_found(store: Store) -> None:
    """With its row its tokens go, and a token that was left over leads nowhere."""
    await fill(store, 4)
    await store.write(WS_ID, partial(index, key=KEY, below=b"\xff" * 16, limit=100))
    first, last = (submission(n, created=T0 + n * 1000).id for n in (0, 3))

    async def erase(tx: Tx) -> None:
        found = await tx.messages.get(last)
        assert found is not None
        copies = await tx.deliveries.of([last])
        await tx.messages.unindex(search_pairs(KEY, found, copies[last]))
        await tx.messages.erase([last])

    await store.write(WS_ID, erase)
    assert [f.message.id for f in (await look(store, Query(to="ann@x.test"))).found] == [first]
    await store.write(WS_ID, lambda tx: tx.messages.erase([first]))
    assert (await look(store, Query(to="ann@x.test"))).found == []


async def test_a_span_of_long_ago_is_found_behind_many_newer_messages(store: Store) -> None:
    """A word and a span of time hold together: newer messages with the same word do not hide older ones."""
    await fill(store, 120)
    await store.write(WS_ID, partial(index, key=KEY, below=b"\xff" * 16, limit=200))
    page = await look(store, Query(subject="invoice", since=T0 + 2_000, until=T0 + 6_000))
    assert [f.message.id for f in page.found] == [submission(n, created=T0 + n * 1000).id for n in (5, 3)]
    assert page.next is None


async def test_however_far_the_index_is_behind_everything_is_found(store: Store, monkeypatch: Any) -> None:
    """More messages than are looked at in one go wait for the index: none of them, nor of those in it, is missed."""
    monkeypatch.setattr(find_module, "_FRESH", 3)
    await fill(store, 24)
    below = submission(0, created=T0 + 6 * 1000).id
    await store.write(WS_ID, partial(index, key=KEY, below=below, limit=100))
    found = (await look(store, Query(to="ann@x.test"))).found
    assert [f.message.id for f in found] == [submission(n, created=T0 + n * 1000).id for n in range(21, -1, -3)]


@pytest.mark.asvs("1.2.4")
async def test_what_looks_like_sql_is_looked_for_as_it_is(store: Store) -> None:
    """In each filter: no error, nothing found that does not have it, and the tables are there afterwards."""
    await fill(store, 3)
    values = ("' OR 1=1 --", "x'; DROP TABLE t_messages; --", "%", "_", '" OR ""="', "\\'", "${1}", "$1")
    for n, value in enumerate(values):
        odd = submission(100 + n, created=T0 + 100_000 + n * 1000, subject=f"odd{n} {value} words")
        await put(store, odd)
        for field in ("to", "sender", "tag", "message_id", "status", "stream"):
            assert (await look(store, Query(**{field: value}))).found == [], field  # type: ignore[arg-type]
        found = (await look(store, Query(subject=f"odd{n} {value} words"))).found
        assert [f.message.id for f in found] == [odd.id]
    assert len((await look(store, Query())).found) == 3 + len(values)


@pytest.mark.parametrize("status", ["cancelled", "bounced", "held", "queued"])
async def test_few_of_a_status_among_many_are_found_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """One page holds them all however many others lie between, alone and with words; it says that it is the last."""
    monkeypatch.setattr(find_module, "_LOOK_AT_MOST", 60)
    await fill(store, 130)
    odd = {submission(n, created=T0 + n * 1000).id: n for n in (3, 70, 129)}
    to = S[status.upper()]

    async def change(tx: Tx) -> None:
        for n in range(130):
            message = submission(n, created=T0 + n * 1000).id
            state = to if message in odd else S.DELIVERED if to is S.QUEUED else S.DISCARDED
            await tx.deliveries.move(message, [S.QUEUED], state, due=0, now=T0, reason=None)

    await store.write(WS_ID, change)
    page = await look(store, Query(status=status))
    assert [odd[f.message.id] for f in page.found] == [129, 70, 3]
    assert page.next is None
    page = await look(store, Query(status=status, limit=2))
    assert [odd[f.message.id] for f in page.found] == [129, 70]
    page = await look(store, Query(status=status, limit=2, before=page.next))
    assert [odd[f.message.id] for f in page.found] == [3]
    page = await look(store, Query(status=status, subject="invoice", to="ann@x.test"))
    assert [odd[f.message.id] for f in page.found] == [129, 3]
    assert (await look(store, Query(status=status, since=T0 + 4000, until=T0 + 129_000))).found[0].message.id in odd
