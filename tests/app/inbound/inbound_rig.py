"""An MX gate whose surroundings are a test's to decide: who is known, what judges and scanners say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailward.adapters.scanners.examiner import Unexaminable
from mailward.adapters.scanners.frames import Examination
from mailward.app.arrivals import Arrivals
from mailward.app.inbound.gate import MxGate
from mailward.app.inbound.ports import Arrived, Judged, Place
from mailward.app.inbound.reading import Reader
from mailward.app.inbound.visitor import Visitor
from mailward.base.errors import MailwardError, Unavailable
from mailward.core.inbound.model import (
    Attachments,
    InboundRoute,
    MatchKind,
    Mode,
    OnScannerDown,
    RouteFormat,
    Signature,
)
from mailward.edges.web.limits import LocalLimiter
from mailward.policy import inbound
from mailward.policy.scanning import Report, Subject
from mailward.protocol.smtp.model import EnvelopeRecipient as Recipient
from mailward.protocol.smtp.model import MailParams, Peer, SessionFacts, SmtpEnvelope

HOST = "mx.mailward.test"
PLAIN = b"From: Ann <a@example.org>\r\nTo: b@in.test\r\nSubject: Hello\r\nMessage-ID: <1@x>\r\n\r\nHi\r\n"
CLEAR = SessionFacts("client.test", "192.0.2.7", "", "", "mx")
TLS = SessionFacts("client.test", "192.0.2.7", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "mx")
ONE, TWO = b"w" * 16, b"v" * 16


def route(
    name: str = "r",
    *,
    workspace: bytes = ONE,
    mode: Mode = Mode.STORE,
    require_tls: bool = False,
    down: OnScannerDown = OnScannerDown.DEFER,
    authorize_url: str = "",
) -> InboundRoute:
    """A route to somewhere."""
    return InboundRoute(
        id=name.encode().ljust(16, b"."), workspace=workspace, domain="in.test", kind=MatchKind.CATCH_ALL, pattern="",
        url="https://app.test/in", credentials=b"", format=RouteFormat.MAILWARD, mode=mode,
        authorize_url=authorize_url, authorize_credentials=b"", require_tls=require_tls, on_scanner_down=down,
        attachments=Attachments.INLINE, signature=Signature.HMAC, enabled=True, created=0,
    )  # fmt: skip


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return 1000.0


class Entropy:
    """The same each time."""

    def bytes(self, n: int) -> bytes:
        return b"\7" * n


@dataclass
class World:
    """The parts around a gate, each answering as its field says."""

    places: dict[str, Place] = field(default_factory=lambda: {"b@in.test": Place(ONE, (route(),))})
    judged: Judged = field(default_factory=Judged)
    found: Examination = field(default_factory=Examination)
    unexaminable: str = ""
    reports: list[Report] = field(default_factory=list)
    slow: bool = False
    verdict: MailwardError | None = None  # of the desk, or of the authorisation
    arrived: list[Arrived] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    reported: list[bytes] = field(default_factory=list)
    returned: list[tuple[Sequence[str], bytes]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    terms: inbound.Terms = field(default_factory=inbound.Terms)

    def receives(self, domain: str) -> bool:
        return domain in {a.rpartition("@")[2] for a in self.places}

    def place(self, address: str) -> Place | None:
        return self.places.get(address)

    async def judge(self, content: bytes, session: SessionFacts, mail_from: str) -> Judged:
        if self.slow:
            await asyncio.sleep(60)
        return self.judged

    async def examine(self, content: bytes) -> Examination:
        if self.unexaminable:
            raise Unexaminable(self.unexaminable)
        return self.found

    async def receive(self, arrived: Arrived) -> str:
        if self.verdict is not None:
            raise self.verdict
        self.arrived.append(arrived)
        return "rcv_1"

    async def authorize(
        self, route: InboundRoute, recipient: str, mail_from: str, size: int, session: SessionFacts
    ) -> None:
        self.asked.append((recipient, mail_from))
        if self.verdict is not None:
            raise self.verdict

    def genuine(self, address: str) -> bool:
        return address.startswith("b+")

    async def take(self, addresses: Sequence[str], mail_from: str, content: bytes, session: SessionFacts) -> str:
        self.returned.append((addresses, content))
        return "ret_1"

    def gate(self) -> MxGate:
        """The gate in this world."""
        scanners = [_Says(report) for report in self.reports]
        return MxGate(
            directory=self, judge=self, reader=Reader(self, scanners), desk=self, returns=self, reports=_Reports(self),
            arrivals=Arrivals(LocalLimiter(lambda: 0.0), at_once=10, at_once_ip=5, rate=None),
            terms=self.terms, hostname=HOST,
            clock=Clock(), entropy=Entropy(), judge_seconds=0.05 if self.slow else 5, refused=self.refused.append,
        )  # fmt: skip

    async def send(
        self,
        content: bytes = PLAIN,
        *,
        recipients: Sequence[str] = ("b@in.test",),
        sender: str = "a@example.org",
        session: SessionFacts = CLEAR,
        smtputf8: bool = False,
    ) -> str:
        """A whole transaction, as a session would have it."""
        gate = self.gate()
        visitor = gate.network_principal(Peer(session.ip, 40000, 25))
        assert isinstance(visitor, Visitor)
        gate.introduce(visitor, session)
        gate.check_sender(visitor, sender, MailParams())
        for recipient in recipients:
            if (asking := gate.check_recipient(visitor, recipient)) is not None:
                await asking
        taken = tuple(Recipient(r) for r in recipients)
        envelope = SmtpEnvelope(sender, taken, "", "", "", smtputf8, False, len(content))
        return await gate.accept(visitor, envelope, content, session)


class _Reports:
    """The register, whose address is report@in.test."""

    def __init__(self, world: World) -> None:
        self._world = world

    def takes(self, address: str, size: int) -> bool:
        return address == "report@in.test"

    async def take(self, mail_from: str, content: bytes, session: SessionFacts) -> str:
        self._world.reported.append(content)
        return "rep_1"


class _Says:
    """A scanner with one thing to say."""

    def __init__(self, report: Report) -> None:
        self.name = report.engine
        self._report = report

    async def scan(self, content: bytes, subject: Subject) -> Report:
        return self._report


def away() -> Unavailable:
    """What the desk raises when it cannot record."""
    return Unavailable("storage_unavailable", "Not now.")
