"""attempt(): what one try does for each copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pytest

from mailward.base.errors import Unavailable
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.core.delivery.attempt import LARGE, Aside, Attempter, Delivered, Host, Route, Shipment
from mailward.core.delivery.attempt import Form as Copied
from mailward.core.delivery.form import Form
from mailward.core.delivery.judge import judge
from mailward.core.delivery.model import Copy, Work
from mailward.core.messages.model import DeliveryState, Tracked
from mailward.policy.retry import Schedule
from tests.core.conftest import T0, WS, submission

CONTENT = b"From: a@d.test\r\n\r\nhello\r\n"


class World:
    """A router, a courier and a signer that say what they are told to."""

    def __init__(self) -> None:
        self.found: Any = Route("x.test", (Host("mx.x.test", "192.0.2.1", 25),), "MX of x.test", "opportunistic")
        self.outcomes: list[Outcome] = [Done("ok", 250, "2.0.0")]
        self.listed: dict[int, str] = {}
        self.shipments: list[Shipment] = []
        self.signed: list[bytes] = []
        self.seven_bits_only = False
        self.key_away = False
        self.signs_later = False
        self.fault: Exception | None = None

    def cached(self, domain: str) -> Route | None:
        return None

    async def route(self, domain: str) -> Any:
        return self.found

    async def deliver(self, shipment: Shipment) -> Delivered:
        self.shipments.append(shipment)
        outcomes: Sequence[Outcome] = (self.outcomes * 9)[: len(shipment.recipients)]
        if self.seven_bits_only and shipment.seven_bit is not None:
            form = shipment.seven_bit()
            if not isinstance(form, Form):
                return Delivered([form] * len(shipment.recipients), "mx.x.test", "192.0.2.1", "first", {}, [], 3)
            self.shipments[-1] = shipment._replace(content=form.content)
            return Delivered(outcomes, "mx.x.test", "192.0.2.1", "first", {}, [], 3, form.rewritten)
        return Delivered(outcomes, "mx.x.test", "192.0.2.1", "first", {}, [(0, "S", "220 hi")], 3)

    def sign_now(self, workspace: bytes, domain: str, content: bytes, now: datetime) -> tuple[bytes, tuple[str, ...]]:
        if self.key_away:
            raise Unavailable("key_away", "later")
        self.signed.append(content)
        return b"DKIM-Signature: x\r\n", ("s1", "s2")

    def sign(
        self, workspace: bytes, domain: str, content: bytes, now: datetime
    ) -> tuple[bytes | Awaitable[bytes], tuple[str, ...]]:
        block, selectors = self.sign_now(workspace, domain, content, now)
        return (self.later(block) if self.signs_later else block), selectors

    async def later(self, block: bytes) -> bytes:
        if self.fault is not None:
            raise self.fault
        return block

    async def look(self, work: Work) -> dict[int, str]:
        return self.listed

    async def load(self, work: Work) -> bytes:
        return CONTENT

    def attempter(self, aside: Aside | None = None) -> Attempter:
        return Attempter(
            router=self,
            courier=self,
            signing=self,
            return_path=lambda workspace, facts, id, n, shared: f"b+{n}{'+' * shared}@bounce.d.test",
            judge=lambda o, r, n, created, now: judge(
                o, n, created=created, now=now, schedule=Schedule(), jitter=lambda: 0.5
            ),
            load=self.load,
            listed=self.look,
            lessee=7,
            now_us=lambda: T0,
            aside=aside,
        )


def work(*recipients: str, content: bytes | None = CONTENT, **over: Any) -> Work:
    s = submission(1, *recipients, **over)
    copies = [Copy(n, r, 0, None) for n, r in enumerate(recipients)]
    return Work(WS, s.id, T0, s.facts, copies, T0 + 10**9, content=content)


async def test_a_fault_of_ours_counts_as_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that cannot be prepared, for whatever reason, is tried on the schedule and expires; it is no loop."""
    world = World()
    heard: list[BaseException] = []

    def odd(*_: object) -> object:
        raise IndexError("odd")

    monkeypatch.setattr(world, "sign", odd)
    attempter = world.attempter()
    monkeypatch.setattr(attempter, "_failed", heard.append)
    (one,) = await attempter.attempt(work("b@x.test"))
    assert (one.state, one.attempt, one.facts.text) == (
        DeliveryState.QUEUED, 1, "the message could not be prepared (internal error)"
    )  # fmt: skip
    assert [type(e) for e in heard] == [IndexError]


async def test_a_delivered_copy_is_signed_and_explained() -> None:
    """The signature goes in front, and the record names host, reason, keys, the answer and the dialogue."""
    world = World()
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert one.state is DeliveryState.DELIVERED
    assert world.shipments[0].content == (b"DKIM-Signature: x\r\n", CONTENT)
    assert world.shipments[0].mail_from == "b+0@bounce.d.test"
    assert (one.facts.host, one.facts.why, one.facts.signed) == ("mx.x.test", "first", ("s1", "s2"))
    assert (one.facts.code, one.facts.enhanced, one.facts.text) == (250, "2.0.0", "ok")
    assert one.facts.dialogue == [(0, "S", "220 hi")]


async def test_a_signature_may_come_later() -> None:
    """One made with those of other messages is waited for; a fault in making it counts as an attempt."""
    world = World()
    world.signs_later = True
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert (one.state, world.shipments[0].content) == (
        DeliveryState.DELIVERED, (b"DKIM-Signature: x\r\n", CONTENT)
    )  # fmt: skip
    world.fault = MemoryError("odd")
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert (one.state, one.attempt, len(world.shipments)) == (DeliveryState.QUEUED, 1, 1)


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


EIGHT = "From: a@d.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngrün\r\n".encode()
SEVEN = (
    b"From: a@d.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BCn\r\n"
)


async def test_a_server_of_seven_bits_gets_a_form_signed_as_it_is_sent() -> None:
    """The 7-bit form is made once for all servers that need it, signed itself, and the record says why."""
    world = World()
    world.seven_bits_only = True
    first, second = await world.attempter().attempt(work("b@x.test", "c@y.test", content=EIGHT, eight_bit=True))
    assert world.signed == [EIGHT, SEVEN]
    assert [s.content for s in world.shipments] == [(b"DKIM-Signature: x\r\n", SEVEN)] * 2
    note = ("the server does not offer 8BITMIME: text/plain is now quoted-printable",)
    assert first.facts.rewritten == second.facts.rewritten == note


async def test_ascii_has_no_second_form() -> None:
    """A message of ASCII costs nothing more, wherever it goes."""
    world = World()
    world.seven_bits_only = True
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert world.shipments[0].seven_bit is None and world.signed == [CONTENT] and one.facts.rewritten == ()


@pytest.mark.parametrize(
    ("content", "code", "enhanced"),
    [
        (EIGHT.replace(b"text/plain", b"multipart/signed; boundary=b"), 554, "5.6.3"),
        (EIGHT.replace(b"From:", "Subject: ü\r\nFrom:".encode()), 553, "5.6.7"),
    ],
)
async def test_what_may_not_be_converted_is_given_back(content: bytes, code: int, enhanced: str) -> None:
    """Signed content (RFC 1847) and 8-bit headers (RFC 6531) end the copy with the code that says so."""
    world = World()
    world.seven_bits_only = True
    (one,) = await world.attempter().attempt(work("b@x.test", content=content, eight_bit=True))
    assert (one.state, one.facts.code, one.facts.enhanced) == (DeliveryState.BOUNCED, code, enhanced)
    assert "8BITMIME" in one.facts.text and one.hard is False


async def test_a_rewrite_at_acceptance_is_told_with_each_attempt() -> None:
    """What was changed for its long lines is in the record of every try."""
    (one,) = await World().attempter().attempt(work("b@x.test", rewritten=("text/plain is now base64",)))
    assert one.facts.rewritten == ("a line was longer than 998 bytes: text/plain is now base64",)


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


async def test_tracked_mail_is_sent_in_the_forms_it_is_given() -> None:
    """Each form is signed and sent by itself and says what differs; nothing is begun that the lease does not cover."""
    world = World()
    late = 0

    async def forms(w: Work, content: bytes) -> Iterator[Copied]:
        def each() -> Iterator[Copied]:
            nonlocal late
            for copy in w.copies:
                yield Copied((copy,), content + b"%d" % copy.n, (f"form {copy.n}",))
                late = 10**9 if copy.n == 1 else 0

        return each()

    attempter = world.attempter()
    attempter._forms = forms
    attempter._now_us = lambda: T0 + late
    tracked = work("a@x.test", "b@x.test", "c@x.test")
    tracked.facts = msgspec.structs.replace(tracked.facts, tracking=Tracked("both", "https://l.example"))
    settled = await attempter.attempt(tracked)
    assert [(s.n, s.facts.rewritten) for s in settled] == [(0, ("form 0",)), (1, ("form 1",))]
    assert world.signed == [CONTENT + b"0", CONTENT + b"1"]
    assert [s.recipients for s in world.shipments] == [("a@x.test",), ("b@x.test",)]
    world.signed.clear()
    await attempter.attempt(work("a@x.test", "b@x.test"))
    assert world.signed == [CONTENT]


async def test_copies_of_one_transaction_share_a_return_path() -> None:
    """It carries the first one's number and says that it is shared; a copy that goes alone has its own."""
    world = World()
    await world.attempter().attempt(work("a@y.test", "b@x.test", "c@x.test"))
    assert [s.mail_from for s in world.shipments] == ["b+0@bounce.d.test", "b+1+@bounce.d.test"]


@pytest.mark.parametrize("reason", ["bad_domain", "null_mx", "no_route"])
async def test_what_the_dns_of_a_domain_says_silences_nobody(reason: str) -> None:
    """It bounces; the address goes on no list, as nobody was asked about it. A server's word on a domain does count."""
    world = World()
    world.found = PermFail(reason, "no server of the domain has an address", 550, "5.4.4")
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert (one.state, one.reason, one.hard) == (DeliveryState.BOUNCED, reason, False)
    world = World()
    world.outcomes = [PermFail("bad_domain", "no such domain", 550, "5.1.2")]
    (one,) = await world.attempter().attempt(work("b@x.test"))
    assert (one.state, one.hard) == (DeliveryState.BOUNCED, True)


async def test_each_copy_keeps_the_record_of_its_own_transaction() -> None:
    """One host took one of two, another the other: each is explained by itself."""
    world = World()

    async def deliver(shipment: Shipment) -> Delivered:
        each = [Delivered([Done("ok")], f"mx{n}.x.test", "192.0.2.1", f"choice {n}", {}, [], 3) for n in (1, 2)]
        return each[1]._replace(outcomes=[Done("ok")] * 2, each=each)

    world.deliver = deliver  # type: ignore[method-assign]
    settled = await world.attempter().attempt(work("b@x.test", "c@x.test"))
    assert [(one.facts.host, one.facts.why) for one in settled] == [
        ("mx1.x.test", "choice 1"),
        ("mx2.x.test", "choice 2"),
    ]


async def test_a_large_message_is_signed_beside_the_rest() -> None:
    """From a megabyte on, what hashes the content runs where others do not wait for it; nothing else differs."""
    world = World()
    asked: list[int] = []

    async def aside(sign: Callable[[], tuple[bytes, tuple[str, ...]]]) -> tuple[bytes, tuple[str, ...]]:
        asked.append(1)
        return sign()

    attempter = world.attempter(aside)
    large = CONTENT + b"x" * 70 + b"\r\n" * LARGE
    for content in (large, CONTENT):
        (one,) = await attempter.attempt(work("b@x.test", content=content))
        assert one.state is DeliveryState.DELIVERED
        assert world.shipments[-1].content == (b"DKIM-Signature: x\r\n", content)
    assert world.signed == [large, CONTENT] and asked == [1]
