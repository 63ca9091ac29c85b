"""The gate of MX sessions: who may be written to, and what becomes of a message once it is whole.

Everything before the content is answered from memory, but for a route that wants to be asked. A transaction belongs to
one workspace, and to one set of endpoints that answer while the sender waits: a recipient that does not fit is told
452, upon which every mail server sends it a transaction of its own. So an answer to content is never true for some of
its recipients only.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from mailward.app.arrivals import Arrivals
from mailward.app.inbound.ports import Arrived, Desk, Directory, Judge, Judged, Place, ReportMail, ReturnPaths
from mailward.app.inbound.reading import Reader, Reading
from mailward.app.inbound.visitor import Visitor
from mailward.base import ids
from mailward.base.errors import Forbidden, Invalid, LimitReached, MailwardError, NotFound, Refused, Unavailable
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.inbound.model import InboundRoute, OnScannerDown, ReceivedFacts, ScanFacts
from mailward.policy import inbound
from mailward.policy.scanning import Report, Subject
from mailward.protocol.message import headers, trace
from mailward.protocol.message.headers import Parsed
from mailward.protocol.smtp.model import MailParams, Peer, SessionFacts, SmtpEnvelope

_NO_SESSION = SessionFacts("", "", "", "", "")


class MxGate:
    """Implements `edges.smtpd.ports.SubmissionGate` for the MX listener of one worker."""

    def __init__(
        self,
        *,
        directory: Directory,
        judge: Judge,
        reader: Reader,
        desk: Desk,
        returns: ReturnPaths,
        reports: ReportMail,
        arrivals: Arrivals,
        terms: inbound.Terms,
        hostname: str,
        clock: Clock,
        entropy: Entropy,
        judge_seconds: float,
        refused: Callable[[str], None],
    ) -> None:
        """`refused` counts the stable code of each refusal."""
        self._directory = directory
        self._judge = judge
        self._reader = reader
        self._desk = desk
        self._returns = returns
        self._reports = reports
        self._arrivals = arrivals
        self._terms = terms
        self._hostname = hostname
        self._clock = clock
        self._entropy = entropy
        self._judge_seconds = judge_seconds
        self._refused = refused

    # -- connections -----------------------------------------------------------------------------

    async def authenticate(self, username: str, password: Secret[str], peer: Peer) -> Visitor:
        """Nobody authenticates here; the listener does not offer it."""
        raise Forbidden("no_auth", "AUTH is not offered.")

    def network_principal(self, peer: Peer) -> Visitor | None:
        """Anybody may come."""
        return Visitor(peer, _NO_SESSION)

    def still_valid(self, principal: Visitor) -> bool:
        """Nothing to revoke."""
        return True

    def connection_opened(self, peer: Peer) -> None:
        """Count it, or LimitReached."""
        self._arrivals.opened(peer.ip)

    def connection_closed(self, peer: Peer) -> None:
        """One fewer."""
        self._arrivals.closed(peer.ip)

    # -- the transaction -------------------------------------------------------------------------

    def introduce(self, principal: Visitor, session: SessionFacts) -> None:
        """What the session is like now: TLS and the name it gave."""
        principal.session = session

    def check_sender(self, principal: Visitor, sender: str, params: MailParams) -> None:
        """Any sender, the null one included; REQUIRETLS needs TLS, which the machine has seen to."""
        principal.begin(sender, params)

    def check_recipient(self, principal: Visitor, recipient: str) -> Awaitable[None] | None:
        """Ours or refused; a route with an authorisation address is asked."""
        try:
            return self._check_recipient(principal, recipient)
        except MailwardError as e:
            self._refused(e.code)
            raise

    def _check_recipient(self, principal: Visitor, recipient: str) -> Awaitable[None] | None:
        if self._returns.genuine(recipient):
            if principal.places or principal.reporting:
                raise _another_transaction()
            principal.returning.append(recipient)
            return None
        if self._reports.takes(recipient, principal.params.size):
            if principal.places or principal.returning:
                raise _another_transaction()
            principal.reporting = True
            return None
        place = self._place(recipient)
        if not principal.session.tls_version and any(r.require_tls for r in place.routes):
            raise Forbidden("tls_required", "This recipient accepts mail over TLS only; issue STARTTLS first.")
        if principal.returning or principal.reporting or not _fits(principal, place):
            raise _another_transaction()
        asking = [r for r in place.routes if r.authorize_url]
        if not asking:
            principal.places[recipient] = place
            return None
        return self._authorize(principal, recipient, place, asking)

    def _place(self, recipient: str) -> Place:
        domain = recipient.rpartition("@")[2]
        if not self._directory.receives(domain):
            raise Forbidden("relay_denied", "Mail for this domain is not accepted here.")
        place = self._directory.place(recipient)
        if place is None:
            raise NotFound("recipient_unknown", "There is no such address here.")
        return place

    async def _authorize(self, visitor: Visitor, recipient: str, place: Place, asking: list[InboundRoute]) -> None:
        try:
            for route in asking:
                await self._desk.authorize(route, recipient, visitor.sender, visitor.params.size, visitor.session)
        except MailwardError as e:
            self._refused(e.code)
            raise
        visitor.places[recipient] = place

    # -- the content -----------------------------------------------------------------------------

    def accept(
        self, principal: Visitor, envelope: SmtpEnvelope, content: bytes, session: SessionFacts
    ) -> Awaitable[str]:
        """Judge the message, and take responsibility for it or say why not."""
        return self._accept(principal, envelope, content, session)

    async def _accept(self, visitor: Visitor, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> str:
        try:
            if visitor.returning:
                header_of(content)  # its caps hold for what comes back, too
                return await self._returns.take(visitor.returning, envelope.sender, content, session)
            if visitor.reporting:
                return await self._reports.take(envelope.sender, content, session)
            return await self._receive(visitor, envelope, content, session)
        except MailwardError as e:
            self._refused(e.code)
            raise

    async def _receive(self, visitor: Visitor, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> str:
        started = self._clock.monotonic()
        recipients = tuple(r.address for r in envelope.recipients)
        places = [visitor.places[r] for r in recipients]
        routes = tuple({r.id: r for place in places for r in place.routes}.values())
        parsed = header_of(content)
        heading = trace.heading(parsed)
        if heading.hops > inbound.MAX_HOPS:  # before anything is asked of anybody: a loop comes by often
            raise Invalid("mail_loop", f"The message passed more than {inbound.MAX_HOPS} relays.", field="received")
        if heading.eight_bit and not envelope.smtputf8:
            # RFC 6532 needs SMTPUTF8; yet much real mail has raw octets in its header. Taken, and said.
            defect: tuple[str, ...] = ("header_8bit",)
        else:
            defect = ()
        subject = Subject(session.ip, session.helo, envelope.sender, recipients)
        try:
            async with asyncio.timeout(self._judge_seconds):
                judged, reading = await asyncio.gather(
                    self._judge.judge(content, session, envelope.sender), self._reader.read(content, subject)
                )
        except TimeoutError:
            raise Unavailable("judgement_slow", "The message could not be judged in time; please try again.") from None
        held = self._decide(heading, judged, reading, routes)
        now = self._clock.now()
        raw_id = ids.new_raw(int(now.timestamp() * 1000), self._entropy)
        line = trace.received(
            helo=session.helo,
            ip=session.ip,
            rdns="",
            hostname=self._hostname,
            tls=(session.tls_version, session.tls_cipher),
            smtputf8=envelope.smtputf8,
            extended=session.extended,
            queue_id=ids.encode("rcv", raw_id),
            recipient=recipients[0] if len(recipients) == 1 else "",
            now=now,
        )
        facts = ReceivedFacts(
            helo=session.helo,
            ip=session.ip,
            tls_version=session.tls_version,
            tls_cipher=session.tls_cipher,
            mail_from=envelope.sender,
            recipients=recipients,
            header_from=heading.header_from,
            to=heading.to,
            subject=heading.subject,
            message_id=heading.message_id,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            spf=judged.spf,
            dkim=judged.dkim,
            dmarc=judged.dmarc,
            arc=judged.arc,
            scan=scan_facts(reading.report),
            defects=(*reading.defects, *defect),
            routes=tuple(r.id for r in routes),
            trace=judged.field + line,
            authserv_id=self._hostname,
            took_us=int((self._clock.monotonic() - started) * 1_000_000),
            smtputf8=envelope.smtputf8,
            auto_submitted=heading.automatic,
            removed=judged.removed,
        )
        return await self._desk.receive(Arrived(raw_id, places[0].workspace, content, facts, routes, held))

    def _decide(
        self, heading: trace.Heading, judged: Judged, reading: Reading, routes: tuple[InboundRoute, ...]
    ) -> str:
        """Why it is to be held, or "". Raises what refuses or defers it."""
        facts = inbound.Facts(
            hops=heading.hops,
            unexaminable=reading.unexaminable,
            scan=reading.report,
            dmarc=judged.dmarc.result,
            dmarc_policy=judged.dmarc.policy,
            dmarc_domain=judged.dmarc.domain,
            accept_unscanned=bool(routes) and all(r.on_scanner_down is OnScannerDown.ACCEPT for r in routes),
        )
        match inbound.decide(facts, self._terms):
            case inbound.Accept():
                return ""
            case inbound.Quarantine(sentence=sentence):
                return sentence
            case inbound.Defer(code, sentence):
                raise Unavailable(code, sentence, detail=reading.report.reason)
            case inbound.Refuse(code, sentence):
                raise Refused(code, sentence)


def _fits(visitor: Visitor, place: Place) -> bool:
    """Whether the answer to content can be one answer for this recipient and those before it."""
    if not visitor.places:
        return True
    in_session = frozenset(r.id for r in place.routes if r.mode == "in_session")
    return visitor.workspace == place.workspace and visitor.in_session == in_session


def _another_transaction() -> LimitReached:
    return LimitReached(
        "recipient_apart", "Send this recipient a transaction of its own, it is another customer's.", retry_after=0
    )


def header_of(content: bytes) -> Parsed:
    """The header, split within its caps before anything else looks at the message. Raises Invalid past them."""
    return headers.admit(headers.split(content, tolerant=True))


def scan_facts(report: Report) -> ScanFacts:
    """A report as it is kept."""
    engines = tuple(e for e in report.engine.split(",") if e)
    return ScanFacts(report.verdict.value, report.reason, engines, report.matches, report.score, report.symbols)
