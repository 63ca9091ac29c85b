"""The list of addresses nothing is sent to, on the embedded store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailward.base import ids
from mailward.base.errors import Forbidden, Invalid, NotFound
from mailward.core.suppression import change, look, transfer
from mailward.core.suppression.model import Reason, blocked, token
from mailward.policy.access import Actor, Permission

KEY = b"k" * 32
WS = ids.WorkspaceId(ids.encode("ws", b"\x01" * 16))
OTHER = ids.WorkspaceId(ids.encode("ws", b"\x02" * 16))


def actor(workspace: ids.WorkspaceId = WS, *permissions: Permission) -> Actor:
    return Actor(workspace, "key", "key_1", frozenset(permissions or Permission))


async def add(store: Any, clock: Any, entropy: Any, address: str, ws: ids.WorkspaceId = WS, **kw: Any) -> Any:
    clock.move(seconds=1)
    return await store.write(
        ws, lambda tx: change.add(tx, actor(ws), address, key=KEY, now=clock.now(), entropy=entropy, **kw)
    )


async def test_an_address_is_found_however_it_is_written(store: Any, clock: Any, entropy: Any) -> None:
    """Case does not matter, an internationalised domain equals its A-label form; what is shown is as it was typed."""
    entry = await add(store, clock, entropy, "Ann.B@Example.COM")
    await add(store, clock, entropy, "jo@bücher.example")
    assert entry.address == "Ann.B@example.com"
    asked = [token(KEY, a) for a in ("ann.b@EXAMPLE.com", "jo@xn--bcher-kva.example", "x@example.com")]
    found = await store.read(WS, lambda tx: tx.suppressions.among(asked))
    assert [blocked(found, t, "transactional") for t in asked] == [Reason.MANUAL, Reason.MANUAL, None]


def test_quotes_make_no_other_mailbox() -> None:
    """A local part is what it says, quoted or not, with its pairs undone; what differs without them stays different."""
    for one, other in (
        ('"Ann.B"@example.com', "ann.b@example.com"),
        (r'"a\nn"@example.com', "ann@example.com"),
        (r'"a\"b c"@example.com', r'"a\"\b\ c"@EXAMPLE.com'),
        ('"jö"@bücher.example', "jö@xn--bcher-kva.example"),
    ):
        assert token(KEY, one) == token(KEY, other), one
    apart = ("ann@example.com", '"ann "@example.com', '"an\\\\n"@example.com', '"ann@x"@example.com', '"@example.com')
    assert len({token(KEY, a) for a in apart}) == len(apart)


async def test_a_batch_of_any_size_is_one_answer(store: Any, clock: Any, entropy: Any) -> None:
    """Sizes around the padded statements give the same answer as one by one."""
    await add(store, clock, entropy, "a7@example.com")
    for n in (1, 2, 4, 5, 16, 17, 300, 513, 1100):
        tokens = [token(KEY, f"a{i}@example.com") for i in range(n)]
        found = await store.read(WS, lambda tx, t=tokens: tx.suppressions.among(t))
        assert set(found) == ({tokens[7]} if n > 7 else set())
    assert await store.read(WS, lambda tx: tx.suppressions.among([])) == {}


async def test_a_stream_entry_stops_that_stream_only(store: Any, clock: Any, entropy: Any) -> None:
    """An unsubscribe from a broadcast stream leaves transactional mail alone."""
    await add(store, clock, entropy, "a@example.com", reason=Reason.UNSUBSCRIBE, stream="broadcast")
    t = token(KEY, "a@example.com")
    found = await store.read(WS, lambda tx: tx.suppressions.among([t]))
    assert blocked(found, t, "broadcast") is Reason.UNSUBSCRIBE
    assert blocked(found, t, "transactional") is None


async def test_another_workspace_sees_nothing(store: Any, clock: Any, entropy: Any) -> None:
    """Entries, ids and look-ups end at the workspace."""
    entry = await add(store, clock, entropy, "a@example.com")
    t = token(KEY, "a@example.com")
    assert await store.read(OTHER, lambda tx: tx.suppressions.among([t])) == {}
    with pytest.raises(NotFound):
        await store.read(OTHER, lambda tx: look.get(tx, actor(OTHER), ids.encode("sup", entry.id), key=KEY))


async def test_a_hard_bounce_lists_once_and_never_expires(store: Any, clock: Any, entropy: Any) -> None:
    """A second bounce keeps the first entry; years later it is still there."""
    for message in ("msg_1", "msg_2"):
        await store.write(
            WS,
            lambda tx, m=message: change.by_bounce(
                tx, "gone@example.com", source=m, key=KEY, now=clock.now(), entropy=entropy
            ),
        )
        clock.move(days=2000)
    (entry,) = await store.read(WS, lambda tx: look.get(tx, actor(), "GONE@example.com", key=KEY))
    assert (entry.reason, entry.source) == (Reason.HARD_BOUNCE, "msg_1")


async def test_removing_frees_the_address_and_is_audited(store: Any, clock: Any, entropy: Any) -> None:
    """After removal the address is free; adding and removing both left an audit entry."""
    await add(store, clock, entropy, "a@example.com")
    await store.write(WS, lambda tx: change.remove(tx, actor(), "a@example.com", key=KEY, now=clock.now()))
    assert await store.read(WS, lambda tx: tx.suppressions.among([token(KEY, "a@example.com")])) == {}
    with pytest.raises(NotFound):
        await store.write(WS, lambda tx: change.remove(tx, actor(), "a@example.com", key=KEY, now=clock.now()))


async def test_pages_and_search(store: Any, clock: Any, entropy: Any) -> None:
    """Cursors walk the whole list once, newest first; search treats % and _ as letters."""
    for i in range(7):
        await add(store, clock, entropy, f"a_{i}@example.com")
    await add(store, clock, entropy, "b%c@example.com")
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.read(WS, lambda tx, c=cursor: look.page(tx, actor(), cursor=c, limit=3))
        seen += [e.address for e in page.entries]
        if page.next is None:
            break
        cursor = ids.encode("sup", page.next)
    assert seen == ["b%c@example.com", *(f"a_{i}@example.com" for i in range(6, -1, -1))]
    for text, hits in (("%", 1), ("a_3", 1), ("A_", 7), ("zzz", 0)):
        page = await store.read(WS, lambda tx, s=text: look.page(tx, actor(), search=s))
        assert len(page.entries) == hits, text


@pytest.mark.parametrize(
    "address", ["", "a", "@b.c", "a@", "a b@c.d", "a\r\nb@c.d", "a@b\u2028.c", "x" * 65 + "@c.d", "a@" + "b" * 300]
)
async def test_what_is_no_address_is_refused(store: Any, clock: Any, entropy: Any, address: str) -> None:
    """Nothing but an address gets on the list."""
    with pytest.raises(Invalid):
        await add(store, clock, entropy, address)


async def test_export_comes_back_by_import_and_runs_no_formula(store: Any, clock: Any, entropy: Any) -> None:
    """A cell that a spreadsheet would run is made text, and import undoes it."""
    await add(store, clock, entropy, "=cmd@example.com", reason=Reason.COMPLAINT)
    await add(store, clock, entropy, "plain@example.com", stream="broadcast")
    text = await store.write(WS, lambda tx: transfer.export(tx, actor(), now=clock.now()))
    assert "'=cmd@example.com,complaint,every" in text
    lines = transfer.parse_csv(text)
    done = await store.write(
        OTHER,
        lambda tx: transfer.import_lines(tx, actor(OTHER), lines, key=KEY, now=clock.now(), entropy=entropy),
    )
    assert (done.added, done.already, done.refused) == (2, 0, [])
    (entry,) = await store.read(OTHER, lambda tx: look.get(tx, actor(OTHER), "=cmd@example.com", key=KEY))
    assert entry.reason is Reason.COMPLAINT


async def test_import_refuses_bad_lines_one_by_one(store: Any, clock: Any, entropy: Any) -> None:
    """Good lines go in, bad ones are named by number, known ones counted."""
    await add(store, clock, entropy, "a@example.com")
    lines = transfer.parse_csv("a@example.com\nnonsense\nb@example.com\n")
    done = await store.write(
        WS, lambda tx: transfer.import_lines(tx, actor(), lines, key=KEY, now=clock.now(), entropy=entropy)
    )
    assert (done.added, done.already, [n for n, _ in done.refused]) == (1, 1, [2])


async def test_a_bad_line_is_numbered_as_an_editor_does(store: Any, clock: Any, entropy: Any) -> None:
    """The header and empty lines count: the number leads to the line in the file."""
    lines = transfer.parse_csv("address,reason\n\na@example.com,manual\nnonsense\n")
    done = await store.write(
        WS, lambda tx: transfer.import_lines(tx, actor(), lines, key=KEY, now=clock.now(), entropy=entropy)
    )
    assert (done.added, [n for n, _ in done.refused]) == (1, [4])


async def test_reading_does_not_permit_changing(store: Any, clock: Any, entropy: Any) -> None:
    """An actor that may read may not add."""
    reader = actor(WS, Permission.SUPPRESSION_READ)
    await store.read(WS, lambda tx: look.page(tx, reader))
    with pytest.raises(Forbidden):
        await store.write(
            WS, lambda tx: change.add(tx, reader, "a@example.com", key=KEY, now=clock.now(), entropy=entropy)
        )


async def test_many_bounces_in_one_statement(store: Any, clock: Any) -> None:
    """put_bounces lists a batch and keeps earlier entries."""
    at = int((clock.now() + timedelta(0)).timestamp() * 1e6)
    rows = [(token(KEY, f"b{i}@example.com"), f"b{i}@example.com", b"\x07" * 16, at) for i in range(3)]
    for _ in range(2):
        await store.write(WS, lambda tx: tx.suppressions.put_bounces(rows))
    page = await store.read(WS, lambda tx: look.page(tx, actor()))
    assert sorted(e.address for e in page.entries) == ["b0@example.com", "b1@example.com", "b2@example.com"]
    assert page.entries[0].source.startswith("msg_")


@pytest.mark.parametrize(
    ("stream", "entries", "stopped"),
    [
        ("transactional", None, None),
        ("transactional", {}, None),
        ("transactional", {"": Reason.HARD_BOUNCE}, Reason.HARD_BOUNCE),
        ("broadcast", {"": Reason.COMPLAINT}, Reason.COMPLAINT),
        ("broadcast", {"broadcast": Reason.UNSUBSCRIBE}, Reason.UNSUBSCRIBE),
        ("transactional", {"broadcast": Reason.UNSUBSCRIBE}, None),
        ("transactional", {"transactional": Reason.MANUAL}, Reason.MANUAL),
    ],
)
def test_an_entry_stops_its_own_stream_or_every_one(
    stream: str, entries: dict[str, Reason] | None, stopped: Reason | None
) -> None:
    """An unsubscribe does not stop receipts; an address without entries is stopped nowhere."""
    found = {} if entries is None else {b"token": entries}
    assert blocked(found, b"token", stream) is stopped
    assert blocked(found, b"other", stream) is None
