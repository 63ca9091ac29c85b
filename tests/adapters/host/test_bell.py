"""The bell between processes: heard once a round, by all, and never in anybody's way."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from mailward.adapters.host.bell import Bell


async def test_a_ring_is_heard_by_all_who_listen(tmp_path: Path) -> None:
    """However often it is rung in a round of the loop, each listener hears each word once."""
    deep = tmp_path / ("long" * 20) / ("path" * 20)
    heard: list[tuple[str, bytes]] = []
    all_heard = asyncio.Event()

    def note(who: str, word: bytes) -> None:
        heard.append((who, word))
        if len(heard) == 4:
            all_heard.set()

    one, two, ringer = Bell(deep), Bell(deep), Bell(deep)
    one.listen(200, lambda word: note("one", word))
    two.listen(201, lambda word: note("two", word))
    for _ in range(50):
        ringer.ring(b"mail")
    ringer.ring(b"webhooks")
    await asyncio.wait_for(all_heard.wait(), 5)
    assert sorted(heard) == [("one", b"mail"), ("one", b"webhooks"), ("two", b"mail"), ("two", b"webhooks")]
    for bell in (one, two, ringer):
        bell.close()
    assert list(deep.iterdir()) == []


async def test_a_dead_listener_disturbs_nobody(tmp_path: Path) -> None:
    """A socket left behind by a killed process is passed over, and taken over by its successor of that number."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone:
        gone.bind(str(tmp_path / "0200"))
    ringer = Bell(tmp_path)
    ringer.ring(b"mail")
    await asyncio.sleep(0)
    heard = asyncio.Event()
    successor = Bell(tmp_path)
    successor.listen(200, lambda word: heard.set())
    ringer.ring(b"mail")
    await asyncio.wait_for(heard.wait(), 5)
    successor.close()
    ringer.close()
