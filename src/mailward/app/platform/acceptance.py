"""Accepting a message, whichever door it came through: judge, seal, record, hand over.

The judgement is made from caches (domains, credentials) whose epochs are checked again
inside the commit; if they moved on, it is made anew. A message that fits into this
worker's memory is recorded as leased to it and goes to its sender at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mailward.app.allowance import Allowance
from mailward.app.inspection import Inspection
from mailward.app.knowledge import Knowledge, KnownDomain
from mailward.app.metrics import Metrics
from mailward.app.platform.views import at, delivery_id
from mailward.app.standing import Standings
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, LimitReached, MailwardError, TooLarge, Unavailable
from mailward.base.sources import Entropy
from mailward.core.delivery.model import Copy, Work
from mailward.core.messages.change import MAX_AHEAD_US
from mailward.core.messages.model import DeliveryState, MessageFacts, overall
from mailward.core.submission.model import Idempotency, Receipt, Recipient, StaleJudgement, Submission
from mailward.core.submission.record import record
from mailward.core.suppression.model import blocked, token
from mailward.core.workspaces.data_keys import DataKeys
from mailward.edges.web.schema import messages as schema
from mailward.edges.web.schema.submission import Given, Outcome, Outgoing
from mailward.policy import access, attachments, sending
from mailward.policy.access import Actor, Permission
from mailward.policy.decision import Allow, Hold, Refuse
from mailward.policy.sending import SendFacts
from mailward.protocol.message.attached import confirmed
from mailward.protocol.message.mailbox import ascii_domain

_DAY_US = 86_400_000_000
_LEASE_US = 20 * 60 * 1_000_000


@dataclass(slots=True)
class Candidate:
    """A message that wants to be accepted: its bytes, its envelope, and what its header says.

    `domains` are those of From, Sender and Resent-*; each must be the workspace's own.
    `due` is microseconds UTC, 0 for at once. `content` ends its lines with CRLF.
    """

    content: bytes = field(repr=False)
    mail_from: str
    recipients: list[tuple[str, str | None]] = field(repr=False)
    header_from: str = field(repr=False)
    from_domain: str
    domains: tuple[str, ...]
    to: str = field(repr=False)
    subject: str = field(repr=False)
    message_id: str
    source: str
    stream: str = "transactional"
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict, repr=False)
    due: int = 0
    test_mode: bool = False
    idempotency: Idempotency | None = None
    tls: str = ""
    smtputf8: bool = False
    requiretls: bool = False
    ret: str = ""
    envid: str = ""
    files: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()


class Outbox(Protocol):
    """The sender of this worker, or nothing when the role is elsewhere."""

    def reserve(self, size: int) -> bool: ...

    def release(self, size: int) -> None: ...

    def take(self, work: Work) -> None: ...


class Acceptance:
    """One a worker. Methods raise errors of base/errors; after they return, the message is ours."""

    def __init__(
        self,
        store: Store,
        data_keys: DataKeys,
        knowledge: Knowledge,
        *,
        outbox: Outbox | None,
        lessee: int,
        entropy: Entropy,
        now_us: Callable[[], int],
        token_key: Callable[[bytes], bytes],
        metrics: Metrics,
        max_bytes: int,
        max_recipients: int,
        refused_files: frozenset[str],
        capture: bool,
        allowance: Allowance,
        standings: Standings,
        revalidate: Callable[[Actor], Awaitable[None]],
        ring: Callable[[], None],
        inspection: Inspection | None = None,
    ) -> None:
        self._store = store
        self._data_keys = data_keys
        self._knowledge = knowledge
        self._outbox = outbox
        self._lessee = lessee
        self._entropy = entropy
        self._now_us = now_us
        self._token_key = token_key
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._max_recipients = max_recipients
        self._refused_files = refused_files
        self._capture = capture
        self._allowance = allowance
        self._standings = standings
        self._revalidate = revalidate
        self._ring = ring
        self._inspection = inspection
        self._workspaces: dict[str, tuple[bytes, bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._accept_seconds = metrics.accept_seconds.observe
        self._accepted = {s: metrics.accepted.labels(s).inc for s in ("api", "smtp", "network")}

    # -- one message -----------------------------------------------------------------------------

    async def accept(self, actor: Actor, c: Candidate) -> Receipt:
        """Judge, seal and record; returns after the commit."""
        began = time.perf_counter()
        workspace, key = self._workspace(actor)
        if not self._allowance(actor, c.from_domain, len(c.recipients)):
            await self._allowance.count(actor, c.from_domain, len(c.recipients))
        if self._inspection is not None and self._inspection.wants(c.content, c.files):
            self.judge(actor, c)  # a refusal that needs no scanner comes first
            await self._inspection.require_clean(c.content, c.mail_from, [address for address, _ in c.recipients])
        for last in (False, False, True):
            known = self.judge(actor, c)
            submission, size = self._prepare(workspace, key, actor, known, c)
            data_key = self._data_keys.cached(workspace, submission.created // _DAY_US)
            if data_key is None:
                data_key = await self._data_keys.seal_key(workspace, submission.created // _DAY_US)
            try:
                receipt: Receipt = await self._store.write_item(
                    record, workspace, submission, body=(submission.id, data_key, c.content)
                )
            except BaseException as e:
                if submission.lessee:
                    self._release(size)
                if isinstance(e, StaleJudgement) and not last:
                    await self._knowledge.refresh()
                    await self._revalidate(actor)
                    continue
                raise
            break
        self._hand_over(workspace, submission, receipt, c, size)
        self._accept_seconds(time.perf_counter() - began)
        self._accepted[c.source]()
        return receipt

    def accept_soon(self, actor: Actor, c: Candidate) -> asyncio.Future[str] | None:
        """The id of the message as a future, without a task for it; None where only `accept` can go on.

        The same judgement and the same record as `accept`: only what has to wait for
        anything but the commit (a data key not at hand, a second look) is left to it.
        """
        began = time.perf_counter()
        workspace, key = self._workspace(actor)
        known = self.judge(actor, c)
        data_key = self._data_keys.cached(workspace, self._now_us() // _DAY_US)
        if data_key is None or (self._inspection is not None and self._inspection.wants(c.content, c.files)):
            return None
        if not self._allowance(actor, c.from_domain, len(c.recipients)):
            return None
        submission, size = self._prepare(workspace, key, actor, known, c)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if submission.created // _DAY_US != data_key.day:
            self._give_back(submission, size)
            return None
        recorded = self._store.write_item(record, workspace, submission, body=(submission.id, data_key, c.content))

        def settled(future: asyncio.Future[Receipt]) -> None:
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or error is not None:
                self._give_back(submission, size)
                if isinstance(error, StaleJudgement):
                    self._again(actor, c, answer)
                elif not answer.done():
                    answer.set_exception(error or Unavailable("stopping", "The server is stopping; try again."))
                return
            receipt = future.result()
            self._hand_over(workspace, submission, receipt, c, size)
            self._accept_seconds(time.perf_counter() - began)
            self._accepted[c.source]()
            if not answer.done():
                answer.set_result(ids.encode("msg", receipt.id))

        recorded.add_done_callback(settled)
        return answer

    def _again(self, actor: Actor, c: Candidate, answer: asyncio.Future[str]) -> None:
        """Judge and record anew, the long way."""

        async def again() -> None:
            try:
                await self._knowledge.refresh()
                await self._revalidate(actor)
                receipt = await self.accept(actor, c)
            except BaseException as e:
                if not answer.done():
                    answer.set_exception(e)
                return
            if not answer.done():
                answer.set_result(ids.encode("msg", receipt.id))

        task = asyncio.get_running_loop().create_task(again())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _give_back(self, submission: Submission, size: int) -> None:
        if submission.lessee:
            self._release(size)

    def judge(self, actor: Actor, c: Candidate) -> KnownDomain:
        """May this credential send this? The domain that signs, or the refusal with its reason."""
        access.require(actor, Permission.MESSAGE_SEND)
        if not self._standings.plain(actor.id):
            self._standings.require(actor.id, self._now_us())
        workspace, _ = self._workspace(actor)
        domains = self._knowledge.domains(workspace)
        decision = sending.decide(
            SendFacts(
                domains=domains,
                from_domain=c.from_domain,
                others=c.domains,
                mail_from=_a_label(c.mail_from.rpartition("@")[2]) if c.mail_from else "",
                recipients=len(c.recipients),
                size=len(c.content),
                max_recipients=self._max_recipients,
                max_size=self._max_bytes,
                allowed_domains=actor.domains,
                workspace="paused" if self._knowledge.paused(workspace, c.stream) else "active",
                capture_mode=self._capture,
                test_mode=c.test_mode,
            )
        )
        if isinstance(decision, Refuse):
            raise refusal(decision)
        if c.files:
            self._judge_files(c)
        if c.due and c.due > self._now_us() + MAX_AHEAD_US:
            raise Invalid("scheduled_too_far", "A message can be scheduled up to 30 days ahead.", field="scheduled_at")
        known = sending.owner(domains, c.from_domain)
        assert isinstance(known, KnownDomain)
        return known

    def _judge_files(self, c: Candidate) -> None:
        decision = attachments.decide(c.files, self._refused_files)
        # The names may be quoted in a text; what refuses is what a reader of the message would see.
        if not isinstance(decision, Allow):
            decision = attachments.decide(confirmed(c.content), self._refused_files)
        if not isinstance(decision, Allow):
            raise Invalid(decision.code, decision.sentence, field="attachments")

    def require_domain(self, actor: Actor, workspace: bytes, domain: str) -> None:
        """Refuse an address whose domain is not one of this workspace, or not one of this credential."""
        domains = self._knowledge.domains(workspace)
        known = sending.owner(domains, domain)
        if known is None or (known.capture_only and not self._capture):
            facts = SendFacts(domains=domains, from_domain=domain, capture_mode=self._capture)
            decision = sending.decide(facts)
            if not isinstance(decision, Allow):
                raise refusal(decision)
        if actor.domains is not None and domain not in actor.domains:
            raise Forbidden("domain_not_allowed", f"This credential may not send from {domain}.")

    def _prepare(
        self, workspace: bytes, key: bytes, actor: Actor, known: KnownDomain, c: Candidate
    ) -> tuple[Submission, int]:
        now = self._now_us()
        size = len(c.content)
        scheduled = c.due > now
        lessee = 0
        # What `judge` decided to hold: knowledge may be newer by now, but not than the epochs compared at the commit.
        held = self._knowledge.paused(workspace, c.stream)
        if not scheduled and not held and self._outbox is not None and self._outbox.reserve(size):
            lessee = self._lessee
        facts = MessageFacts(
            source=c.source,
            actor=actor.id,
            domain=known.name,
            mail_from=c.mail_from,
            header_from=c.header_from,
            to=c.to,
            subject=c.subject,
            message_id=c.message_id,
            size=size,
            stream=c.stream,
            tags=c.tags,
            metadata=c.metadata,
            tls=c.tls,
            smtputf8=c.smtputf8,
            eight_bit=not c.content.isascii(),
            requiretls=c.requiretls,
            test_mode=c.test_mode,
            ret=c.ret,
            envid=c.envid,
            due=c.due if scheduled else 0,
            recipients=len(c.recipients),
            rewritten=c.rewritten,
        )
        submission = Submission(
            id=ids.new_raw(now // 1000, self._entropy),
            created=now,
            facts=facts,
            recipients=[Recipient(a, token(key, a), dsn) for a, dsn in c.recipients],
            state=DeliveryState.HELD if held else DeliveryState.LEASED if lessee else DeliveryState.QUEUED,
            due=now + _LEASE_US if lessee else max(c.due, now),
            lessee=lessee,
            epochs=self._knowledge.epochs,
            reason="sending_paused" if held else None,
            idempotency=c.idempotency._replace(expires=now + _DAY_US) if c.idempotency is not None else None,
        )
        return submission, size

    def _hand_over(self, workspace: bytes, s: Submission, receipt: Receipt, c: Candidate, size: int) -> None:
        if not s.lessee or self._outbox is None:
            if self._outbox is None and s.due <= s.created:
                self._ring()
            return
        copies = [
            Copy(n, r.address, 0, r.dsn)
            for n, (r, state) in enumerate(zip(s.recipients, receipt.states, strict=True))
            if state is DeliveryState.LEASED
        ]
        if receipt.replayed or not copies:
            self._outbox.release(size)
            return
        self._outbox.take(Work(workspace, s.id, s.created, s.facts, copies, s.due, None, c.content))

    def _release(self, size: int) -> None:
        if self._outbox is not None:
            self._outbox.release(size)

    def _workspace(self, actor: Actor) -> tuple[bytes, bytes]:
        held = self._workspaces.get(actor.workspace)
        if held is None:
            raw = ids.decode("ws", actor.workspace)
            held = self._workspaces[actor.workspace] = (raw, self._token_key(raw))
        return held

    # -- the API's batches -----------------------------------------------------------------------

    async def submit_api(self, actor: Actor, items: Sequence[Outgoing], *, atomic: bool) -> list[Outcome]:
        """One outcome for each item, in order; all items that are fine commit together."""
        candidates = [_candidate(item) for item in items]
        outcomes: list[Outcome | None] = [None] * len(items)
        for i, c in enumerate(candidates):
            if isinstance(c, MailwardError):
                outcomes[i] = c
                continue
            try:
                self.judge(actor, c)
            except MailwardError as e:
                # A domain may have been verified by another worker a moment ago: look again before saying no.
                outcomes[i] = await self._second_look(actor, c) if e.code == "domain_not_verified" else e
        if atomic and any(o is not None for o in outcomes):
            refused = Conflict("batch_refused", "Another message of this batch was refused, so none was accepted.")
            return [o if o is not None else refused for o in outcomes]
        running: list[tuple[int, Awaitable[Outcome]]] = []
        for i, (item, c) in enumerate(zip(items, candidates, strict=True)):
            if outcomes[i] is None and not isinstance(c, MailwardError):
                running.append((i, self._dry_run(actor, c) if item.dry_run else self._given(actor, c)))
        results = await asyncio.gather(*(r for _, r in running), return_exceptions=True)
        for (i, _), result in zip(running, results, strict=True):
            if isinstance(result, BaseException):
                if not isinstance(result, MailwardError):
                    raise result
                if len(items) == 1 or isinstance(result, LimitReached):
                    raise result
            outcomes[i] = result
        return [o for o in outcomes if o is not None]

    async def _second_look(self, actor: Actor, c: Candidate) -> MailwardError | None:
        await self._knowledge.refresh()
        try:
            self.judge(actor, c)
        except MailwardError as e:
            return e
        return None

    async def _given(self, actor: Actor, c: Candidate) -> Outcome:
        receipt = await self.accept(actor, c)
        word = overall(list(receipt.states))
        if word == "queued" and c.due:
            word = "scheduled"
        copies = [
            schema.AcceptedDelivery(
                id=delivery_id(receipt.id, n),
                recipient=a,
                status="sending" if s is DeliveryState.LEASED else s.name.lower(),  # type: ignore[arg-type]
            )
            for n, ((a, _), s) in enumerate(zip(c.recipients, receipt.states, strict=False))
        ]
        accepted = schema.Accepted(
            id=ids.encode("msg", receipt.id),
            message_id=c.message_id,
            status=word,  # type: ignore[arg-type]
            deliveries=copies,
        )
        return Given(accepted, receipt.replayed)

    async def _dry_run(self, actor: Actor, c: Candidate) -> schema.DryRun:
        workspace, key = self._workspace(actor)
        # No commit will compare epochs here, so knowledge is made as new as a commit would ask for.
        await self._knowledge.refresh()
        known = self.judge(actor, c)
        tokens = [token(key, a) for a, _ in c.recipients]

        async def look(tx: Tx) -> dict[bytes, object]:
            found = await tx.suppressions.among(tokens)
            return {t: blocked(found, t, c.stream) for t in tokens}

        listed = await self._store.read(actor.workspace, look)
        recipients = [
            schema.DryRunRecipient(
                recipient=a,
                status="suppressed" if listed.get(t) else "would be sent",
                reason=f"on the suppression list: {listed[t]}" if listed.get(t) else "",
            )
            for (a, _), t in zip(c.recipients, tokens, strict=True)
        ]
        reasons = [
            f"{known.name} is verified in this workspace and signs with {', '.join(known.selectors) or 'no key'}."
        ]
        held = self._knowledge.paused(workspace, c.stream)
        if held:
            reasons.append("Sending is paused, so it would be held until somebody releases it.")
        if c.due:
            reasons.append(f"It is scheduled for {at(c.due).isoformat()}.")
        if known.capture_only:
            reasons.append("This domain is for trying out: its mail stays in the capture sink.")
        head = c.content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        return schema.DryRun(
            dry_run=True,
            would="hold" if held else "schedule" if c.due > self._now_us() else "queue",
            reasons=reasons,
            message_id=c.message_id,
            size=len(c.content),
            recipients=recipients,
            headers=head.split("\r\n"),
        )


_SIZES = frozenset(("message_too_large",))
_REQUEST = frozenset(("no_recipients", "too_many_recipients", "from_not_single"))


def refusal(decision: Refuse | Hold) -> MailwardError:
    """A decision against a message as the error its sender gets."""
    if decision.code in _SIZES:
        return TooLarge(decision.code, decision.sentence)
    if decision.code in _REQUEST:
        return Invalid(decision.code, decision.sentence, field="from" if "from" in decision.code else "to")
    return Forbidden(decision.code, decision.sentence)


def _candidate(item: Outgoing) -> Candidate | MailwardError:
    from_address = (
        item.header_from[item.header_from.rindex("<") + 1 : -1]
        if item.header_from.endswith(">")
        else (item.header_from)
    )
    domain = _a_label(from_address.rpartition("@")[2])
    idempotency = None
    due = int(item.scheduled_at.timestamp() * 1e6) if item.scheduled_at is not None else 0
    if item.idempotency is not None:
        idempotency = Idempotency(hashlib.sha256(item.idempotency.key.encode()).digest(), item.idempotency.body_hash, 0)
    return Candidate(
        content=item.content,
        mail_from=item.mail_from if item.mail_from is not None else from_address,
        recipients=[(r, None) for r in item.recipients],
        header_from=item.header_from,
        from_domain=domain,
        domains=item.domains or (domain,),
        to=item.to,
        subject=item.subject,
        message_id=item.message_id,
        source="api",
        stream=item.stream,
        tags=item.tags,
        metadata=item.metadata,
        due=due,
        test_mode=item.test_mode,
        idempotency=idempotency,
        smtputf8=item.utf8_header or any(not r.isascii() for r in item.recipients) or not from_address.isascii(),
        rewritten=item.rewritten,
        files=item.files,
    )


def _a_label(domain: str) -> str:
    """Domains are compared in A-labels; one that has none is compared as it is, and matches nothing."""
    try:
        return ascii_domain(domain)
    except ValueError:
        return domain.lower()
