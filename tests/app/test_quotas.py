"""A rate that several workers draw from: exact in sum, a comparison in most cases, closed when the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from mailward.app.allowance import Allowance
from mailward.app.quotas import Quotas
from mailward.app.settings import Limits
from mailward.base.errors import LimitReached, Unavailable
from mailward.base.ids import WorkspaceId
from mailward.core.nodes.model import Draw, Grant
from mailward.edges.web.limits import LocalLimiter
from mailward.policy.access import Actor, Permission
from mailward.policy.gcra import Rate, draw
from tests.conftest import MovingClock

pytestmark = pytest.mark.claim("RATE-1")

RATE = Rate("messages", 100, 60.0)


class Bank:
    """The store's side: one bucket a key, counting how often it was asked."""

    def __init__(self, clock: MovingClock) -> None:
        self._clock = clock
        self._tats: dict[tuple[str, str], float] = {}
        self.asked = 0
        self.away = False

    async def draw(self, wishes: Sequence[Draw]) -> list[Grant]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("storage_unavailable", "Try again.")
        out = []
        for w in wishes:
            rate = Rate(w.name, w.quota, w.window)
            tat, given, d = draw(rate, self._tats.get((w.name, w.key), 0.0), self._clock.monotonic(), w.want)
            self._tats[w.name, w.key] = tat
            out.append(Grant(given, d.remaining, d.retry_after, d.reset))
        return out


@pytest.fixture
def bank(clock: MovingClock) -> Bank:
    return Bank(clock)


async def allowed(quotas: Quotas, tries: int) -> int:
    return sum([(await quotas.take("ws_a", RATE)).allowed for _ in range(tries)])


@pytest.mark.asvs("2.3.2")
async def test_two_workers_get_the_quota_together(bank: Bank, clock: MovingClock) -> None:
    """100 a minute are 100 for two workers that try 100 each, and soon they ask no more: refusals are remembered."""
    one = Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))
    two = Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))
    got = await asyncio.gather(allowed(one, 100), allowed(two, 100))
    # What one still has in hand when the other is refused may be left over, never be too much.
    assert 100 - 6 <= sum(got) <= 100
    asked = bank.asked
    assert asked < 70
    assert await allowed(one, 50) == 0
    assert bank.asked <= asked + 1
    clock.move(seconds=6)
    assert sum(await asyncio.gather(allowed(one, 100), allowed(two, 100))) <= 10 + 6


async def test_a_crowd_that_comes_at_once_is_served_at_once(bank: Bank, clock: MovingClock) -> None:
    """Everybody who waits is counted into the next block: the whole quota goes through in a round or two."""
    quotas = Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))
    decisions = await asyncio.gather(*(quotas.take("ws_a", RATE) for _ in range(150)))
    assert sum(d.allowed for d in decisions) == 100
    assert bank.asked <= 4
    refused = next(d for d in decisions if not d.allowed)
    assert 0 < refused.retry_after <= 60


async def test_most_requests_ask_nobody(bank: Bank, clock: MovingClock) -> None:
    """At a thousand a second a block is fetched for dozens of requests, and before the last one is spent."""
    rate = Rate("send", 60_000, 60.0)
    quotas = Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))
    waited = 0
    for _ in range(3000):
        if quotas.spend("ws_a", rate) is None:
            waited += 1
            assert (await quotas.take("ws_a", rate)).allowed
        clock.move(milliseconds=1)
        await asyncio.sleep(0)
    assert bank.asked < 60
    assert waited < 15


async def test_what_is_not_spent_in_its_window_is_void(bank: Bank, clock: MovingClock) -> None:
    """Units in hand do not pile up over the minutes to be spent at once."""
    quotas = Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))
    await allowed(quotas, 20)
    clock.move(seconds=61)
    assert quotas.spend("ws_a", RATE) is None


async def test_a_client_that_asks_now_and_then_asks_the_store_seldom(bank: Bank, clock: MovingClock) -> None:
    """A request every two seconds for ten minutes: a block lasts for most of a minute."""
    rate = Rate("read", 6000, 60.0)
    quotas = Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))
    for _ in range(300):
        assert (await quotas.take("ws_a", rate)).allowed
        await asyncio.sleep(0)
        clock.move(seconds=2)
    assert bank.asked < 30


@pytest.mark.asvs("2.3.2", "16.5.2")
async def test_when_the_store_is_away_a_share_passes_and_no_more(bank: Bank, clock: MovingClock) -> None:
    """Not open: the workers of this machine have a quarter of the rate together; afterwards the store says again."""
    machine = LocalLimiter(clock.monotonic)
    one, two = (Quotas(bank.draw, clock.monotonic, machine) for _ in range(2))
    bank.away = True
    assert await allowed(one, 40) + await allowed(two, 40) == 25
    assert not one.spend_now("ws_a", RATE).allowed
    asked = bank.asked
    assert asked <= 2, "an absent store is not asked for every request"
    bank.away = False
    clock.move(seconds=2)
    assert (await one.take("ws_a", RATE)).allowed
    assert bank.asked > asked


async def test_who_cannot_wait_is_decided_about_here(bank: Bank, clock: MovingClock) -> None:
    """The first time this machine's count decides and the store is asked meanwhile; then what it gave."""
    quotas = Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))
    assert quotas.spend_now("192.0.2.1", RATE).allowed
    assert bank.asked == 0
    for _ in range(3):
        await asyncio.sleep(0)
    assert bank.asked == 1
    assert quotas.spend("192.0.2.1", RATE) is not None


async def test_the_store_is_told_no_addresses(clock: MovingClock) -> None:
    """Keys are addresses and domains as well: what the store keeps is a keyed hash, alike on every node."""
    seen: list[str] = []

    async def draw_(wishes: Sequence[Draw]) -> list[Grant]:
        seen.extend(w.key for w in wishes)
        return [Grant(w.want, 0, 0.0, 0.0) for w in wishes]

    for _ in range(2):
        await Quotas(draw_, clock.monotonic, LocalLimiter(clock.monotonic), b"s").take("192.0.2.1", RATE)
    assert len(set(seen)) == 1 and "192" not in seen[0]


async def test_a_message_is_counted_over_all_nodes(bank: Bank, clock: MovingClock) -> None:
    """The workspace's rate is shared, what one credential sent is noted here, a refused message is not counted."""
    limits = Limits(messages_per_minute=3, smtp_messages_per_minute_domain=0)
    nodes = [Allowance(limits, Quotas(bank.draw, clock.monotonic, LocalLimiter(clock.monotonic))) for _ in range(2)]
    actor = Actor(WorkspaceId("ws_a"), "key", "key_1", frozenset({Permission.MESSAGE_SEND}))

    async def submit(node: Allowance) -> None:
        if not node(actor, "a.test", 2):
            await node.count(actor, "a.test", 2)

    for n in range(3):
        await submit(nodes[n % 2])
    for node in nodes:
        with pytest.raises(LimitReached):
            await submit(node)
    assert [node.take_traffic() for node in nodes] == [{("ws_a", "key_1"): 4}, {("ws_a", "key_1"): 2}]
