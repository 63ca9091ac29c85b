"""What a shipment asks of the courier: the sender and the wishes of its recipients, as they were handed in."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from mailward.adapters.net.connection import LARGE
from mailward.adapters.net.courier import CourierJob, CourierResult, SmtpCourier
from mailward.app.carriage import Carriage
from mailward.base.outcome import Done, PermFail
from mailward.core.delivery.attempt import Host, Route, Shipment
from mailward.core.messages.model import MessageFacts
from mailward.protocol.smtp.client_mail import WireContent

FACTS = MessageFacts("smtp", "crd_1", "a.test", "s@a.test", "s@a.test", "r@b.test", "s", "<1@a.test>", 3)


class Noting:
    """A courier that delivers everything and keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[CourierJob] = []

    def start(self, job: CourierJob) -> asyncio.Future[CourierResult]:
        self.jobs.append(job)
        done: asyncio.Future[CourierResult] = asyncio.get_running_loop().create_future()
        done.set_result(CourierResult((Done("ok", 250),), "mx", "192.0.2.1", "", None, (), 1, ()))
        return done


async def carried(mail_from: str, dsn: str | None) -> CourierJob:
    """The job that a shipment of one recipient becomes."""
    courier = Noting()
    carriage = Carriage(cast(SmtpCourier, courier), helo="h.test", sources=())
    route = Route("b.test", (Host("mx", "192.0.2.1", 25),), "", "opportunistic")
    await carriage.deliver(Shipment(route, mail_from, ("r@b.test",), (b"x\r\n",), FACTS, (dsn,)))
    return courier.jobs[0]


@pytest.mark.parametrize(("mail_from", "announced"), [("s@a.test", False), ("ä@a.test", True), ("", False)])
async def test_a_sender_beyond_ascii_is_announced(mail_from: str, announced: bool) -> None:
    """SMTPUTF8 is asked for when the sender as it goes out needs it (RFC 6531), also where nothing else does."""
    assert (await carried(mail_from, None)).smtputf8 is announced


@pytest.mark.parametrize(
    ("kept", "notify", "orcpt"),
    [
        ("FAILURE,DELAY", "FAILURE,DELAY", ""),
        ("rfc822;o@b.test", "", "rfc822;o@b.test"),
        ("NEVER rfc822;o@b.test", "NEVER", "rfc822;o@b.test"),
        ('rfc822;"o p"@b.test', "", 'rfc822;"o p"@b.test'),
        ('NEVER rfc822;"o p;q r"@b.test', "NEVER", 'rfc822;"o p;q r"@b.test'),
    ],
)
async def test_wishes_of_recipients_arrive_whole(kept: str, notify: str, orcpt: str) -> None:
    """NOTIFY and ORCPT come apart where they were joined, whatever spaces the original address holds."""
    dsn = (await carried("s@a.test", kept)).dsn
    assert dsn is not None
    assert (dsn.notify, dsn.orcpt) == ((notify,), (orcpt,))


@pytest.mark.parametrize("octets", [10, LARGE])
@pytest.mark.parametrize("bad", [b"", b"\n", b"\0"])
async def test_large_content_is_made_ready_or_refused_alike(octets: int, bad: bytes) -> None:
    """A large message is put in wire form before the courier has it; one that cannot be is refused for good."""
    courier = SmtpCourier()
    jobs: list[CourierJob] = []
    start = courier.start

    def noting(job: CourierJob) -> asyncio.Future[CourierResult]:
        jobs.append(job)
        start(job).cancel()
        return Noting().start(job)

    courier.start = noting  # type: ignore[method-assign]
    content = b".x" * octets + bad + b"\r\n"
    carriage = Carriage(courier, helo="h.test", sources=())
    route = Route("b.test", (Host("mx", "192.0.2.1", 25),), "", "opportunistic")
    done = await carriage.deliver(Shipment(route, "s@a.test", ("r@b.test",), (content,), FACTS, (None,)))
    await courier.close(0)
    if bad:
        assert isinstance(done.outcomes[0], PermFail) and done.outcomes[0].reason == "content_rejected"
        return
    assert isinstance(done.outcomes[0], Done)
    assert isinstance(jobs[0].content, WireContent) is (octets == LARGE)
