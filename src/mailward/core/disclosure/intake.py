"""From a stranger's report to its answer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from datetime import date, datetime, timedelta

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, LimitReached, NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.disclosure.deadline import after_business_days
from mailward.core.disclosure.model import TRANSITIONS, Content, Origin, Report, ReportState
from mailward.core.disclosure.ports import DisclosureTx, Seal
from mailward.policy import access
from mailward.policy.access import Actor

ACKNOWLEDGE_DAYS = 2
A_DAY_AT_MOST = 200
"""Reports an installation takes in a day: a flood fills neither the store nor an operator's week."""
MAILS_A_DAY = 100
"""The same for mail, counted apart: what fills a mailbox closes no form, and the other way round."""
_TITLE, _WHAT, _SHORT = 200, 20_000, 200
_STRANGER = Actor(WorkspaceId(""), "public", "reporter")
_REMIND_BEFORE = timedelta(hours=24)


async def receive(
    tx: DisclosureTx,
    content: Content,
    seal: Seal,
    *,
    now: datetime,
    entropy: Entropy,
    holidays: Collection[date] = (),
) -> tuple[Report, Secret[str]]:
    """Take a report in: it, and the token by which its reporter follows it. Nobody has to sign in.

    Invalid for an empty or overlong field, LimitReached beyond what an installation takes in a day.
    """
    _bounded(content)
    if await tx.reports.count_since(now - timedelta(days=1), Origin.FORM) >= A_DAY_AT_MOST:
        raise LimitReached(
            "too_many_reports", "Too many reports came today. Please write to the address instead.", retry_after=3600
        )
    return await _register(tx, content, Origin.FORM, b"", seal, now=now, entropy=entropy, holidays=holidays)


async def receive_mail(
    tx: DisclosureTx,
    content: Content,
    message: bytes,
    digest: bytes,
    seal: Seal,
    *,
    now: datetime,
    entropy: Entropy,
    holidays: Collection[date] = (),
) -> tuple[Report, Secret[str]] | None:
    """The same for a report that came as mail; None when the `message` of this `digest` is here already.

    Words of the message are cut to what the form takes: the whole of it is kept beside them. LimitReached
    beyond what an installation takes in a day; the sender's server tries again.
    """
    if await tx.reports.by_digest(digest) is not None:
        return None
    if await tx.reports.count_since(now - timedelta(days=1), Origin.MAIL) >= MAILS_A_DAY:
        raise LimitReached("too_many_reports", "Too many reports came today; please try again later.", retry_after=3600)
    cut = msgspec.structs.replace(
        content, title=content.title[:_TITLE], what=content.what[:_WHAT], contact=content.contact[:_SHORT]
    )
    _bounded(cut)
    made, token = await _register(tx, cut, Origin.MAIL, digest, seal, now=now, entropy=entropy, holidays=holidays)
    await tx.reports.keep_message(made.id, seal.seal(_mail_of(made.id), message))
    return made, token


async def open_message(tx: DisclosureTx, actor: Actor, id: str, seal: Seal, *, now: datetime) -> bytes:
    """The message a report came as, byte for byte; audited. NotFound for a report of the form."""
    access.require_operator(actor)
    await _known(tx, id)
    sealed = await tx.reports.message(id)
    if sealed is None:
        raise NotFound("not_found", "This report did not come as mail.")
    await tx.audit.append(actor, "report.read", id, {"what": "message"}, now=now)
    return seal.open(_mail_of(id), sealed)


async def note_answered(tx: DisclosureTx, id: str, seal: Seal) -> None:
    """The automatic acknowledgement of a report that came as mail was handed over for delivery."""
    report = await _known(tx, id)
    content = content_of(report, seal)
    if content.mail is not None:
        mail = msgspec.structs.replace(content.mail, answered=True)
        sealed = seal.seal(id, msgspec.json.encode(msgspec.structs.replace(content, mail=mail)))
        await tx.reports.change(msgspec.structs.replace(report, content=sealed))


async def _register(
    tx: DisclosureTx,
    content: Content,
    origin: Origin,
    digest: bytes,
    seal: Seal,
    *,
    now: datetime,
    entropy: Entropy,
    holidays: Collection[date],
) -> tuple[Report, Secret[str]]:
    token = base64.urlsafe_b64encode(entropy.bytes(24)).decode()
    id = ids.new("rep", now, entropy)
    report = Report(
        id=id,
        token_hash=hash_of(token),
        at=now,
        due=after_business_days(now, ACKNOWLEDGE_DAYS, holidays),
        updated=now,
        content=seal.seal(id, msgspec.json.encode(content)),
        origin=origin,
        digest=digest,
    )
    await tx.reports.insert(report)
    await tx.audit.append(_STRANGER, "report.received", id, {"by": origin.value}, now=now)
    return report, Secret(token)


async def follow(tx: DisclosureTx, token: str, seal: Seal) -> tuple[Report, Content]:
    """What the holder of a token may see. NotFound for any other."""
    report = await tx.reports.by_token(hash_of(token)) if token.isascii() and len(token) == 32 else None
    if report is None:
        raise NotFound("not_found", "There is no report with this link.")
    return report, content_of(report, seal)


async def open_report(tx: DisclosureTx, actor: Actor, id: str, seal: Seal, *, now: datetime) -> tuple[Report, Content]:
    """Read a report; that somebody did is audited."""
    access.require_operator(actor)
    report = await _known(tx, id)
    await tx.audit.append(actor, "report.read", id, now=now)
    return report, content_of(report, seal)


async def move(
    tx: DisclosureTx, actor: Actor, id: str, state: ReportState, answer: str, seal: Seal, *, now: datetime
) -> Report:
    """Answer a report and say where it stands now; with the same state it is only an answer.

    Conflict when the table has no such move.
    """
    access.require_operator(actor)
    report = await _known(tx, id)
    if state != report.state and state not in TRANSITIONS[report.state]:
        raise Conflict("no_such_move", f"A report that is {report.state.value} does not become {state.value}.")
    if len(answer) > _WHAT or (state == report.state and not answer.strip()):
        raise Invalid("invalid_field", "Say something, in at most 20000 characters.", field="answer")
    content = content_of(report, seal)
    if answer.strip():
        content = msgspec.structs.replace(content, answers=(*content.answers, (now, answer.strip())))
    acknowledged = report.acknowledged
    if acknowledged is None and state is not ReportState.RECEIVED:
        acknowledged = now
    changed = msgspec.structs.replace(
        report,
        state=state,
        acknowledged=acknowledged,
        updated=now,
        content=seal.seal(id, msgspec.json.encode(content)),
    )
    await tx.reports.change(changed)
    await tx.audit.append(actor, "report.answered", id, {"state": state.value}, now=now)
    return changed


async def note_overdue(tx: DisclosureTx, *, now: datetime) -> list[Report]:
    """Reports whose acknowledgement is near or late and nobody was told yet; each is given out once for either."""
    told = []
    for report in await tx.reports.waiting():
        step = "missed" if report.overdue(now) else "reminded" if now > report.due - _REMIND_BEFORE else ""
        if step and step != report.alerted and report.alerted != "missed":
            changed = msgspec.structs.replace(report, alerted=step)
            await tx.reports.change(changed)
            told.append(changed)
    return told


def content_of(report: Report, seal: Seal) -> Content:
    """The words of a report."""
    return msgspec.json.decode(seal.open(report.id, report.content), type=Content)


def hash_of(token: str) -> bytes:
    """What is stored of a token: 192 random bits need no salt."""
    return hashlib.sha256(b"mailward report\0" + token.encode("ascii", "replace")).digest()


def _mail_of(id: str) -> str:
    """What the message is sealed for: not the same as the content of its report, so neither opens as the other."""
    return f"{id}/mail"


async def _known(tx: DisclosureTx, id: str) -> Report:
    report = await tx.reports.get(id)
    if report is None:
        raise NotFound("not_found", "There is no report of this id.")
    return report


def _bounded(content: Content) -> None:
    for name, limit, needed in (
        ("title", _TITLE, True),
        ("what", _WHAT, True),
        ("contact", _SHORT, False),
        ("thanks_as", _SHORT, False),
    ):
        value = getattr(content, name)
        if len(value) > limit or (needed and not value.strip()):
            at_least = 1 if needed else 0
            raise Invalid("invalid_field", f"Write between {at_least} and {limit} characters.", field=name)
