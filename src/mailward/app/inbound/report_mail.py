"""Reports of weaknesses that come as mail: put into the register like those of the form, and answered with their link.

An answer goes to the author alone, and only where DMARC proves who that is: a forged sender gets no mail from us, nor
does a machine (RFC 3834 section 2). Content is neither scanned nor refused for what it carries: a report may bring what
it is about. Only its text is read here, and the message is kept sealed, for operators to take out.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import NamedTuple

import structlog

from mailward.app.budgets import Budgets
from mailward.app.inbound.ports import Judge, Judged
from mailward.app.letters import Letters
from mailward.app.letters.reports import SUBJECT, acknowledgement
from mailward.app.store import Store
from mailward.base.errors import Invalid, LimitReached, Refused, TooLarge, Unavailable
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.disclosure.intake import note_answered, receive_mail
from mailward.core.disclosure.model import Content, Mailed, Report
from mailward.core.disclosure.ports import DisclosureTx, Seal
from mailward.policy import inbound, scanning
from mailward.policy.gcra import Rate
from mailward.policy.source import source_of
from mailward.protocol.message import headers, mailbox, structure, trace
from mailward.protocol.message.headers import Parsed
from mailward.protocol.smtp.model import SessionFacts

MAX_BYTES = 512 * 1024
"""Octets of a report: room for words, a log and a picture or two."""
A_SOURCE = Rate("report-mail", 20, 3600)
"""Messages an hour from one source. Large providers send for many people from one address."""
THANKS = "a report of a weakness, thank you"

_BULK = frozenset((b"bulk", b"junk", b"list"))
_NO_TEXT = "(The message has no text that can be shown, or it is encrypted: take it out as it came.)"

log = structlog.get_logger()


class Author(NamedTuple):
    """Who wrote a message, as its From says, and why nobody may be written to for it ("" when one may)."""

    address: str
    silent: str


class Mail(NamedTuple):
    """A message as it is put into the register."""

    words: Content
    content: bytes
    digest: bytes
    author: Author
    dmarc: str


class MailedReports:
    """Implements `ports.ReportMail`; one a worker."""

    def __init__(
        self,
        store: Store,
        seal: Seal,
        letters: Letters,
        judge: Judge,
        budgets: Budgets,
        *,
        ours: Callable[[str], bool],
        key: bytes,
        terms: inbound.Terms,
        public_url: str,
        clock: Clock,
        entropy: Entropy,
        judge_seconds: float,
    ) -> None:
        """`ours` knows the addresses reports are written to; `key` makes digests of messages."""
        self._store = store
        self._seal = seal
        self._letters = letters
        self._judge = judge
        self._budgets = budgets
        self._ours = ours
        self._key = key
        self._terms = terms
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._entropy = entropy
        self._judge_seconds = judge_seconds

    def takes(self, address: str, size: int) -> bool:
        """See `ports.ReportMail`."""
        if not self._ours(address):
            return False
        _bounded(size)
        return True

    async def take(self, mail_from: str, content: bytes, session: SessionFacts) -> str:
        """See `ports.ReportMail`. After this returns the report is kept, whether or not anybody could be answered."""
        mail = await self.read(mail_from, content, session)
        taken = await self._store.system_write(lambda tx: self.keep(tx, mail))
        if taken is None:
            return THANKS
        report, token = taken
        if answered := await self.answer(mail, report, token):
            await self._store.system_write(lambda tx: note_answered(tx, report.id, self._seal))
        log.info("report_mailed", report=report.id, dmarc=mail.dmarc, answered=answered)
        return THANKS

    async def read(self, mail_from: str, content: bytes, session: SessionFacts) -> Mail:
        """What a message says and who wrote it. Raises what `take` raises of a message that is not taken."""
        _bounded(len(content))
        await self._room(session)
        parsed = headers.split(content, tolerant=True)
        heading = trace.heading(parsed)
        judged = await self._judged(content, session, mail_from)
        self._admit(heading, judged)
        author = self._author(parsed, heading, mail_from, judged)
        found = await asyncio.to_thread(structure.read, content)
        words = Content(
            title=heading.subject.strip() or "(no subject)",
            what=found.text.strip() or _NO_TEXT,
            contact=author.address or heading.header_from,
            mail=Mailed(dmarc=judged.dmarc.result, domain=judged.dmarc.domain, silent=author.silent),
        )
        digest = hmac.digest(self._key, mail_from.encode("utf-8", "surrogateescape") + b"\0" + content, "sha256")
        return Mail(words, content, digest, author, judged.dmarc.result)

    async def keep(self, tx: DisclosureTx, mail: Mail) -> tuple[Report, Secret[str]] | None:
        """Put it into the register; None when it is there already."""
        now = self._clock.now()
        return await receive_mail(tx, mail.words, mail.content, mail.digest, self._seal, now=now, entropy=self._entropy)

    async def answer(self, mail: Mail, report: Report, token: Secret[str]) -> bool:
        """Mail the author the link, if it is proven who that is; whether the letter was handed over."""
        if mail.author.silent:
            return False
        text = acknowledgement(f"{self._public_url}/report/{token.reveal()}", report.due)
        return await self._letters.send(mail.author.address, SUBJECT, text, "security-report")

    async def _room(self, session: SessionFacts) -> None:
        decision = await self._budgets.take(source_of(session.ip), A_SOURCE)
        if not decision.allowed:
            raise LimitReached(
                "too_many_reports", "Too many reports came from your address.", retry_after=decision.retry_after
            )

    async def _judged(self, content: bytes, session: SessionFacts, mail_from: str) -> Judged:
        try:
            async with asyncio.timeout(self._judge_seconds):
                return await self._judge.judge(content, session, mail_from)
        except TimeoutError:
            raise Unavailable("judgement_slow", "The message could not be judged in time; please try again.") from None

    def _admit(self, heading: trace.Heading, judged: Judged) -> None:
        """Refuse loops, and what its sender's own domain asks to reject where this installation heeds that."""
        dmarc = judged.dmarc
        unscanned = scanning.Report("none", scanning.Verdict.CLEAN)
        facts = inbound.Facts(heading.hops, "", unscanned, dmarc.result, dmarc.policy, dmarc.domain, True)
        match inbound.decide(facts, self._terms):
            case inbound.Refuse(code, sentence):
                raise Refused(code, sentence)
            case inbound.Defer(code, sentence):
                raise Unavailable(code, sentence)

    def _author(self, parsed: Parsed, heading: trace.Heading, mail_from: str, judged: Judged) -> Author:
        try:
            written = mailbox.originators(parsed).author
        except Invalid:
            return Author("", "its From names no single author")
        precedence = headers.first_value(parsed, b"precedence")
        if judged.dmarc.result != "pass" or judged.dmarc.domain.lower() != written.domain:
            silent = "it is not proven who wrote it (DMARC)"
        elif not mail_from:
            silent = "it came from the null sender, as bounces do"
        elif heading.automatic:
            silent = "it says itself that no person wrote it (Auto-Submitted)"
        elif headers.first_value(parsed, b"list-id") is not None or (precedence or b"").strip().lower() in _BULK:
            silent = "it came over a list"
        elif self._ours(written.address):
            silent = "its author is this very address"
        else:
            silent = ""
        return Author(written.address, silent)


def _bounded(size: int) -> None:
    if size > MAX_BYTES:
        raise TooLarge(
            "report_too_large", f"A report may have {MAX_BYTES} octets; describe the rest, or say where it is."
        )
