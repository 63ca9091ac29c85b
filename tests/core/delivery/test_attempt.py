"""attempt(): what one try does for each copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mailward.base.errors import Unavailable
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.core.delivery.attempt import Attempter, Delivered, Host, Route, Shipment
from mailward.core.delivery.judge import judge
from mailward.core.delivery.model import Copy, Work
from mailward.core.messages.model import DeliveryState
from mailward.policy.retry import Schedule
from tests.core.conftest import T0, WS, submission

CONTENT = b"From: a@d.test\r\n\r\nhello\r\n"


class World:
    """A router, a courier and a signer that say what they are told to."""

    def __init__(self) -> None:
        self.found: Any = Route("x.test", (Host("mx.x.test", "192.0.2.1", 25),), "MX of x.test", "opportunistic")
        self.outcomes: list[Outcome] = [Done("ok")]
        self.listed: dict[int, str] = {}
        self.shipments: list[Shipment] = []
        self.key_away = False

    def cached(self, domain: str) -> Route | None:
        return None

    async def route(self, domain: str) -> Any:
        return self.found

    async def deliver(self, shipment: Shipment) -> Delivered:
        self.shipments.append(shipment)
        outcomes: Sequence[Outcome] = (self.outcomes * 9)[: len(shipment.recipients)]
        return Delivered(outcomes, "mx.x.test", "192.0.2.1", "first", {}, [(0, "S", "220 hi")], 3)

    def sign(self, workspace: bytes, domain: str, content: bytes, now: datetime) -> tuple[bytes, tuple[str, ...]]:
        if self.key_away:
            raise Unavailable("key_away", "later")
        return b"DKIM-Signature: x\r\n", ("s1", "s2")

    async def look(self, work: Work) -> dict[int, str]:
        return self.listed

    async def load(self, work: Work) -> bytes:
        return CONTENT

    def attempter(self) -> Attempter:
        return Attempter(
            router=self,
            courier=self,
            signing=self,
            return_path=lambda workspace, facts, id, n: f"b+{n}@bounce.d.test",
            judge=lambda o, r, n, created, now: judge(
                o, n, created=created, now=now, schedule=Schedule(), jitter=lambda: 0.5
            ),
            load=self.load,
            listed=self.look,
            lessee=7,
            now_us=lambda: T0,
        )


def work(*recipients: str, content: bytes | None = CONTENT, **over: Any) -> Work:
    s = submission(1, *recipients, **over)
    copies = [Copy(n, r, 0, None) for n, r in enumerate(recipients)]
    return Work(WS, s.id, T0, s.facts, copies, T0 + 10**9, content=content)


async def test_a_delivered_copy_is_signed_and_explained() -> None:
    """The signature goes in front, and the record names host, reason, keys and the dialogue."""
    world = World()
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert one.state is DeliveryState.DELIVERED
    assert world.shipments[0].content == (b"DKIM-Signature: x\r\n", CONTENT)
    assert world.shipments[0].mail_from == "b+0@bounce.d.test"
    assert (one.facts.host, one.facts.why, one.facts.signed) == ("mx.x.test", "first", ("s1", "s2"))
    assert one.facts.dialogue == [(0, "S", "220 hi")]


async def test_copies_for_one_domain_share_a_transaction_and_have_their_own_outcomes() -> None:
    """Two recipients at one domain travel together; each is judged by its own reply."""
    world = World()
    world.outcomes = [Done("ok"), PermFail("bad_mailbox", "no", 550, "5.1.1")]
    first, second, third = await world.attempter().attempt(work("b@x.test", "c@x.test", "d@y.test"))
    assert len(world.shipments) == 2
    assert world.shipments[0].recipients == ("b@x.test", "c@x.test")
    assert (first.state, second.state, second.hard) == (DeliveryState.DELIVERED, DeliveryState.BOUNCED, True)
    assert third.state is DeliveryState.DELIVERED


async def test_no_route_now_is_tried_again_and_no_route_ever_is_not() -> None:
    """A temporary failure of routing keeps the copy queued; a permanent one ends it; nothing is sent."""
    world = World()
    world.found = TempFail("dns_failure", "servfail")
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert one.state is DeliveryState.QUEUED
    assert one.due > T0
    world.found = PermFail("null_mx", "no mail", 556, "5.1.10")
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert (one.state, one.hard) == (DeliveryState.BOUNCED, False)
    assert world.shipments == []


async def test_a_key_that_is_away_defers() -> None:
    """Nothing leaves unsigned because a key could not be had."""
    world = World()
    world.key_away = True
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert one.state is DeliveryState.QUEUED
    assert world.shipments == []


async def test_an_address_listed_while_the_message_waited_is_not_written_to() -> None:
    """Work from the store looks at the suppression list again; the other copies go on."""
    world = World()
    world.listed = {0: "hard_bounce"}
    first, second = await world.attempter().attempt(work("b@x.test", "c@x.test", content=None))
    assert (first.state, first.reason) == (DeliveryState.SUPPRESSED, "suppressed:hard_bounce")
    assert second.state is DeliveryState.DELIVERED
    assert world.shipments[0].recipients == ("c@x.test",)


async def test_test_mode_runs_everything_but_the_last_hop() -> None:
    """A message in test mode is signed and recorded as discarded."""
    world = World()
    (one,) = await world.attempter().attempt(work("b@x.test", test_mode=True))
    assert (one.state, one.facts.outcome, one.facts.signed) == (DeliveryState.DISCARDED, "discarded", ("s1", "s2"))
    assert world.shipments == []
