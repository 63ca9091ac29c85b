"""What comes back to our return-paths: proven, understood, and settled onto the message it is about.

A return-path carries the message's id and the number of the recipient under our own signature
(protocol/verp), so a report to it needs no other proof: only who had the message could know it, and
what he can do with it is end that one copy, or those that he was handed in one transaction with it.
Feedback loops write to an address of their own, `feedback@bounce.<hostname>`; there the proof is the
return-path inside the report, or, where a provider blacks it out, that the report is authenticated as
that provider's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence

import structlog

from mailward.app.inbound.ports import Judge
from mailward.app.parts import Parts
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.core.delivery.report import Report, Reports, Taken
from mailward.core.messages.words import tokens_for
from mailward.policy.returned import BounceVerdict, Kind, classify
from mailward.protocol import verp
from mailward.protocol.smtp.model import SessionFacts
from mailward.protocol.verp import ReturnPath

FEEDBACK = "feedback"

# Providers that run feedback loops and sign their reports. Their word is taken without our return-path.
REPORTERS = frozenset(
    (
        "arf.mail.yahoo.com", "mail.yahoo.com", "yahoo.com", "aol.com", "hotmail.com", "outlook.com", "microsoft.com",
        "fbl.apple.com", "icloud.com", "comcast.net", "mail.ru", "corp.mail.ru", "yandex.ru", "validity.com",
        "senderscore.net", "returnpath.net", "fbl.returnpath.net", "laposte.net", "orange.fr", "gmx.net", "web.de",
        "mailbox.org", "seznam.cz", "rackspace.com", "fastmail.com", "synacor.com", "terra.com", "uol.com.br",
    )
)  # fmt: skip

log = structlog.get_logger()


class Returns:
    """Implements `ports.ReturnPaths`; one a worker."""

    def __init__(
        self,
        store: Store,
        reports: Reports,
        *,
        keys: Sequence[bytes],
        hostname: str,
        senders: Callable[[str], Iterable[bytes]],
        search_key: Callable[[bytes], bytes],
        now_us: Callable[[], int],
        judge: Judge | None = None,
        counted: Callable[[str], None] = lambda taken: None,
    ) -> None:
        """`keys` sign return-paths, the present one first; `senders` gives the workspaces that send from a domain."""
        self._store = store
        self._reports = reports
        self._keys = tuple(keys)
        self._feedback = f"{FEEDBACK}@bounce.{hostname}".lower()
        self._senders = senders
        self._search_key = search_key
        self._now_us = now_us
        self._judge = judge
        self._counted = counted

    def genuine(self, address: str) -> bool:
        """Is this a return-path we signed, or the address of feedback loops?"""
        return address.lower() == self._feedback or self._decode(address) is not None

    async def take(self, addresses: Sequence[str], mail_from: str, content: bytes, session: SessionFacts) -> str:
        """Settle what came back, for each address it came to; the text of the 250.

        Raises Unavailable when it could not be recorded, or comes before our own record of the delivery.
        """
        verdict = await asyncio.to_thread(classify, content)
        key = hashlib.sha256(content).hexdigest()[:32]
        taken = []
        for address in addresses:
            path = self._decode(address)
            if path is not None:
                taken.append(await self.settle(path, verdict, key))
            elif verdict.kind is Kind.COMPLAINT:
                taken.append(await self._feedback_loop(verdict, key, content, mail_from, session))
            else:
                taken.append(self._done(Taken.UNKNOWN, verdict))
        if Taken.EARLY in taken:
            raise Unavailable("report_early", "The message this is about is still being recorded; please try again.")
        return "Thank you, the report was read"

    async def settle(self, path: ReturnPath, verdict: BounceVerdict, key: str) -> Taken:
        """Settle a verdict onto the copy or copies that a genuine return-path names, whoever's they are."""
        workspace = await self._store.system_read(lambda tx: tx.deliveries.whose(path.delivery))
        if workspace is None:
            return self._done(Taken.UNKNOWN, verdict)
        report = Report(path.delivery, path.recipient, verdict, key, self._now_us(), path.shared)
        name = ids.encode("ws", workspace)
        taken = await self._store.write(name, lambda tx: self._reports.take_report(tx, report))
        return self._done(taken, verdict)

    async def settle_named(self, return_path: str, verdict: BounceVerdict, key: str) -> Taken:
        """The same by a return-path that a trusted notification names; UNKNOWN unless we signed it."""
        path = self._decode(return_path)
        return self._done(Taken.UNKNOWN, verdict) if path is None else await self.settle(path, verdict, key)

    async def _feedback_loop(
        self, verdict: BounceVerdict, key: str, content: bytes, mail_from: str, session: SessionFacts
    ) -> Taken:
        if (path := self._decode(verdict.return_path)) is not None:
            return await self.settle(path, verdict, key)
        if self._judge is None or not verdict.message_id or not verdict.recipients:
            return self._done(Taken.UNKNOWN, verdict)
        dmarc = (await self._judge.judge(content, session, mail_from)).dmarc
        if dmarc.result != "pass" or dmarc.domain.lower() not in REPORTERS:
            return self._done(Taken.UNKNOWN, verdict)
        return await self._by_message_id(verdict, key)

    async def _by_message_id(self, verdict: BounceVerdict, key: str) -> Taken:
        """A report of a known provider that names our Message-ID and its recipient."""
        domain = verdict.message_id.strip("<>").rpartition("@")[2].lower()
        wanted = {r.address.lower() for r in verdict.recipients}
        for workspace in self._senders(domain):
            tokens = tokens_for(self._search_key(workspace), message_id=verdict.message_id)

            async def look(tx: Tx, tokens: Sequence[bytes] = tokens) -> list[tuple[bytes, int]]:
                found = await tx.messages.found(tokens, before=None, limit=3)
                copies = await tx.deliveries.of(found)
                return [(m, c.n) for m in found for c in copies[m] if c.recipient.lower() in wanted]

            hits = await self._store.read(ids.encode("ws", workspace), look)
            if len(hits) == 1:
                return await self.settle(ReturnPath(*hits[0]), verdict, key)
        return self._done(Taken.UNKNOWN, verdict)

    def _decode(self, address: str) -> ReturnPath | None:
        return verp.decode(address.rpartition("@")[0], *self._keys)

    def _done(self, taken: Taken, verdict: BounceVerdict) -> Taken:
        self._counted(taken.value)
        log.info("report_taken", taken=taken.value, kind=verdict.kind.value, cause=verdict.cause)
        return taken


def returns_of(worker: Parts, judge: Judge | None = None) -> Returns:
    """The return-paths of one worker. `judge` authenticates reports of feedback loops that black out ours."""
    i = worker.installation
    known = worker.knowledge
    return Returns(
        i.store,
        Reports(i.token_key, i.entropy),
        keys=(i.vault.derive("verp"),),
        hostname=worker.settings.hostname,
        senders=known.senders,
        search_key=i.search_key,
        now_us=i.now_us,
        judge=judge,
        counted=lambda taken: worker.metrics.reports.labels(taken).inc(),
    )
