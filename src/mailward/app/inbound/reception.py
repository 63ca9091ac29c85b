"""Receiving in one worker: its gate, the limited processes that read messages, and its listener."""

from __future__ import annotations

import os
from collections.abc import Sequence
from ipaddress import ip_network

from mailward.app.allowance import per_minute
from mailward.app.arrivals import Arrivals
from mailward.app.inbound.authentication import Authenticator
from mailward.app.inbound.bounces import returns_of
from mailward.app.inbound.desk import MailDesk
from mailward.app.inbound.directory import MailDirectory
from mailward.app.inbound.gate import MxGate
from mailward.app.inbound.judging import MailJudge
from mailward.app.inbound.ports import Desk, Judge, ReportMail, ReturnPaths
from mailward.app.inbound.reading import Reader
from mailward.app.inbound.report_mail import MailedReports
from mailward.app.inbound.scanning import scanners_of
from mailward.app.inbound.visitor import Visitor
from mailward.app.letters import Letters
from mailward.app.parts import Parts
from mailward.app.public.keys import ReportSeal
from mailward.edges.smtpd.config import reception
from mailward.edges.smtpd.listener import Listener, serve
from mailward.policy import inbound

_LISTENER = "mx"


class Reception:
    """Made once the worker's parts exist; `open` when all else is ready."""

    @classmethod
    def of(cls, worker: Parts, directory: MailDirectory) -> Reception:
        """With the parts an installation has."""
        i, settings = worker.installation, worker.settings
        counted = worker.metrics.received
        desk = MailDesk(
            i.store,
            i.data_keys,
            worker.handing,
            now_us=i.now_us,
            received=lambda fate: counted.labels(fate).inc(),
            wake=worker.wake_webhooks,
            entropy=i.entropy,
            rules=worker.knowledge.redaction,
        )
        judge = MailJudge(Authenticator(worker.resolver, hostname=settings.hostname), i.clock)
        reports = reports_of(worker, directory, judge)
        return cls(worker, directory, judge, desk, returns_of(worker, judge), reports)

    def __init__(
        self,
        worker: Parts,
        directory: MailDirectory,
        judge: Judge,
        desk: Desk,
        returns: ReturnPaths,
        reports: ReportMail,
    ) -> None:
        i, settings = worker.installation, worker.settings
        self._worker = worker
        self.directory = directory
        self.arrivals = Arrivals(
            worker.budgets,
            at_once=settings.mx.max_connections,
            at_once_ip=settings.mx.max_connections_per_ip,
            rate=per_minute("mx-connections", settings.mx.connections_per_minute_ip),
            seats=worker.seats,
            door="mx",
        )
        self.gate = MxGate(
            directory=directory,
            judge=judge,
            reader=Reader(worker.examiner, scanners_of(settings.scanning)),
            desk=desk,
            returns=returns,
            reports=reports,
            arrivals=self.arrivals,
            terms=_terms(worker),
            hostname=settings.hostname,
            clock=i.clock,
            entropy=i.entropy,
            judge_seconds=settings.mx.judge_seconds,
            refused=lambda code: worker.metrics.refused.labels(code).inc(),
        )

    async def open(self, fds: Sequence[int]) -> Listener[Visitor]:
        """Serve the MX on inherited sockets. Raises Unavailable when rules do not compile."""
        mx = self._worker.settings.mx
        await self.directory.refresh()
        await self._worker.examiner.start()
        config = reception(
            _LISTENER,
            self._worker.settings.hostname,
            max_size=mx.max_message_bytes,
            max_recipients=mx.max_recipients,
            refusals=mx.max_refused_recipients,
            faults=mx.max_errors,
            session=mx.session_seconds,
            proxies=tuple(ip_network(n) for n in mx.proxies),
        )
        room = self._worker.room.part(self._worker.settings.smtp_content_bytes // 2)
        tls = self._worker.certificates.context
        return await serve([os.dup(fd) for fd in fds], self.gate, config, tls, room=room)


def reports_of(worker: Parts, directory: MailDirectory, judge: Judge) -> MailedReports:
    """Reports of weaknesses at one worker's MX."""
    i, settings = worker.installation, worker.settings
    letters = Letters(
        i.store,
        domains=worker.knowledge.domains,
        accept=worker.acceptance.accept,
        clock=i.clock,
        entropy=i.entropy,
        capture=settings.capture,
    )
    return MailedReports(
        i.store,
        ReportSeal(i),
        letters,
        judge,
        worker.budgets,
        ours=directory.is_for_reports,
        key=i.vault.derive("report-mail"),
        terms=_terms(worker),
        public_url=settings.http.public_url,
        clock=i.clock,
        entropy=i.entropy,
        judge_seconds=settings.mx.judge_seconds,
    )


def _terms(worker: Parts) -> inbound.Terms:
    settings = worker.settings
    return inbound.Terms(settings.scanning.malware, settings.scanning.spam, settings.mx.dmarc)
