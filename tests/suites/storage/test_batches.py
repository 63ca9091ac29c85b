"""Batches of the API on every store: what belongs together is recorded together, and a repeat is answered alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.host.buckets import MachineBuckets
from mailward.app.allowance import Allowance
from mailward.app.knowledge import KnownDomain
from mailward.app.metrics import Metrics
from mailward.app.platform.acceptance import Acceptance
from mailward.app.platform.batches import Batches
from mailward.app.settings import Limits
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, LimitReached, MailwardError, Unavailable
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import DataKey
from mailward.edges.web.schema.messages import DryRun
from mailward.edges.web.schema.submission import Asked, Given, Idempotency, Keyed, Outcome, Outgoing
from mailward.policy.access import Actor, Permission
from tests.conftest import MovingClock, SeededEntropy

WS = WorkspaceId(ids.encode("ws", b"w" * 16))
DAY_US = 86_400_000_000
NOW = 20_000 * DAY_US
ACTOR = Actor(WS, "key", "key_1", frozenset((Permission.MESSAGE_SEND,)))


class Scanner:
    """Finds malware where it is written, and is away when it is told so."""

    def __init__(self) -> None:
        self.away = False

    def wants(self, content: bytes, files: Sequence[str]) -> bool:
        return bool(files)

    async def require_clean(self, content: bytes, mail_from: str, recipients: Sequence[str]) -> None:
        if self.away:
            raise Unavailable("scanner_down", "Later.")
        if b"EICAR" in content:
            raise Invalid("malware_refused", "A file of this message is malware: EICAR.", field="attachments")


class Rig:
    """Batches on a store, whose workspace owns d.test."""

    def __init__(self, store: Store, clock: MovingClock, folder: Path, a_minute: int) -> None:
        self.store = store
        self.scanner = Scanner()
        self.known = {"d.test": KnownDomain(b"d" * 16, "d.test", capture_only=False, subdomains=False, return_path="")}
        self.epochs = (0, 0)
        self.looked = 0
        parts: Any = SimpleNamespace
        knowledge = parts(
            domains=lambda _: self.known, paused=lambda *_: False, redaction=lambda _: None, refresh=self.refresh
        )
        self.knowledge = knowledge
        knowledge.epochs = self.epochs
        entropy = SeededEntropy(1)
        limits = Limits(messages_per_minute=a_minute)
        acceptance = Acceptance(
            store, parts(cached=lambda _, day: DataKey(day, 1, AESGCM(bytes(32)))), knowledge,
            outbox=None, lessee=4, entropy=entropy, now_us=lambda: NOW, token_key=lambda _: bytes(32),
            metrics=Metrics(), max_bytes=10_000, max_recipients=10, refused_files=frozenset(), capture=False,
            allowance=Allowance(limits, MachineBuckets(folder / "buckets", clock.monotonic)),
            standings=parts(plain=lambda _: True),
            revalidate=self.revalidate, ring=lambda: None, inspection=self.scanner,  # type: ignore[arg-type]
        )  # fmt: skip
        self.batches = Batches(acceptance, store, knowledge, token_key=lambda _: bytes(32), now_us=lambda: NOW)

    async def refresh(self) -> None:
        self.looked += 1
        self.knowledge.epochs = self.epochs

    async def revalidate(self, actor: Actor) -> None:
        pass

    async def submit(
        self, items: Sequence[Outgoing | MailwardError], *, atomic: bool = False, key: str = "", body: bytes = b"1"
    ) -> list[Outcome]:
        keyed = None
        if key:
            keyed = Keyed(self.key(key, body), lambda n: Asked(items[n].recipients, items[n].message_id))  # type: ignore[union-attr]
        return await self.batches.submit(ACTOR, items, atomic=atomic, keyed=keyed)

    async def again(self, items: Sequence[Any], key: str, body: bytes = b"1") -> list[Outcome | None] | None:
        def asked(n: int) -> Asked:
            return Asked(items[n].recipients, items[n].message_id)

        return await self.batches.repeat(ACTOR, self.key(key, body), asked, batch=True)

    def key(self, key: str, body: bytes) -> Idempotency:
        return Idempotency(key, body * 32)

    async def recorded(self) -> list[str]:
        async def look(tx: Tx) -> list[str]:
            return [m.facts.subject for m in reversed(await tx.messages.page(before=None, limit=100))]

        return sorted(await self.store.read(WS, look))


@pytest.fixture
def rig(store: Store, clock: MovingClock, tmp_path: Path) -> Rig:
    return Rig(store, clock, tmp_path, 1000)


def item(n: int, *, text: str = "x", domain: str = "d.test", files: tuple[str, ...] = (), **over: Any) -> Outgoing:
    return Outgoing(
        content=f"From: a@{domain}\r\nSubject: {n}\r\n\r\n{text}\r\n".encode(), recipients=[f"b{n}@x.test", "c@x.test"],
        header_from=f"a@{domain}", message_id=f"<{n}@d.test>", subject=str(n), files=files, **over,
    )  # fmt: skip


def codes(outcomes: Sequence[Outcome | None]) -> list[str]:
    return [o.code if isinstance(o, MailwardError) else type(o).__name__ for o in outcomes]


async def test_an_atomic_batch_is_accepted_whole(rig: Rig) -> None:
    """Each message has its own receipt, in the order they came, and can be read afterwards."""
    outcomes = await rig.submit([item(0), item(1, files=("a.pdf",)), item(2)], atomic=True)
    assert [o.accepted.message_id for o in outcomes if isinstance(o, Given)] == [f"<{n}@d.test>" for n in range(3)]
    assert await rig.recorded() == ["0", "1", "2"]


async def test_what_is_found_late_refuses_an_atomic_batch(rig: Rig) -> None:
    """Malware that only looking into a file finds, and an item that was wrong from the start, let nothing through."""
    files = ("a.bin",)
    assert codes(await rig.submit([item(0), item(1, text="EICAR", files=files), item(2)], atomic=True)) == [
        "batch_refused", "malware_refused", "batch_refused",
    ]  # fmt: skip
    wrong = Invalid("invalid_address", "No.", field="to")
    assert codes(await rig.submit([item(0), wrong], atomic=True)) == ["batch_refused", "invalid_address"]
    assert codes(await rig.submit([item(0), item(1, domain="no.test")], atomic=True)) == [
        "batch_refused", "domain_not_verified",
    ]  # fmt: skip
    rig.scanner.away = True
    with pytest.raises(Unavailable, match="Later"):
        await rig.submit([item(0), item(1, files=files)], atomic=True)
    assert await rig.recorded() == []


async def test_a_change_that_overtakes_an_atomic_batch_has_it_judged_anew(rig: Rig) -> None:
    """With what is known then it passes whole, or a domain that is gone meanwhile refuses it whole."""
    await rig.store.system_write(lambda tx: tx.counters.bump("domains_epoch"))
    rig.epochs = (0, 1)
    assert codes(await rig.submit([item(0), item(1)], atomic=True)) == ["Given", "Given"]
    assert rig.looked == 1
    await rig.store.system_write(lambda tx: tx.counters.bump("domains_epoch"))
    rig.epochs = (0, 2)
    real = rig.refresh

    async def gone() -> None:
        rig.known.clear()
        await real()

    rig.knowledge.refresh = gone
    assert codes(await rig.submit([item(2), item(3)], atomic=True)) == ["domain_not_verified"] * 2
    assert await rig.recorded() == ["0", "1"]


async def test_the_rate_counts_an_atomic_batch_as_a_whole(store: Store, clock: MovingClock, tmp_path: Path) -> None:
    """There is room for all of it or none is taken up; more than ever passes at once is said to be just that."""
    rig = Rig(store, clock, tmp_path, 10)
    assert codes(await rig.submit([item(n) for n in range(8)], atomic=True)) == ["Given"] * 8
    with pytest.raises(LimitReached):
        await rig.submit([item(n) for n in range(8, 11)], atomic=True)
    assert codes(await rig.submit([item(n) for n in range(8, 10)], atomic=True)) == ["Given"] * 2
    with pytest.raises(Invalid) as refused:
        await rig.submit([item(n) for n in range(11)], atomic=True)
    assert refused.value.code == "batch_beyond_limit"
    assert len(await rig.recorded()) == 10


@pytest.mark.parametrize("key", ["", "k"])
async def test_beyond_the_rate_a_batch_says_which_items_passed(
    store: Store, clock: MovingClock, tmp_path: Path, key: str
) -> None:
    """Only when none passed is the request as a whole beyond it."""
    rig = Rig(store, clock, tmp_path, 10)
    assert codes(await rig.submit([item(n) for n in range(25)], key=key)) == ["Given"] * 10 + ["rate_limited"] * 15
    with pytest.raises(LimitReached):
        await rig.submit([item(n) for n in range(25, 30)], key=key and "other")
    assert len(await rig.recorded()) == 10


async def test_a_repeated_batch_is_answered_as_it_was(rig: Rig) -> None:
    """The same ids, the refused items among them, though by now everything would be refused; nothing is sent twice."""
    items = [item(0), item(1, domain="no.test"), item(2, text="EICAR", files=("a",)), item(3, dry_run=True)]
    first = await rig.submit(items, key="k")
    assert codes(first) == ["Given", "domain_not_verified", "malware_refused", "DryRun"]
    rig.known.clear()
    again = await rig.again(items, "k")
    assert again is not None
    assert codes(again) == ["Given", "domain_not_verified", "malware_refused", "NoneType"]
    assert isinstance(again[0], Given)
    assert isinstance(first[0], Given)
    assert (again[0].accepted, again[0].replayed) == (first[0].accepted, True)
    assert isinstance(again[1], Forbidden)
    assert isinstance(again[2], Invalid)
    assert again[2].field == "attachments"
    assert await rig.recorded() == ["0"]


async def test_a_key_stands_for_one_request(rig: Rig) -> None:
    """Another batch under it is refused whole and nothing of it is sent, nor is a single message; nor a key that looks
    like one of an item taken for it."""
    items = [item(0), item(1)]
    await rig.submit(items, key="k")
    for atomic in (False, True):
        with pytest.raises(Conflict, match="different request"):
            await rig.submit([item(0), item(1), item(2)], key="k", body=b"2", atomic=atomic)
    with pytest.raises(Conflict, match="different request"):
        await rig.again(items, "k", b"2")
    assert codes(await rig.batches.submit(ACTOR, [item(3, idempotency=rig.key("k", b"3"))], atomic=False)) == [
        "idempotency_key_reused"
    ]
    for n, name in enumerate(("k#0", "k#1")):
        made = await rig.batches.submit(ACTOR, [item(4 + n, idempotency=rig.key(name, b"4"))], atomic=False)
        assert codes(made) == ["Given"]
    assert await rig.recorded() == ["0", "1", "4", "5"]
    assert await rig.again(items, "new") is None


async def test_a_batch_that_comes_twice_at_once_is_accepted_once(rig: Rig) -> None:
    """All get the answer of the first."""
    items = [item(0), item(1, domain="no.test"), item(2)]
    answers = await asyncio.gather(*(rig.submit(items, key="k", atomic=False) for _ in range(10)))
    ids_ = {tuple(o.accepted.id for o in a if isinstance(o, Given)) for a in answers}
    assert len(ids_) == 1
    assert {tuple(codes(a)) for a in answers} == {("Given", "domain_not_verified", "Given")}
    assert sum(any(isinstance(o, Given) and not o.replayed for o in a) for a in answers) == 1
    assert await rig.recorded() == ["0", "2"]


async def test_a_repeated_message_is_answered_before_it_is_judged(rig: Rig) -> None:
    """Its own words and recipients, though its domain is gone; a scheduled one stays that."""
    asked = Asked(["b0@x.test", "c@x.test"], "<0@d.test>")
    key = rig.key("one", b"1")
    assert await rig.batches.repeat(ACTOR, key, lambda _: asked, batch=False) is None
    (first,) = await rig.batches.submit(ACTOR, [item(0, idempotency=key)], atomic=False)
    rig.known.clear()
    again = await rig.batches.repeat(ACTOR, key, lambda _: asked, batch=False)
    assert again is not None
    assert isinstance(first, Given)
    assert again == [Given(first.accepted, replayed=True)]


async def test_a_dry_run_looks_into_files(rig: Rig) -> None:
    """It refuses what sending would refuse."""
    files = ("a.bin",)
    outcomes = await rig.submit([item(0, dry_run=True, files=files), item(1, dry_run=True, text="EICAR", files=files)])
    assert isinstance(outcomes[0], DryRun)
    assert codes(outcomes) == ["DryRun", "malware_refused"]
