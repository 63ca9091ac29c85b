"""EMAIL-6 and EMAIL-7: what a hard bounce leads to, tried in the store and undone; and what a broadcast carries."""

from __future__ import annotations

from mailward.adapters.storage.records import BodyRef
from mailward.app.checks import probe
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.signing import load_domains
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.outcome import PermFail
from mailward.core.delivery.judge import judge
from mailward.core.delivery.model import Settled
from mailward.core.delivery.settle import Settling
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.identity.model import CredentialKind
from mailward.core.messages.model import AttemptFacts, DeliveryState, MessageFacts
from mailward.core.submission.model import Receipt, Recipient, Submission
from mailward.core.submission.record import record
from mailward.core.suppression.model import token
from mailward.policy.bounces import classify
from mailward.policy.retry import Schedule
from mailward.protocol.dkim.sign import sign

# (reply, whether the address is dead): as large providers word them.
_REPLIES = (
    (550, "5.1.1", "The email account that you tried to reach does not exist.", True),
    (550, "5.1.1", "RESOLVER.ADR.RecipNotFound; not found", True),
    (552, "5.2.2", "The email account that you tried to reach is over quota.", False),
    (550, "5.7.1", "Our system has detected that this message is likely unsolicited mail.", False),
    (554, "5.7.1", "Service unavailable; client host blocked using a blocklist", False),
    (550, "5.7.26", "This mail has been blocked because the sender is unauthenticated.", False),
)


class _Undo(Exception):
    """Ends the transaction of a rehearsal without a trace; carries what was seen."""

    def __init__(self, seen: list[tuple[DeliveryState, ...]]) -> None:
        super().__init__()
        self.seen = seen


@check("EMAIL-6")
async def hard_bounces_are_remembered(context: Context) -> Finding:
    """A mailbox that does not exist, in a transaction that is undone: the next message to it is not sent."""
    for code, enhanced, text, dead in _REPLIES:
        found = classify("rcpt", code, enhanced, text)
        verdict = judge(found, 1, created=0, now=1, schedule=Schedule(max_age=3600), jitter=lambda: 0.5)
        if verdict.hard is not dead:
            return failed(f"{code} {enhanced} is taken for {'a dead address' if verdict.hard else 'a live one'}")
    seen: list[tuple[DeliveryState, ...]] = []
    try:
        await context.store.write(context.actor.workspace, lambda tx: _rehearse(context, tx))
    except _Undo as done:
        seen = done.seen
    if seen != [(DeliveryState.LEASED,), (DeliveryState.SUPPRESSED,)]:
        return failed(
            f"after a hard bounce the next message was {seen[-1][0].name.lower() if seen else 'not recorded'}"
        )
    return passed(
        f"{len(_REPLIES)} refusals told apart; a rehearsed hard bounce put its address on the list, and the next "
        "message to it was recorded as suppressed, not sent"
    )


async def _rehearse(context: Context, tx: Tx) -> None:
    i = context.installation
    workspace = ids.decode("ws", context.actor.workspace)
    address = f"verify-{context.entropy.bytes(8).hex()}@verify.invalid"
    key, now = i.token_key(workspace), i.now_us()
    facts = MessageFacts("api", context.actor.id, "verify.invalid", "", "", "", "", "", 0)
    seen = []
    for turn in range(2):
        submission = Submission(
            id=ids.new_raw(now // 1000, context.entropy),
            created=now,
            facts=facts,
            recipients=[Recipient(address, token(key, address))],
            state=DeliveryState.LEASED,
            due=now + 60_000_000,
            lessee=1,
            epochs=tx.epochs,
        )
        (receipt,) = await record(tx, [(submission, BodyRef(0, 0, 0))])
        if not isinstance(receipt, Receipt):
            raise receipt
        seen.append(receipt.states)
        if turn == 0:
            bounced = _bounced(submission, address, now)
            await Settling(i.token_key, context.entropy).settle(tx, [[bounced]])
    raise _Undo(seen)


def _bounced(submission: Submission, address: str, now: int) -> Settled:
    code, enhanced, text, _ = _REPLIES[0]
    outcome = classify("rcpt", code, enhanced, text)
    assert isinstance(outcome, PermFail)
    verdict = judge(outcome, 1, created=now, now=now, schedule=Schedule(max_age=3600), jitter=lambda: 0.5)
    facts = AttemptFacts("bounced", outcome.reason, code, enhanced, text, "", "", "", "", {}, [], 0, ())
    return Settled(
        submission.id, 0, address, 1, verdict.state, 0, now, 1, outcome.reason, facts, verdict.hard, submission.facts
    )


@check("EMAIL-7")
async def broadcasts_can_be_left(context: Context) -> Finding:
    """Ask the running API what a broadcast would carry, and whether our signatures cover it."""
    workspace = ids.decode("ws", context.actor.workspace)
    own = (await load_domains(context.installation)).get(workspace, {})
    usable = [d for d in own.values() if context.settings.capture or not d.capture_only]
    if not usable:
        return not_configured("no domain may send yet")
    domain = usable[0]
    message = {
        "from": f"verify@{domain.name}",
        "to": "nobody@verify.invalid",
        "subject": "verify",
        "text": "A question.",
        "dry_run": True,
    }
    broadcast = {**message, "stream": "broadcast"}
    leave = {"list_unsubscribe": {"url": "https://verify.invalid/leave?id=1"}}
    try:
        async with probe.temporary(context, probe.SENDING) as issued:

            async def would_carry(body: dict[str, object]) -> probe.Heard:
                return await probe.ask(context, "POST", "/v1/messages", key=secret(issued), body=body)

            without = await would_carry(broadcast)
            with_it = await would_carry({**broadcast, **leave})
            receipt = await would_carry(message)
        over_smtp = await _over_smtp(context, domain.name) if context.settings.submission.starttls else "550"
    except NotThere as e:
        return failed(str(e))
    if not over_smtp.startswith("55"):
        return failed(f"a broadcast that nobody can leave got {over_smtp[:9].strip()!r} over SMTP")
    if without.code != "unsubscribe_required":
        return failed(f"a broadcast that nobody can leave got {without.status} {without.code}")
    if with_it.status != 200 or receipt.status != 200:
        return failed(f"a dry run got {with_it.status} {with_it.code or receipt.code}")
    fields = _fields(with_it)
    if fields.get("list-unsubscribe-post") != "List-Unsubscribe=One-Click" or "<https://" not in fields.get(
        "list-unsubscribe", ""
    ):
        return failed("a broadcast does not carry the fields of RFC 8058")
    if "list-unsubscribe" in _fields(receipt):
        return failed("a transactional message carries List-Unsubscribe")
    given = [(n.encode(), f"{n}: {v}\r\n".encode()) for n, v in fields.items()]
    made = sign(given, b"A question.\r\n", domain.signers, context.clock.now()).replace(b"\r\n", b"").lower()
    if made.count(b"dkim-signature:") < 1 or made.count(b"list-unsubscribe-post") < made.count(b"dkim-signature:"):
        return failed("a signature of the sending domain does not cover the unsubscribe fields")
    return passed(
        "a broadcast without a way out is refused, over HTTP and SMTP; with one it carries List-Unsubscribe and "
        "one-click List-Unsubscribe-Post under the domain's signatures; transactional mail carries neither"
    )


async def _over_smtp(context: Context, own: str) -> str:
    """What submission says to a broadcast without a way out."""
    async with (
        probe.temporary(context, probe.SENDING, CredentialKind.SMTP) as issued,
        probe.submission(context, probe.fresh_source(context)) as talk,
    ):
        await probe.sign_in(talk, issued.credential.username, secret(issued))
        for command in (f"MAIL FROM:<verify@{own}>", "RCPT TO:<nobody@verify.invalid>", "DATA"):
            said = await talk.say(command)
            if said[:1] not in "23":
                return f"{said[:9].strip()} before its content"
        return await talk.say(
            f"From: verify@{own}\r\nTo: nobody@verify.invalid\r\nSubject: verify\r\n"
            "X-Mailward-Stream: broadcast\r\n\r\nA question.\r\n."
        )


def _fields(heard: probe.Heard) -> dict[str, str]:
    out: dict[str, str] = {}
    for line in heard.body.get("headers", []):
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            out[name.lower()] = value.strip()
        elif out:
            out[next(reversed(out))] += " " + line.strip()
    return out
