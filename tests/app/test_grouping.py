"""What one turn of the loop asks for is signed together, and who asked gets their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailward.app.grouping import SigningGroup
from mailward.app.signing import Signing
from mailward.base.errors import Unavailable
from mailward.protocol.dkim.keys import Ed25519Key, SigningKey
from mailward.protocol.dkim.sign import Signer

NOW = datetime(2026, 3, 4, tzinfo=UTC)
CONTENT = b"From: a@d.test\r\nSubject: %d\r\n\r\nhello\r\n"


class Library:
    """Signs one by one and notes how many came together."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.refused = 0
        self.fails: Exception | None = None

    def sign(self, jobs: Sequence[tuple[SigningKey, bytes]]) -> list[bytes]:
        self.groups.append(len(jobs))
        if self.fails is not None:
            raise self.fails
        return [key.sign(data) for key, data in jobs]


class World:
    """One domain with two keys, signed for in groups and at once."""

    def __init__(self) -> None:
        self.library, self.doubts = Library(), list[int]()
        signers = [Signer("d.test", s, Ed25519Key(Ed25519PrivateKey.generate())) for s in ("s1", "s2")]
        known = SimpleNamespace(signers=signers, selectors=("s1", "s2"))
        self.domains = {"d.test": known, "bare.test": SimpleNamespace(signers=(), selectors=())}
        knowledge = cast(Any, SimpleNamespace(domain=lambda workspace, name: self.domains.get(name)))
        self.together = Signing(knowledge, on=True, group=SigningGroup(self.library, self.doubts.append))
        self.alone = Signing(knowledge, on=True)
        self.off = Signing(knowledge, on=False, group=SigningGroup(self.library, self.doubts.append))

    async def one(self, n: int, turns: int = 0) -> bytes:
        for _ in range(turns):
            await asyncio.sleep(0)
        block, selectors = self.together.sign(b"w", "d.test", CONTENT % n, NOW)
        assert selectors == ("s1", "s2")
        assert not isinstance(block, bytes)
        return await block


async def test_a_turn_is_a_group() -> None:
    """Messages of one turn are signed in one call, each as it would be alone; a later turn is a later call."""
    world = World()
    made = await asyncio.gather(*(world.one(n) for n in range(5)), world.one(5, turns=9))
    assert world.library.groups == [10, 2]
    assert made == [world.alone.sign_now(b"w", "d.test", CONTENT % n, NOW)[0] for n in range(6)]
    assert world.alone.sign(b"w", "d.test", CONTENT % 1, NOW) == (made[1], ("s1", "s2"))
    assert world.doubts == []


async def test_what_has_nothing_to_sign_waits_for_nobody() -> None:
    """A domain without keys, and signing turned off: the answer is there at once. An unknown domain raises at once."""
    world = World()
    assert world.together.sign(b"w", "bare.test", CONTENT % 1, NOW) == (b"", ())
    assert world.off.sign(b"w", "d.test", CONTENT % 1, NOW) == (b"", ())
    with pytest.raises(Unavailable):
        world.together.sign(b"w", "other.test", CONTENT % 1, NOW)
    assert world.library.groups == []


async def test_who_gave_up_is_left_out() -> None:
    """A delivery that was cancelled while it waited costs no signature, and keeps nobody from theirs."""
    world = World()
    tasks = [asyncio.ensure_future(world.one(n)) for n in range(3)]
    block, _ = world.together.sign(b"w", "d.test", CONTENT % 9, NOW)
    cast("asyncio.Future[bytes]", block).cancel()
    assert len(await asyncio.gather(*tasks)) == 3
    assert world.library.groups == [6]


async def test_a_fault_reaches_everyone_who_waits_and_nobody_later() -> None:
    """Each message counts it as its own attempt; the next group is signed."""
    world = World()
    world.library.fails = MemoryError("odd")
    heard = await asyncio.gather(*(world.one(n) for n in range(3)), return_exceptions=True)
    assert [type(e) for e in heard] == [MemoryError] * 3
    world.library.fails = None
    assert (await world.one(1)).startswith(b"DKIM-Signature: ")


async def test_a_signature_made_again_is_heard_of() -> None:
    """It may be the machine's memory or its processor: whoever runs it gets to know."""
    world = World()
    world.library.refused = 1
    await world.one(1)
    assert world.doubts == []
    sign = world.library.sign

    def again(jobs: Sequence[tuple[SigningKey, bytes]]) -> list[bytes]:
        world.library.refused += 2
        return sign(jobs)

    world.library.sign = again  # type: ignore[method-assign]
    await world.one(1)
    assert world.doubts == [2]
