"""INCIDENT-2, by mail: what is written to the address for reports is a report, and its answer reaches nobody forged."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from functools import partial

from mailward.app.candidate import Candidate
from mailward.app.checks.mx import MxSilent, mx_address, talk
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.inbound.directory import MailDirectory
from mailward.app.inbound.ports import Judged
from mailward.app.inbound.report_mail import Mail, MailedReports
from mailward.app.letters import Letters
from mailward.app.naming import report_address
from mailward.app.public.keys import ReportSeal
from mailward.app.signing import load_domains
from mailward.app.store import Tx
from mailward.base.errors import MailwardError
from mailward.base.secret import Secret
from mailward.core.disclosure.intake import follow
from mailward.core.disclosure.model import Report
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.inbound.model import DmarcFacts
from mailward.edges.web.limits import LocalLimiter
from mailward.policy import inbound
from mailward.policy.access import Actor
from mailward.protocol.smtp.model import SessionFacts

_MARK = "mwmarker-mailed-report"
_AUTHOR = "finder@verify.invalid"
_CONTENT = f"From: <{_AUTHOR}>\r\nSubject: verify\r\nMessage-ID: <1@verify.invalid>\r\n\r\n{_MARK}\r\n".encode()
_SESSION = SessionFacts("verify.invalid", "192.0.2.77", "", "", "mx")
_PROVEN, _FORGED = DmarcFacts("pass", "verify.invalid"), DmarcFacts("fail", "verify.invalid")


class _Undone(Exception):
    def __init__(self, taken: tuple[Report, Secret[str]] | None) -> None:
        super().__init__()
        self.taken = taken


class _Says:
    """A judge with one verdict."""

    def __init__(self, dmarc: DmarcFacts) -> None:
        self._judged = Judged(dmarc=dmarc)

    async def judge(self, content: bytes, session: SessionFacts, mail_from: str) -> Judged:
        return self._judged


@check("INCIDENT-2")
async def mailed_reports_are_taken(context: Context) -> Finding:
    """The running MX takes mail to the address for reports; in a transaction that is undone such mail is sealed in the
    register, its proven author is written the link that follows it, and a forged one nothing.
    """
    if not mx_address(context):
        return not_configured("this node has no MX, so reports come by the form only")
    address = report_address(context.settings.hostname)
    try:
        async with talk(context) as dialogue:
            await dialogue.say("MAIL FROM:<>")
            said = await dialogue.say(f"RCPT TO:<{address}>")
    except MxSilent as e:
        return failed(str(e))
    if not said.startswith("250"):
        return failed(f"the MX does not take mail for reports: {said.strip()[:100]}")

    try:
        wrong = await rehearsed(context)
    except MailwardError as e:
        return failed(f"a report by mail is not taken: {e.code}")
    if wrong:
        return failed(wrong)
    return passed("mail for reports is taken, sealed and followed by its link; a forged author is not written to")


async def rehearsed(context: Context) -> str:
    """Take in a proven report and a forged one, each in a transaction that is undone, and answer both; what fails."""
    letters: list[Candidate] = []
    for dmarc, proven in ((_PROVEN, True), (_FORGED, False)):
        desk = await _desk(context, dmarc, letters)
        mail = await desk.read(_AUTHOR, _CONTENT, _SESSION)
        try:
            await context.store.system_write(partial(_keep, context, desk, mail))
        except _Undone as undone:
            if undone.taken is None:
                return "a report by mail is in the register in clear, or is not found by its link"
            report, token = undone.taken
        letters.clear()
        able = await _able(context)
        if await desk.answer(mail, report, token) is not (proven and able):
            return "a forged author is written to" if able and not proven else "a proven author is not written to"
        if proven and able and not _says(letters, token.reveal()):
            return "the acknowledgement goes to somebody else, has no link, or repeats the report"
    return ""


async def _keep(context: Context, desk: MailedReports, mail: Mail, tx: Tx) -> None:
    taken = await desk.keep(tx, mail)
    if taken is None:
        raise _Undone(None)
    report, token = taken
    kept = await tx.reports.message(report.id)
    _, content = await follow(tx, token.reveal(), ReportSeal(context.installation))
    if kept is None or _MARK.encode() in kept + report.content or _MARK not in content.what:
        raise _Undone(None)
    raise _Undone(taken)


def _says(letters: list[Candidate], token: str) -> bool:
    if [[to for to, _ in letter.recipients] for letter in letters] != [[_AUTHOR]]:
        return False
    body = message_from_bytes(letters[0].content, policy=default).get_body(("plain",))
    text = "" if body is None else str(body.get_content())
    return f"/report/{token}" in text and _MARK not in text


async def _able(context: Context) -> bool:
    domains = await load_domains(context.installation)
    return any(context.settings.capture or not d.capture_only for known in domains.values() for d in known.values())


async def _desk(context: Context, dmarc: DmarcFacts, letters: list[Candidate]) -> MailedReports:
    i, settings = context.installation, context.settings
    domains = await load_domains(i)
    store = context.store
    directory = MailDirectory(store, settings.hostname)

    async def accept(actor: Actor, candidate: Candidate) -> None:
        letters.append(candidate)

    return MailedReports(
        store,
        ReportSeal(i),
        Letters(
            store,
            domains=lambda workspace: domains.get(workspace, {}),
            accept=accept,
            clock=i.clock,
            entropy=i.entropy,
            capture=settings.capture,
        ),
        _Says(dmarc),
        LocalLimiter(i.clock.monotonic),
        ours=directory.is_for_reports,
        key=i.vault.derive("report-mail"),
        # As where DMARC is only marked: a forged report has to come as far as the question of an answer.
        terms=inbound.Terms(),
        public_url=settings.http.public_url,
        clock=i.clock,
        entropy=i.entropy,
        judge_seconds=settings.mx.judge_seconds,
    )
