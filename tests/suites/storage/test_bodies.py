"""Bodies: byte for byte, sealed where they lie, and never served when touched."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.storage.records import BodyRef, open_record
from mailward.app.store import Store, Tx
from mailward.base.errors import Corrupt, NotFound
from mailward.core.submission.record import record
from mailward.core.workspaces.model import WrappedKey
from tests.core.conftest import KEY, WS, WS_ID, submission

CONTENTS = [b"", b"x", bytes(range(256)) * 40, b"Subject: \xff\x00\r\n\r\n" + b"a" * 3_000_000]


async def ref_of(store: Store, id: bytes) -> BodyRef:
    async def look(tx: Tx) -> Any:
        return await tx.messages.get(id)

    message = await store.read(WS_ID, look)
    return BodyRef(*message.body)


async def accept(store: Store, n: int, content: bytes) -> bytes:
    item = submission(n)
    await store.write_item(record, WS, item, body=(item.id, KEY, content))
    return item.id


async def test_each_body_comes_back_byte_for_byte(store: Store) -> None:
    """Whatever octets and however large, alone or in a group, by the reference in its row."""
    contents = CONTENTS + [b"%d" % n * n for n in range(60)]
    accepted = await asyncio.gather(*(accept(store, n, content) for n, content in enumerate(contents)))
    for id, content in zip(accepted, contents, strict=True):
        assert open_record(await store.read_body(await ref_of(store, id)), WS, id, KEY) == content


async def test_a_body_is_sealed_where_it_lies(store: Store, tmp_path: Path) -> None:
    """No file holds the content as it is."""
    await accept(store, 1, b"an unmistakable sentence" * 10)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files
    assert not any(b"unmistakable" in p.read_bytes() for p in files)


@pytest.mark.asvs("11.3.3")
async def test_a_touched_body_is_corrupt(store: Store, tmp_path: Path) -> None:
    """One octet changed, or another message's record in its place, and it does not open."""
    first, second = await accept(store, 1, b"first body"), await accept(store, 2, b"other body")
    ref = await ref_of(store, first)
    with pytest.raises(Corrupt):
        open_record(await store.read_body(await ref_of(store, second)), WS, first, KEY)
    (path,) = [p for p in (tmp_path / "data" / "segments").iterdir() if p.stat().st_size > ref.offset + ref.length]
    with path.open("r+b") as f:
        f.seek(ref.offset + ref.length - 1)
        last = f.read(1)
        f.seek(ref.offset + ref.length - 1)
        f.write(bytes([last[0] ^ 1]))
    with pytest.raises(Corrupt):
        open_record(await store.read_body(ref), WS, first, KEY)


async def test_an_erased_body_is_gone_and_its_neighbour_stays(store: Store) -> None:
    """Overwriting ends one record, twice as well as once."""
    first, second = await accept(store, 1, b"first body"), await accept(store, 2, b"other body")
    ref = await ref_of(store, first)
    for _ in range(2):
        await store.overwrite_body(WS, first, ref)
    with pytest.raises((Corrupt, NotFound)):
        open_record(await store.read_body(ref), WS, first, KEY)
    assert open_record(await store.read_body(await ref_of(store, second)), WS, second, KEY) == b"other body"


async def test_a_segment_that_is_gone_is_not_found(store: Store) -> None:
    """A reference into nothing says that the content is no longer kept."""
    with pytest.raises(NotFound):
        await store.read_body(BodyRef(424_242, 0, 100))


async def test_only_a_key_known_to_be_destroyed_lets_a_segment_go(store: Store) -> None:
    """One the store never knew may be a newer copy's: an older store beside newer segments removes none of them."""
    there, gone, unknown = ((WS, day, 1) for day in (20_000, 20_001, 20_002))

    async def keep(tx: Tx) -> None:
        for place in (there, gone):
            await tx.data_keys.insert(WrappedKey(*place, b"wrapped"))
        await tx.data_keys.destroy_days(WS, [gone[1]], 1)

    await store.write(WS_ID, keep)
    held = await store.system_read(lambda tx: tx.data_keys.alive([there, gone, unknown]))
    assert held == {there, unknown}
    assert await store.system_read(lambda tx: tx.data_keys.alive([])) == set()
