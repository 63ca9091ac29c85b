"""attempt(): one try for a leased message: route, sign, hand to the courier, judge each answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol, assert_never

from mailward.base.errors import Invalid, MailwardError
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.core.delivery.form import SevenBit
from mailward.core.delivery.model import Copy, Settled, Work
from mailward.core.messages.model import NOT_TRIED, AttemptFacts, DeliveryState, MessageFacts
from mailward.core.redaction import facts as reduced


class Host(NamedTuple):
    """One address to try: the MX name (or route's host), its address and port."""

    name: str
    ip: str
    port: int


class Route(NamedTuple):
    """Where a domain's mail goes: `key` names the destination for limits and reuse, `why` explains the choice."""

    key: str
    hosts: tuple[Host, ...]
    why: str
    policy: str


class Shipment(NamedTuple):
    """What the courier carries in one transaction. `seven_bit` makes another form of it, for a server that needs one;
    None when the content is ASCII already.
    """

    route: Route
    mail_from: str
    recipients: tuple[str, ...]
    content: tuple[bytes, ...]
    facts: MessageFacts
    dsn: tuple[str | None, ...]
    seven_bit: SevenBit | None = None


class Delivered(NamedTuple):
    """What the courier brings back: an outcome for each recipient, and the facts of the session.

    `rewritten`: what of the content was changed for this server. `each`: the facts for each recipient by itself, where
    it took several transactions.
    """

    outcomes: Sequence[Outcome]
    host: str
    ip: str
    why: str
    tls: dict[str, str]
    dialogue: list[tuple[int, str, str]]
    elapsed_ms: int
    rewritten: tuple[str, ...] = ()
    each: Sequence[Delivered] = ()


class Verdict(NamedTuple):
    """What an outcome means for a copy: new state, when again (microseconds UTC, 0 never), the named reason."""

    state: DeliveryState
    due: int
    reason: str
    hard: bool


class Router(Protocol):
    """Finds where a domain's mail goes; an outcome instead of a route says that it cannot be sent (now, or ever)."""

    def cached(self, domain: str) -> Route | None:
        """The route if it is known without asking anyone."""

    async def route(self, domain: str) -> Route | TempFail | PermFail: ...


class Courier(Protocol):
    """Carries a shipment; raises nothing, every failure is an outcome."""

    def deliver(self, shipment: Shipment) -> Awaitable[Delivered]: ...


class Beside(Protocol):
    """Runs the transactions of one work beside each other, and keeps each one's outcomes as soon as they are known."""

    async def begin(self, sending: Coroutine[None, None, list[Settled]]) -> None:
        """Begin one more, when there is room for it."""

    async def over(self) -> None:
        """Wait for all. What one of them raised is raised once none is left."""


class Signing(Protocol):
    """Adds what a message needs before it leaves."""

    def sign(
        self, workspace: bytes, domain: str, content: bytes, now: datetime
    ) -> tuple[bytes | Awaitable[bytes], tuple[str, ...]]:
        """The signature header block (may be empty) and the names of the keys used; Unavailable when a key is away.

        The block may come later, made with those of other messages. Only what this does itself touches the content.
        """

    def sign_now(self, workspace: bytes, domain: str, content: bytes, now: datetime) -> tuple[bytes, tuple[str, ...]]:
        """The same, where nobody can wait."""


ReturnPath = Callable[[bytes, MessageFacts, bytes, int, bool], str]
"""(workspace, facts, message, copy, shared) -> the envelope sender of this copy, or of those that go along with it."""
Judge = Callable[[Outcome, str, int, int, int], Verdict]
Load = Callable[[Work], Awaitable[bytes]]
Listed = Callable[[Work], Awaitable[dict[int, str]]]
Reveal = Callable[[Work], Awaitable[None]]


class Form(NamedTuple):
    """What some copies of a message get; `notes` say what differs from what was handed in, for people."""

    copies: Sequence[Copy]
    content: bytes
    notes: tuple[str, ...] = ()


Forms = Callable[[Work, bytes], Awaitable[Iterable[Form]]]
"""The forms of a message whose links are tracked, each made when its turn comes. Raises nothing but for the store."""
# No copy is begun that another worker may soon begin, too; it is due again when the lease ends.
_LEASE_MARGIN_US = 5 * 60 * 1_000_000

LARGE = 1 << 20
"""Octets of a message from which it is signed beside everything else: hashing them takes time."""
Aside = Callable[[Callable[[], tuple[bytes, tuple[str, ...]]]], Awaitable[tuple[bytes, tuple[str, ...]]]]
"""Runs what signs where others do not wait for it."""

Hold = Callable[[bytes, bytes], AbstractContextManager[None]]
"""(workspace, message) -> a block in which that message's content is worked on without a pause."""


def _unnoted(workspace: bytes, message: bytes) -> AbstractContextManager[None]:
    return nullcontext()


class Attempter:
    """Tries works. Holds no state of its own beyond its ports."""

    def __init__(
        self,
        *,
        router: Router,
        courier: Courier,
        signing: Signing,
        return_path: ReturnPath,
        judge: Judge,
        load: Load,
        listed: Listed,
        lessee: int,
        now_us: Callable[[], int],
        hold: Hold = _unnoted,
        reveal: Reveal | None = None,
        forms: Forms | None = None,
        failed: Callable[[BaseException], None] = lambda error: None,
        aside: Aside | None = None,
    ) -> None:
        """`hold` notes what is worked on, for whoever comes after a crash; `failed` hears of faults of ours; `reveal`
        opens what is not stored in readable form (core/redaction); `forms` makes the copies of tracked mail; `aside`
        signs large ones.
        """
        self._hold = hold
        self._aside = aside
        self._forms = forms
        self._reveal = reveal
        self._failed = failed
        self._router = router
        self._courier = courier
        self._signing = signing
        self._return_path = return_path
        self._judge = judge
        self._load = load
        self._listed = listed
        self._lessee = lessee
        self._now_us = now_us

    async def attempt(self, work: Work, beside: Beside | None = None) -> list[Settled]:
        """One try for every copy of the work; one SMTP transaction for each destination domain.

        Where there are several, `beside` runs them: what one server took is not forgotten because another is slow.
        What it kept is not returned.

        Work that waited in the store may be for an address that was listed meanwhile: such
        a copy ends as suppressed. What was accepted this instant was looked up in its commit.
        """
        stopped: list[Settled] = []
        try:
            if work.content is None and work.facts.redacted and self._reveal is not None:
                await self._reveal(work)
            if work.content is None and (listed := await self._listed(work)):
                stopped = [self._suppressed(work, c, listed[c.n]) for c in work.copies if c.n in listed]
                work.copies = [c for c in work.copies if c.n not in listed]
                if not work.copies:
                    return stopped
            content = work.content if work.content is not None else await self._load(work)
            if work.facts.tracking is not None and self._forms is not None:
                forms = await self._forms(work, content)
            else:
                forms = (Form(work.copies, content),)
        except Exception as e:
            return stopped + self._unprepared(work, work.copies, e)
        out = stopped
        for n, form in enumerate(forms):
            if n and self._now_us() > work.until - _LEASE_MARGIN_US:
                break
            out += await self._send(work, form, beside)
        if beside is not None:
            await beside.over()
        return out

    def _unprepared(self, work: Work, copies: Iterable[Copy], e: Exception) -> list[Settled]:
        """Whatever it is, it counts as an attempt: what cannot be prepared expires one day, and what is wrong with the
        message itself is known at once.
        """
        code = e.code if isinstance(e, MailwardError) else "internal error"
        if not isinstance(e, MailwardError):
            self._failed(e)
        text = f"the message could not be prepared ({code})"
        failure: Outcome = PermFail("content_rejected", text) if isinstance(e, Invalid) else TempFail("internal", text)
        return [self._settled(work, copy, failure, _nowhere("", ()), "", ()) for copy in copies]

    async def _send(self, work: Work, form: Form, beside: Beside | None) -> list[Settled]:
        content = form.content
        now = datetime.fromtimestamp(self._now_us() / 1e6, UTC)
        try:
            if len(content) > LARGE and self._aside is not None:
                header, signed = await self._aside(partial(self._sign_now, work, content, now))
            else:
                with self._hold(work.workspace, work.id):
                    block, signed = self._signing.sign(work.workspace, work.facts.domain, content, now)
                header = block if isinstance(block, bytes) else await block
        except Exception as e:
            return self._unprepared(work, form.copies, e)
        chunks = (header, content) if header else (content,)
        seven_bit: SevenBit | None = None
        if work.facts.eight_bit:
            workspace, signer = work.workspace, work.facts.domain
            hold = partial(self._hold, workspace, work.id)
            seven_bit = SevenBit(content, lambda form: self._signing.sign_now(workspace, signer, form, now), hold)
        # An address that needs SMTPUTF8 goes in a transaction of its own: its neighbours do without.
        groups: dict[tuple[str, bool], list[Copy]] = {}
        for copy in form.copies:
            recipient = copy.recipient
            groups.setdefault((recipient.rpartition("@")[2].lower(), recipient.isascii()), []).append(copy)
        out: list[Settled] = []
        for (domain, _), copies in groups.items():
            sending = self._to_domain(work, domain, copies, chunks, signed, seven_bit, form.notes)
            if beside is not None and len(copies) < len(work.copies):
                await beside.begin(sending)
            else:
                out += await sending
        return out

    def _sign_now(self, work: Work, content: bytes, now: datetime) -> tuple[bytes, tuple[str, ...]]:
        with self._hold(work.workspace, work.id):
            return self._signing.sign_now(work.workspace, work.facts.domain, content, now)

    async def _to_domain(
        self,
        work: Work,
        domain: str,
        copies: list[Copy],
        chunks: tuple[bytes, ...],
        signed: tuple[str, ...],
        seven_bit: SevenBit | None,
        notes: tuple[str, ...],
    ) -> list[Settled]:
        if work.facts.test_mode:
            shown = _nowhere("Test mode: everything ran but the last hop.", ())._replace(rewritten=notes)
            return [self._settled(work, c, None, shown, "test mode", signed) for c in copies]
        route = self._router.cached(domain) or await self._router.route(domain)
        if not isinstance(route, Route):
            shown = _nowhere(route.text, ())
            # Nobody was asked about the address: what the domain's DNS says today silences nobody.
            return [self._settled(work, c, route, shown, "", signed)._replace(hard=False) for c in copies]
        sender = self._return_path(work.workspace, work.facts, work.id, copies[0].n, len(copies) > 1)
        recipients, dsn = tuple(c.recipient for c in copies), tuple(c.dsn for c in copies)
        shipment = Shipment(route, sender, recipients, chunks, work.facts, dsn, seven_bit)
        brought = await self._courier.deliver(shipment)
        each = brought.each or (brought,) * len(copies)
        if notes:
            each = [one._replace(rewritten=notes + one.rewritten) for one in each]
        return [
            self._settled(work, c, outcome, one, route.policy, signed)
            for c, outcome, one in zip(copies, brought.outcomes, each, strict=True)
        ]

    def _suppressed(self, work: Work, copy: Copy, reason: str) -> Settled:
        text = f"The address is on the suppression list ({reason.replace('_', ' ')})."
        why = f"suppressed:{reason}"
        facts = AttemptFacts("suppressed", why, 0, "", text, "", "", "", "", {}, [], 0, ())
        return Settled(
            work.id, copy.n, copy.recipient, copy.attempts + 1, DeliveryState.SUPPRESSED, 0, self._now_us(),
            self._lessee, why, facts, False, work.facts,
        )  # fmt: skip

    def _settled(
        self,
        work: Work,
        copy: Copy,
        outcome: Outcome | None,
        brought: Delivered,
        policy: str,
        signed: tuple[str, ...],
    ) -> Settled:
        now = self._now_us()
        attempt = copy.attempts + 1
        code, enhanced, text = 0, "", ""
        if outcome is None:
            verdict, said = Verdict(DeliveryState.DISCARDED, 0, "test_mode", False), "discarded"
        else:
            verdict = self._judge(outcome, copy.recipient, attempt, work.created, now)
            text = outcome.text
            match outcome:
                case Done(code=code, enhanced=enhanced):
                    said = "delivered"
                case TempFail(tried=False) if verdict.state is DeliveryState.QUEUED:
                    said, attempt = NOT_TRIED, copy.attempts
                case TempFail(code=code, enhanced=enhanced):
                    said = "deferred" if verdict.state is DeliveryState.QUEUED else "expired"
                case PermFail(code=code, enhanced=enhanced):
                    said = "bounced"
                case _:
                    assert_never(outcome)
        facts = AttemptFacts(
            outcome=said,
            reason=verdict.reason,
            code=code,
            enhanced=enhanced,
            text=text[:1000],
            host=brought.host,
            ip=brought.ip,
            why=brought.why,
            policy=policy,
            tls=brought.tls,
            dialogue=brought.dialogue,
            elapsed_ms=brought.elapsed_ms,
            signed=signed,
            next_due=verdict.due,
            rewritten=_rewritten(work.facts) + brought.rewritten,
        )
        if work.facts.redacted:
            facts = reduced.attempt(facts, work.facts.redacted)
        return Settled(
            work.id, copy.n, copy.recipient, attempt, verdict.state, verdict.due, now, self._lessee,
            verdict.reason or None, facts, verdict.hard, work.facts,
        )  # fmt: skip


def _rewritten(facts: MessageFacts) -> tuple[str, ...]:
    """What was changed when the message was accepted."""
    return tuple([f"a line was longer than 998 bytes: {note}" for note in facts.rewritten]) if facts.rewritten else ()


def _nowhere(why: str, outcomes: Sequence[Outcome]) -> Delivered:
    """The facts of an attempt that reached no server."""
    return Delivered(outcomes, "", "", why, {}, [], 0)
