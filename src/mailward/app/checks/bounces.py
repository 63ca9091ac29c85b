"""EMAIL-6, what comes later: bounces and complaints to a signed return-path, taken in a transaction that is undone."""

from __future__ import annotations

from typing import NamedTuple

from mailward.adapters.storage.records import BodyRef
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.base import ids
from mailward.core.delivery.model import Settled
from mailward.core.delivery.report import Report, Reports, Taken
from mailward.core.delivery.settle import Settling
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.messages.model import AttemptFacts, DeliveryState, MessageFacts
from mailward.core.submission.model import Receipt, Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.suppression.model import Reason, token
from mailward.policy.returned import Kind, classify
from mailward.protocol import verp

_WHO, _NEIGHBOUR = "verify@verify.invalid", "neighbour@verify.invalid"
_DSN = (
    "From: MAILER-DAEMON@verify.invalid\r\nSubject: Undelivered\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; verify.invalid\r\n\r\n"
    f"Final-Recipient: rfc822; {_WHO}\r\nAction: %s\r\nStatus: %s\r\nDiagnostic-Code: smtp; %s\r\n\r\n--b--\r\n"
)
_QMAIL = (
    "From: MAILER-DAEMON@verify.invalid\r\nSubject: failure notice\r\n\r\n"
    "Hi. This is the qmail-send program at verify.invalid.\r\n"
    "I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\r\n"
    f"<{_WHO}>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n"
)
_ABSENT = (
    "From: verify@verify.invalid\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nUser unknown.\r\n"
)
_COMPLAINT = (
    'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n--b--\r\n"
)
# (what comes back, its kind, its code, what it does)
_RETURNED = (
    (_DSN % ("failed", "5.1.1", "550 5.1.1 User unknown"), Kind.HARD, "5.1.1", Taken.BOUNCED),
    (_QMAIL, Kind.HARD, "5.1.1", Taken.BOUNCED),
    (_COMPLAINT, Kind.COMPLAINT, "", Taken.COMPLAINED),
    (_DSN % ("failed", "5.0.0", "450 User unknown"), Kind.SOFT, "5.0.0", Taken.NOTED),
    (_DSN % ("delayed", "4.4.1", "connection timed out"), Kind.SOFT, "4.4.1", Taken.NOTED),
    (_DSN % ("failed", "5.2.2", "552 5.2.2 Mailbox full"), Kind.FULL, "5.2.2", Taken.NOTED),
    (_DSN % ("failed", "5.7.1", "554 5.7.1 blocked using a DNSBL"), Kind.BLOCK, "5.7.1", Taken.NOTED),
    (_ABSENT, Kind.AUTO_REPLY, "", Taken.NOTED),
)
_GONE = _DSN % ("failed", "5.1.1", "550 5.1.1 User unknown")
# The same to the return-path of two copies: who is not named is not silenced.
_SHARED = (
    (_GONE, Taken.BOUNCED),
    (_GONE.replace(_WHO, "stranger@verify.invalid"), Taken.NOTED),
    (_COMPLAINT, Taken.NOTED),
)
_LISTED = {Taken.BOUNCED: Reason.HARD_BOUNCE, Taken.COMPLAINED: Reason.COMPLAINT}


class Seen(NamedTuple):
    """What one returned message did: taken once and again, the copies' states, why their addresses are listed."""

    first: Taken
    again: Taken
    states: tuple[DeliveryState, ...]
    listed: tuple[Reason | None, ...]


class _Undo(Exception):
    """Ends the transaction of a rehearsal without a trace; carries what was seen."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen


@check("EMAIL-6")
async def reports_are_settled(context: Context) -> Finding:
    """Eight returned messages about a delivered one: two end it, one complains, five silence nobody.

    Three more about one that went to two people: one ends the copy it names, two silence nobody.
    """
    key = context.installation.vault.derive("verp")
    for content, kind, status, effect in _RETURNED:
        verdict = classify(content.encode())
        if (verdict.kind, verdict.status) != (kind, status):
            return failed(f"a report that is {kind} {status} is taken for {verdict.kind} {verdict.status}")
        seen = await _try(context, content.encode(), key, (_WHO,))
        if seen != _expected(effect, 1):
            return failed(f"a {kind} report was {seen.first.value}, and the address is listed as {seen.listed[0]}")
    for content, effect in _SHARED:
        seen = await _try(context, content.encode(), key, (_NEIGHBOUR, _WHO))
        if seen != _expected(effect, 2):
            return failed(
                f"a report on two copies was {seen.first.value}, and the addresses are listed as {seen.listed}"
            )
    forged = verp.encode(bytes(16), 0, bytes(32))
    if verp.decode(forged, key) is not None:
        return failed("a return-path that we did not sign is taken for ours")
    return passed(
        f"{len(_RETURNED)} returned messages were taken for a delivered one and undone: a hard bounce and a complaint "
        "list the address, once; delays, full mailboxes, blocks and answers list nobody; of two copies that share a "
        "return-path the one that is named ends, and a report that names neither lists nobody; a forged one is none"
    )


def _expected(effect: Taken, copies: int) -> Seen:
    """The last copy is the one that is meant."""
    state = DeliveryState.BOUNCED if effect is Taken.BOUNCED else DeliveryState.DELIVERED
    others = copies - 1
    return Seen(
        effect, Taken.AGAIN, (DeliveryState.DELIVERED,) * others + (state,), (None,) * others + (_LISTED.get(effect),)
    )


async def _try(context: Context, content: bytes, key: bytes, to: tuple[str, ...]) -> Seen:
    try:
        await context.store.write(context.actor.workspace, lambda tx: _rehearse(context, tx, content, key, to))
    except _Undo as done:
        return done.seen
    raise AssertionError("a rehearsal ends by being undone")


async def _rehearse(context: Context, tx: Tx, content: bytes, key: bytes, to: tuple[str, ...]) -> None:
    i = context.installation
    workspace = ids.decode("ws", context.actor.workspace)
    tokens, now = i.token_key(workspace), i.now_us()
    facts = MessageFacts("api", context.actor.id, "verify.invalid", "", "", "", "", "", 0)
    marks = [token(tokens, who) for who in to]
    submission = Submission(
        id=ids.new_raw(now // 1000, context.entropy),
        created=now,
        facts=facts,
        recipients=[Recipient(who, mark) for who, mark in zip(to, marks, strict=True)],
        state=DeliveryState.LEASED,
        due=now + 60_000_000,
        lessee=1,
        epochs=tx.epochs,
    )
    (receipt,) = await record(tx, [(submission, BodyRef(0, 0, 0))])
    if not isinstance(receipt, Receipt):
        raise receipt
    sent = AttemptFacts("delivered", "", 250, "2.0.0", "", "", "", "", "", {}, [], 0, ())
    delivered = [
        Settled(submission.id, n, who, 1, DeliveryState.DELIVERED, 0, now, 1, None, sent, False, facts)
        for n, who in enumerate(to)
    ]
    await Settling(i.token_key, context.entropy).settle(tx, [delivered])
    path = verp.decode(verp.encode(submission.id, 0, key, shared=len(to) > 1), key)
    if path is None:
        raise AssertionError("our own return-path is not ours")
    report = Report(path.delivery, path.recipient, classify(content), "verify", now, path.shared)
    reports = Reports(i.token_key, context.entropy)
    first, again = await reports.take_report(tx, report), await reports.take_report(tx, report)
    states = tuple([copy.state for copy in (await tx.deliveries.of([submission.id]))[submission.id]])
    found = await tx.suppressions.among(marks)
    raise _Undo(Seen(first, again, states, tuple([found.get(mark, {}).get("") for mark in marks])))
