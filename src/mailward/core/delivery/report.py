"""take_report(): what came back to a return-path, settled onto the copy or copies it is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from mailward.base import ids
from mailward.base.errors import Invalid
from mailward.base.sources import Entropy
from mailward.core.delivery.ports import SettleTx
from mailward.core.messages.model import TRANSITIONS, Delivery, DeliveryState, Message
from mailward.core.messages.told import about
from mailward.core.suppression.change import by_bounce
from mailward.core.suppression.model import EVERY_STREAM, Reason, normalise, token
from mailward.core.webhooks.enqueue import enqueue_events
from mailward.core.webhooks.model import Event, event_id
from mailward.policy.redaction import gone, talkative
from mailward.policy.returned.model import CAUSES, BounceVerdict, Kind, RecipientVerdict

_DAY_US = 86_400_000_000
# A queue gives up after five days (RFC 5321 section 4.5.4.1), some after two weeks; people complain when they tidy up.
BOUNCE_MAX_AGE_US = 30 * _DAY_US
COMPLAINT_MAX_AGE_US = 90 * _DAY_US
# Whoever has read a message knows its return-path, and could fill its timeline.
NOTES_MAX = 20

# As a copy that was refused at the door has them (policy/bounces).
_REASONS = {"no_mailbox": "bad_mailbox", "moved": "bad_mailbox", "no_domain": "bad_domain", "no_mail": "null_mx"}


class Taken(StrEnum):
    """What a report changed."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    NOTED = "noted"
    AGAIN = "again"
    """It was taken before, or the copy had ended already."""
    STALE = "stale"
    UNKNOWN = "unknown"
    """There is no such copy in this workspace, or no room for more notes."""
    EARLY = "early"
    """Its delivery is not on record yet: the sender of the report is to come back."""


class Report(NamedTuple):
    """A verdict on copy `n` of a message (raw id). `key` is made from the report's octets; `at` microseconds UTC.

    `shared`: on one or some of the copies that went in one transaction, of which `n` is the first; None where the
    return-path does not tell.
    """

    message: bytes
    n: int | None
    verdict: BounceVerdict
    key: str
    at: int
    shared: bool = False


class Reports:
    """The verb with what it needs: the key under which a workspace's addresses are listed, and randomness for ids."""

    def __init__(self, token_key: Callable[[bytes], bytes], entropy: Entropy) -> None:
        self._token_key = token_key
        self._entropy = entropy

    async def take_report(self, tx: SettleTx, report: Report) -> Taken:
        """Settle one report, in a transaction of the workspace whose message it is.

        The caller has proof that the report is about this copy: the signature of its return-path
        (protocol/verp), or a source that is known and authenticated. A hard bounce moves a
        delivered copy to BOUNCED, a complaint leaves it delivered; both list the address and tell
        the endpoints, once. Everything else is a moment of the message's timeline. Idempotent.

        Of copies that share their return-path the report settles those it names, each by what it says of that one.
        When it names none of them it is noted of the message and nobody is silenced: whom it means is not guessed.
        """
        message = await tx.messages.get(report.message)
        copies = (await tx.deliveries.of([report.message])).get(report.message, [])
        if message is None:
            return Taken.UNKNOWN
        if report.shared:
            return await self._take_shared(tx, report, message, _together(copies, report.n))
        copy = next((c for c in copies if c.n == report.n), None)
        if copy is None:
            return Taken.UNKNOWN
        return await self._take(
            tx, report, message, copy, self._about(tx, report.verdict, self._mark(tx, message, copy))
        )

    async def _take_shared(self, tx: SettleTx, report: Report, message: Message, copies: Sequence[Delivery]) -> Taken:
        if not copies:
            return Taken.UNKNOWN
        about = self._named(tx, report.verdict, message, copies)
        if report.verdict.kind is Kind.COMPLAINT and len(about) > 1:
            about = []  # Original-Rcpt-To lists whom the message went to (RFC 5965 section 3.2), not who complained
        if not about:
            return await self._take(tx, report, message, None, _of_nobody(report.verdict))
        if any(copy.state is DeliveryState.LEASED for copy, _ in about):
            return Taken.EARLY
        taken = [await self._take(tx, report, message, copy, found) for copy, found in about]
        return min(taken, key=list(Taken).index)

    def _named(
        self, tx: SettleTx, verdict: BounceVerdict, message: Message, copies: Sequence[Delivery]
    ) -> list[tuple[Delivery, RecipientVerdict]]:
        """The copies whose recipients a report names, with what it says of each first. Whom the message was addressed
        to counts before where it ended (RFC 3464 section 2.3.1): that may be another's mailbox.
        """
        marks = {self._mark(tx, message, copy): copy for copy in copies}
        found: dict[int, tuple[Delivery, RecipientVerdict]] = {}
        for said in verdict.recipients:
            mark = next((m for m in self._tokens(tx, said) if m in marks), None)
            if mark is not None:
                found.setdefault(marks[mark].n, (marks[mark], said))
        return list(found.values())

    async def _take(
        self, tx: SettleTx, report: Report, message: Message, copy: Delivery | None, found: RecipientVerdict
    ) -> Taken:
        """What the report says of one copy; None: of nobody, which only notes it."""
        if talkative(message.facts.redacted):
            found = replace(found, text=gone(found.text))
        kind = CAUSES[found.cause].kind
        if report.at - message.created > (COMPLAINT_MAX_AGE_US if kind is Kind.COMPLAINT else BOUNCE_MAX_AGE_US):
            return Taken.STALE
        if copy is not None and copy.state is DeliveryState.LEASED:
            return Taken.EARLY
        notes = [json.loads(text) for _, moment, text in await tx.messages.timeline(message.id) if moment in _MOMENTS]
        own = [note for note in notes if note.get("copy") == (None if copy is None else copy.n)]
        if any(note.get("report") == report.key for note in own):
            return Taken.AGAIN
        if copy is None:
            if len(notes) >= NOTES_MAX:
                return Taken.UNKNOWN
            await _note(tx, report, copy, found, "returned")
            return Taken.NOTED
        if kind is Kind.COMPLAINT:
            return await self._complained(tx, report, message, copy, found, own)
        if kind is Kind.HARD:
            return await self._bounced(tx, report, message, copy, found)
        if len(notes) >= NOTES_MAX:
            return Taken.UNKNOWN
        await _note(tx, report, copy, found, "returned")
        return Taken.NOTED

    def _about(self, tx: SettleTx, verdict: BounceVerdict, ours: bytes) -> RecipientVerdict:
        """What the report says of this recipient.

        A dead address it was forwarded to does not make the recipient dead: a hard verdict counts
        only when the report names our recipient, or nobody at all.
        """
        whole = RecipientVerdict("", verdict.cause, verdict.status, text=verdict.text, rule=verdict.rule)
        if verdict.kind not in (Kind.HARD, Kind.SOFT, Kind.FULL, Kind.BLOCK, Kind.CONTENT):
            return whole
        named = [r for r in verdict.recipients if r.address or r.original]
        own = next((r for r in named if self._is(tx, ours, r)), None)
        if own is not None:
            return own
        if named and verdict.kind is Kind.HARD:
            return whole_as(whole, "forwarded")
        return whole

    def _mark(self, tx: SettleTx, message: Message, copy: Delivery) -> bytes:
        """The token of a copy's address, whether or not that is still stored."""
        if copy.n < len(message.facts.tokens):
            return message.facts.tokens[copy.n]
        return token(self._token_key(tx.workspace or b""), copy.recipient)

    def _is(self, tx: SettleTx, ours: bytes, named: RecipientVerdict) -> bool:
        return ours in self._tokens(tx, named)

    def _tokens(self, tx: SettleTx, named: RecipientVerdict) -> list[bytes]:
        """The tokens of the addresses under which a report names a recipient, the original one first."""
        key = self._token_key(tx.workspace or b"")
        found = []
        for address in (named.original, named.address):
            try:
                if address:
                    found.append(token(key, normalise(address)))
            except Invalid:
                continue
        return found

    async def _bounced(
        self, tx: SettleTx, report: Report, message: Message, copy: Delivery, found: RecipientVerdict
    ) -> Taken:
        if DeliveryState.BOUNCED not in TRANSITIONS[copy.state]:
            return Taken.AGAIN
        reason = _REASONS.get(found.cause, "bad_mailbox")
        if not await tx.deliveries.bounce_late(message.id, copy.n, now=report.at, reason=reason):
            return Taken.AGAIN
        await _note(tx, report, copy, found, "bounced")
        await tx.messages.count(report.at, {"bounced": 1})
        await self._list(tx, copy, message, Reason.HARD_BOUNCE, EVERY_STREAM, report.at)
        told = {"host": "", "code": 0, "enhanced": found.status, "text": found.text, "reason": reason, "late": True}
        await _tell(tx, report, message, copy, "message.bounced", {"attempt": copy.attempts, **told})
        return Taken.BOUNCED

    async def _complained(
        self, tx: SettleTx, report: Report, message: Message, copy: Delivery, found: RecipientVerdict, own: list[Note]
    ) -> Taken:
        if any(note.get("kind") == Kind.COMPLAINT for note in own) or copy.state is not DeliveryState.DELIVERED:
            return Taken.AGAIN
        await _note(tx, report, copy, found, "complained")
        await tx.messages.count(report.at, {"complained": 1})
        # Who asks to get no more of these means this stream; who complains means us.
        opted_out = found.cause == "opt_out"
        reason = Reason.UNSUBSCRIBE if opted_out else Reason.COMPLAINT
        await self._list(tx, copy, message, reason, message.facts.stream if opted_out else EVERY_STREAM, report.at)
        told = {"reason": found.cause, "feedback_id": report.verdict.feedback_id}
        await _tell(tx, report, message, copy, "message.complained", told)
        return Taken.COMPLAINED

    async def _list(self, tx: SettleTx, copy: Delivery, message: Message, reason: Reason, stream: str, at: int) -> None:
        await by_bounce(
            tx,
            copy.recipient,
            source=ids.encode("msg", message.id),
            key=self._token_key(tx.workspace or b""),
            now=datetime.fromtimestamp(at / 1e6, UTC),
            entropy=self._entropy,
            reason=reason,
            stream=stream,
            mark=message.facts.tokens[copy.n] if copy.n < len(message.facts.tokens) else None,
        )


Note = dict[str, object]
_MOMENTS = frozenset(("returned", "bounced", "complained"))


def whole_as(verdict: RecipientVerdict, cause: str) -> RecipientVerdict:
    """The same with another cause."""
    return RecipientVerdict("", cause, verdict.status, text=verdict.text, rule=verdict.rule)


def _together(copies: Sequence[Delivery], first: int | None) -> list[Delivery]:
    """The copies that may have gone in one transaction: those to the domain of the first one.

    Where the path does not tell which that is, those to a domain that another copy goes to as well, and the one whose
    number once said "shared" (protocol/verp). Of addresses that are not stored the domain is not known.
    """
    domains = [copy.recipient.rpartition("@")[2].lower() for copy in copies]
    if first is None:
        return [c for c, d in zip(copies, domains, strict=True) if domains.count(d) > 1 or c.n == 255]
    wanted = next((d for c, d in zip(copies, domains, strict=True) if c.n == first), None)
    return [c for c, d in zip(copies, domains, strict=True) if d == wanted]


def _of_nobody(verdict: BounceVerdict) -> RecipientVerdict:
    """A report that names nobody it could be about: what would silence somebody says so, the rest stays what it is."""
    cause = "unnamed" if verdict.kind in (Kind.HARD, Kind.COMPLAINT) else verdict.cause
    return RecipientVerdict("", cause, verdict.status, text=verdict.text, rule=verdict.rule)


async def _note(tx: SettleTx, report: Report, copy: Delivery | None, found: RecipientVerdict, moment: str) -> None:
    """A moment of the timeline. Two at one instant would be one row, so the second is a microsecond later."""
    taken = {at for at, what, _ in await tx.messages.timeline(report.message) if what == moment}
    at = report.at
    while at in taken:
        at += 1
    facts = {
        "copy": None if copy is None else copy.n,
        "kind": CAUSES[found.cause].kind,
        "cause": found.cause,
        "status": found.status,
        "says": CAUSES[found.cause].sentence,
        "text": found.text,
        "rule": found.rule,
        "report": report.key,
    }
    await tx.messages.timeline_add(report.message, at, moment, json.dumps(facts, ensure_ascii=False))


async def _tell(
    tx: SettleTx, report: Report, message: Message, copy: Delivery, type: str, more: Mapping[str, object]
) -> None:
    endpoints = await tx.webhooks.audience()
    if not endpoints.wanting(type):
        return
    data = {**about(message.id, message.facts), "recipient": copy.recipient, **more}
    id = event_id(report.at, type, message.id, copy.n, "report")
    await enqueue_events(tx, [Event(id, type, report.at, data)], endpoints=endpoints)
