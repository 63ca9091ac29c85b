"""Accepting a message, whichever door it came through: judge, seal, record, hand over.

The judgement is made from caches (domains, credentials) whose epochs are checked again
inside the commit; if they moved on, it is made anew. A message that fits into this
worker's memory is recorded as leased to it and goes to its sender at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from mailward.app.allowance import Allowance
from mailward.app.candidate import Candidate, a_label
from mailward.app.concealing import conceal
from mailward.app.inspection import Inspection
from mailward.app.knowledge import Knowledge, KnownDomain
from mailward.app.metrics import Metrics
from mailward.app.standing import Standings
from mailward.app.store import Store
from mailward.app.tracking.places import tracked
from mailward.base import ids
from mailward.base.errors import Forbidden, Invalid, MailwardError, TooLarge, Unavailable
from mailward.base.sources import Entropy
from mailward.core.delivery.model import Copy, Work
from mailward.core.messages.change import MAX_AHEAD_US
from mailward.core.messages.model import DeliveryState, MessageFacts
from mailward.core.submission.model import (
    Group,
    GroupReceipt,
    Idempotency,
    Receipt,
    Recipient,
    StaleJudgement,
    Submission,
)
from mailward.core.submission.record import keep_bodies, record, record_groups
from mailward.core.suppression.model import token
from mailward.core.workspaces.data_keys import DataKeys
from mailward.core.workspaces.model import DataKey
from mailward.policy import access, attachments, sending
from mailward.policy.access import Actor, Permission
from mailward.policy.decision import Allow, Hold, Refuse
from mailward.policy.sending import SendFacts
from mailward.protocol.message.attached import confirmed

_DAY_US = 86_400_000_000
_LEASE_US = 20 * 60 * 1_000_000
# Epochs are the installation's: whoever administers it in a burst makes others' mail be judged anew, and shall not
# have it refused. Each try waits for a commit, so that these take a second or two.
_TRIES = 50
_LARGE = 1 << 20  # octets from which a message is looked over in a thread


class Outbox(Protocol):
    """The sender of this worker, or nothing when the role is elsewhere."""

    def reserve(self, workspace: bytes, size: int) -> bool: ...

    def release(self, workspace: bytes, size: int) -> None: ...

    def take(self, work: Work) -> None: ...

    def doubtful(self) -> None:
        """A record failed, as far as anybody knows: it may have leased something to this worker all the same."""


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
        self._tasks: set[asyncio.Task[Receipt]] = set()
        self._accept_seconds = metrics.accept_seconds.observe
        self._accepted = {s: metrics.accepted.labels(s).inc for s in ("api", "smtp", "network")}

    # -- one message -----------------------------------------------------------------------------

    async def accept(self, actor: Actor, c: Candidate) -> Receipt:
        """Judge, seal and record; returns after the commit."""
        began = time.perf_counter()
        await self.draw(actor, c)
        await self.inspect(actor, c)
        return await self._insist(actor, c, began)

    async def draw(self, actor: Actor, c: Candidate) -> None:
        """Count it against what may be sent now. LimitReached when there is no room."""
        if not self._allowance(actor, c.from_domain, len(c.recipients)):
            await self._allowance.count(actor, c.from_domain, len(c.recipients))

    async def draw_all(self, actor: Actor, cs: Sequence[Candidate]) -> None:
        """The same for all of these or none. Invalid where so many never pass at once."""
        await self._allowance.count_all(actor, [(c.from_domain, len(c.recipients)) for c in cs])

    async def inspect(self, actor: Actor, c: Candidate) -> None:
        """Look into its files, if it has any. Raises what `Inspection.require_clean` does."""
        if self._inspection is None:
            return
        if len(c.content) > _LARGE:
            wanted = await asyncio.to_thread(self._inspection.wants, c.content, c.files)
        else:
            wanted = self._inspection.wants(c.content, c.files)
        if wanted:
            self.judge(actor, c)  # a refusal that needs no scanner comes first
            await self._inspection.require_clean(c.content, c.mail_from, [address for address, _ in c.recipients])

    def accept_soon(self, actor: Actor, c: Candidate) -> asyncio.Future[str] | None:
        """The id of the message as a future, without a task for it; None where only `accept` can go on.

        The same judgement and the same record as `accept`: only what has to wait for
        anything but the commit (a data key not at hand, files to look into) is left to it.
        """
        began = time.perf_counter()
        known = self.judge(actor, c)
        now = self._now_us()
        data_key = self._data_keys.cached(self._workspace(actor)[0], now // _DAY_US)
        if data_key is None or (self._inspection is not None and self._inspection.wants(c.content, c.files)):
            return None
        if not self._allowance(actor, c.from_domain, len(c.recipients)):
            return None
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def told(recorded: asyncio.Future[Receipt]) -> None:
            if not recorded.cancelled() and isinstance(recorded.exception(), StaleJudgement):
                self._keep(asyncio.ensure_future(self._again(actor, c, began))).add_done_callback(
                    partial(_tell, answer)
                )
            else:
                _tell(answer, recorded)

        self._record(actor, c, known, data_key, now, began).add_done_callback(told)
        return answer

    async def _insist(self, actor: Actor, c: Candidate, began: float) -> Receipt:
        """Judge and record; again, knowing what there is to know, as often as the judgement was out of date."""
        for _ in range(_TRIES):
            try:
                return await self._once(actor, c, began)
            except StaleJudgement:
                await self.look_again(actor)
        return await self._once(actor, c, began)

    async def _once(self, actor: Actor, c: Candidate, began: float) -> Receipt:
        data_key, now = await self._key_of_today(self._workspace(actor)[0])
        # Nothing is awaited between the judgement and the record that carries its epochs.
        return await self._record(actor, c, self.judge(actor, c), data_key, now, began)

    async def _key_of_today(self, workspace: bytes) -> tuple[DataKey, int]:
        """The key to seal with, and the time of its day that it is."""
        now = self._now_us()
        data_key = self._data_keys.cached(workspace, now // _DAY_US)
        while data_key is None or data_key.day != now // _DAY_US:
            data_key = await self._data_keys.seal_key(workspace, now // _DAY_US)
            now = self._now_us()
        return data_key, now

    async def _again(self, actor: Actor, c: Candidate, began: float) -> Receipt:
        """The long way for `accept_soon`, whose judgement was out of date."""
        await self.look_again(actor)
        return await self._insist(actor, c, began)

    # -- messages of one request, together -----------------------------------------------------------

    async def accept_together(
        self, actor: Actor, cs: Sequence[Candidate], claim: Idempotency | None, others: Mapping[int, bytes]
    ) -> GroupReceipt:
        """Record these, which were judged, counted and looked into, in one transaction: all of them or none.

        `claim` and `others` as a Group has them. Raises StaleJudgement when one of them is to be judged anew.
        """
        began = time.perf_counter()
        workspace, key = self._workspace(actor)
        data_key, now = await self._key_of_today(workspace)
        # Nothing is awaited between the judgement and the epochs that go with it.
        try:
            known = [self.judge(actor, c) for c in cs]
        except MailwardError:
            raise StaleJudgement from None
        prepared = [self._prepare(workspace, key, actor, k, c, now) for k, c in zip(known, cs, strict=True)]
        submissions = [submission for submission, _ in prepared]
        try:
            contents = [c.content for c in cs]
            if (rules := self._knowledge.redaction(workspace)) is not None:
                concealed = [
                    conceal(s, content, rules, workspace, data_key, self._entropy)
                    for s, content in zip(submissions, contents, strict=True)
                ]
                submissions, contents = [s for s, _ in concealed], [content for _, content in concealed]
            bodies = await asyncio.gather(*(
                self._store.write_item(keep_bodies, workspace, s.id, body=(s.id, data_key, content))
                for s, content in zip(submissions, contents, strict=True)
            ))  # fmt: skip
            if claim is not None:
                claim = claim._replace(expires=now + _DAY_US)
            group = Group(list(zip(submissions, bodies, strict=True)), claim, others)
            recorded: asyncio.Future[GroupReceipt] = self._store.write_item(record_groups, workspace, group)
        except BaseException:
            for submission, size in prepared:
                self._give_back(workspace, submission, size)
            raise

        def settled(recorded: asyncio.Future[GroupReceipt]) -> None:
            error = None if recorded.cancelled() else recorded.exception()
            if recorded.cancelled() or error is not None or recorded.result().replayed:
                for submission, size in prepared:
                    self._give_back(workspace, submission, size)
                doubted = recorded.cancelled() or isinstance(error, Unavailable)
                if doubted and self._outbox is not None and any(s.lessee for s in submissions):
                    self._outbox.doubtful()
                return
            receipts = [answer for answer in recorded.result().answers if isinstance(answer, Receipt)]
            for (_, size), s, receipt, c in zip(prepared, submissions, receipts, cs, strict=True):
                self._hand_over(workspace, s, receipt, c, size)
                self._accept_seconds(time.perf_counter() - began)
                self._accepted[c.source]()

        recorded.add_done_callback(settled)
        return await recorded

    async def look_again(self, actor: Actor) -> None:
        """Know what there is to know, for a judgement that was out of date."""
        await self._knowledge.refresh()
        await self._revalidate(actor)

    def _record(
        self, actor: Actor, c: Candidate, known: KnownDomain, data_key: DataKey, now: int, began: float
    ) -> asyncio.Future[Receipt]:
        """Write it down. When the future has its receipt, the message is committed and with its sender."""
        workspace, key = self._workspace(actor)
        submission, size = self._prepare(workspace, key, actor, known, c, now)
        content = c.content
        if (rules := self._knowledge.redaction(workspace)) is not None:
            submission, content = conceal(submission, content, rules, workspace, data_key, self._entropy)
        try:
            recorded: asyncio.Future[Receipt] = self._store.write_item(
                record, workspace, submission, body=(submission.id, data_key, content)
            )
        except BaseException:
            self._give_back(workspace, submission, size)
            raise

        def settled(recorded: asyncio.Future[Receipt]) -> None:
            if recorded.cancelled() or (error := recorded.exception()) is not None:
                self._give_back(workspace, submission, size)
                if (
                    submission.lessee
                    and self._outbox is not None
                    and (recorded.cancelled() or isinstance(error, Unavailable))
                ):
                    self._outbox.doubtful()
                return
            self._hand_over(workspace, submission, recorded.result(), c, size)
            self._accept_seconds(time.perf_counter() - began)
            self._accepted[c.source]()

        recorded.add_done_callback(settled)
        return recorded

    def _keep(self, task: asyncio.Task[Receipt]) -> asyncio.Task[Receipt]:
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)
        return task

    def _give_back(self, workspace: bytes, submission: Submission, size: int) -> None:
        if submission.lessee:
            self._release(workspace, size)

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
                mail_from=a_label(c.mail_from.rpartition("@")[2]) if c.mail_from else "",
                recipients=len(c.recipients),
                size=c.size or len(c.content),
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
            raise Invalid(
                "schedule_too_far", "A message can be scheduled for up to 30 days ahead.", field="scheduled_at"
            )
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
        """Refuse an envelope sender whose domain is not one of this workspace, or not one of this credential."""
        domains = self._knowledge.domains(workspace)
        known = sending.owner(domains, domain)
        if known is None:
            raise refusal(sending.not_verified("MAIL FROM", domain))
        if known.capture_only and not self._capture:
            facts = SendFacts(domains=domains, from_domain=domain, capture_mode=self._capture)
            decision = sending.decide(facts)
            if not isinstance(decision, Allow):
                raise refusal(decision)
        if actor.domains is not None and domain not in actor.domains:
            raise Forbidden("domain_not_allowed", f"This credential may not send from {domain}.")

    def _prepare(
        self, workspace: bytes, key: bytes, actor: Actor, known: KnownDomain, c: Candidate, now: int
    ) -> tuple[Submission, int]:
        size = len(c.content)
        scheduled = c.due > now
        lessee = 0
        # What `judge` decided to hold: knowledge may be newer by now, but not than the epochs compared at the commit.
        held = self._knowledge.paused(workspace, c.stream)
        if not scheduled and not held and self._outbox is not None and self._outbox.reserve(workspace, size):
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
            tracking=tracked(known, c) if known.tracks or c.tracking else None,
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
            Copy(n, address, 0, dsn)
            for n, ((address, dsn), state) in enumerate(zip(c.recipients, receipt.states, strict=True))
            if state is DeliveryState.LEASED
        ]
        if receipt.replayed or not copies:
            self._outbox.release(workspace, size)
            return
        facts = replace(s.facts, envid=c.envid) if s.private else s.facts
        self._outbox.take(Work(workspace, s.id, s.created, facts, copies, s.due, None, c.content))

    def _release(self, workspace: bytes, size: int) -> None:
        if self._outbox is not None:
            self._outbox.release(workspace, size)

    def _workspace(self, actor: Actor) -> tuple[bytes, bytes]:
        held = self._workspaces.get(actor.workspace)
        if held is None:
            raw = ids.decode("ws", actor.workspace)
            held = self._workspaces[actor.workspace] = (raw, self._token_key(raw))
        return held


_SIZES = frozenset(("message_too_large",))
_REQUEST = frozenset(("no_recipients", "too_many_recipients", "from_not_single"))


def refusal(decision: Refuse | Hold) -> MailwardError:
    """A decision against a message as the error its sender gets."""
    if decision.code in _SIZES:
        return TooLarge(decision.code, decision.sentence)
    if decision.code in _REQUEST:
        return Invalid(decision.code, decision.sentence, field="from" if "from" in decision.code else "to")
    return Forbidden(decision.code, decision.sentence)


def _tell(answer: asyncio.Future[str], recorded: asyncio.Future[Receipt]) -> None:
    """What became of the record, to whoever waits for the id."""
    error = None if recorded.cancelled() else recorded.exception()
    if answer.done():
        return
    if recorded.cancelled():
        answer.set_exception(Unavailable("stopping", "The server is stopping; try again."))
    elif error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(ids.encode("msg", recorded.result().id))
