"""Messages handed in by the API, many at once: each gets its outcome, and those that are fine commit together.

A batch that is atomic, or has an idempotency key, is recorded as one group: its key stands for the whole, and a repeat
gets the whole answer again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from mailward.adapters.storage.committing.frames import Fault, error_of
from mailward.app.candidate import Candidate, claimed, from_api
from mailward.app.knowledge import Knowledge
from mailward.app.platform.acceptance import Acceptance
from mailward.app.platform.views import at, delivery_id
from mailward.app.store import Store, Tx
from mailward.app.tracking.places import tracked
from mailward.base import ids
from mailward.base.errors import Conflict, LimitReached, MailwardError, Unavailable
from mailward.core.messages.model import DeliveryState, overall
from mailward.core.submission.answers import earlier
from mailward.core.submission.model import Receipt, StaleJudgement
from mailward.core.suppression.model import blocked, token
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.schema import messages as schema
from mailward.edges.web.schema.submission import Asked, Given, Idempotency, Keyed, Outcome, Outgoing
from mailward.policy.access import Actor

_TRACKED = {"opens": "opens", "clicks": "clicks", "both": "opens and clicks"}
# Each waits for a look at what changed.
_TRIES = 50
_DRY_RUN = b""
"""In the place of a dry run: nothing is kept of it, it is made again."""


class Batches:
    """The API's way into acceptance; one a worker."""

    def __init__(
        self,
        acceptance: Acceptance,
        store: Store,
        knowledge: Knowledge,
        *,
        token_key: Callable[[bytes], bytes],
        now_us: Callable[[], int],
    ) -> None:
        self._acceptance = acceptance
        self._store = store
        self._knowledge = knowledge
        self._token_key = token_key
        self._now_us = now_us

    async def submit(
        self, actor: Actor, items: Sequence[Outgoing | MailwardError], *, atomic: bool, keyed: Keyed | None = None
    ) -> list[Outcome]:
        """One outcome for each item, in order; see the port."""
        outcomes: list[Outcome | None] = [None if isinstance(i, Outgoing) else i for i in items]
        candidates = {n: from_api(i) for n, i in enumerate(items) if isinstance(i, Outgoing)}
        await self._judge(actor, candidates, outcomes)
        if atomic or keyed is not None:
            dry = {n for n, i in enumerate(items) if isinstance(i, Outgoing) and i.dry_run}
            return await self._together(actor, candidates, dry, outcomes, atomic=atomic, keyed=keyed)
        running: list[tuple[int, Awaitable[Outcome]]] = []
        for n, c in candidates.items():
            if outcomes[n] is None:
                dry_run = items[n].dry_run  # type: ignore[union-attr]  # a candidate's item is Outgoing
                running.append((n, self._dry_run(actor, c) if dry_run else self._given(actor, c)))
        await _ran(running, outcomes)
        return _answered(outcomes)

    async def repeat(
        self, actor: Actor, key: Idempotency, asked: Callable[[int], Asked], *, batch: bool
    ) -> list[Outcome | None] | None:
        """What was answered to this very request before; see the port."""
        wanted, now = claimed(key), self._now_us()
        found = await self._store.read(actor.workspace, lambda tx: earlier(tx, actor, wanted, several=batch, now=now))
        return None if found is None else _told(found, asked)

    async def _judge(self, actor: Actor, cs: Mapping[int, Candidate], outcomes: list[Outcome | None]) -> None:
        """Note who is refused already."""
        for n, c in cs.items():
            if outcomes[n] is not None:
                continue
            try:
                self._acceptance.judge(actor, c)
            except MailwardError as e:
                # A domain may have been verified by another worker a moment ago: look again before saying no.
                outcomes[n] = await self._second_look(actor, c) if e.code == "domain_not_verified" else e

    async def _second_look(self, actor: Actor, c: Candidate) -> MailwardError | None:
        await self._knowledge.refresh()
        try:
            self._acceptance.judge(actor, c)
        except MailwardError as e:
            return e
        return None

    async def _together(
        self, actor: Actor, cs: Mapping[int, Candidate], dry: set[int], outcomes: list[Outcome | None],
        *, atomic: bool, keyed: Keyed | None,
    ) -> list[Outcome]:  # fmt: skip
        """What passes is recorded in one transaction; with `atomic` it is everything or nothing."""
        if atomic and _any_refused(outcomes):
            return _all_refused(outcomes)
        real = [n for n in cs if n not in dry and outcomes[n] is None]
        if atomic and real:
            await self._acceptance.draw_all(actor, [cs[n] for n in real])
        looking: list[tuple[int, Awaitable[Outcome | None]]] = [
            (n, self._looked(actor, cs[n], drawn=atomic)) for n in real
        ]
        looking += [(n, self._dry_run(actor, cs[n])) for n in dry if outcomes[n] is None]
        await _ran(looking, outcomes)
        for _ in range(_TRIES):
            if atomic and _any_refused(outcomes):
                return _all_refused(_raised(outcomes))
            fine = [n for n in real if outcomes[n] is None]
            if not fine:
                return _answered(outcomes)
            others = {n: _packed(o) for n, o in enumerate(outcomes) if o is not None}
            claim = None if keyed is None else claimed(keyed.key)
            try:
                made = await self._acceptance.accept_together(actor, [cs[n] for n in fine], claim, others)
            except StaleJudgement:
                await self._acceptance.look_again(actor)
                await self._judge(actor, {n: cs[n] for n in fine}, outcomes)
                continue
            if made.replayed and keyed is not None:  # the same request came twice at once
                return _answered([o if o is not None else outcomes[n] for n, o in
                                  enumerate(_told(made.answers, keyed.asked))])  # fmt: skip
            for n in fine:
                receipt = made.answers[n]
                assert isinstance(receipt, Receipt)
                outcomes[n] = _accepted(receipt, _asked(cs[n]), scheduled=bool(cs[n].due))
            return _answered(outcomes)
        raise StaleJudgement

    async def _looked(self, actor: Actor, c: Candidate, *, drawn: bool) -> None:
        """Counted, unless it was, and looked into."""
        if not drawn:
            await self._acceptance.draw(actor, c)
        await self._acceptance.inspect(actor, c)

    async def _given(self, actor: Actor, c: Candidate) -> Outcome:
        receipt = await self._acceptance.accept(actor, c)
        return _accepted(receipt, _asked(c), scheduled=receipt.scheduled if receipt.replayed else bool(c.due))

    async def _dry_run(self, actor: Actor, c: Candidate) -> schema.DryRun:
        workspace = ids.decode("ws", actor.workspace)
        key = self._token_key(workspace)
        # No commit will compare epochs here, so knowledge is made as new as a commit would ask for.
        await self._knowledge.refresh()
        known = self._acceptance.judge(actor, c)
        await self._acceptance.inspect(actor, c)
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
        if listed and all(listed.values()):
            reasons.append("Every recipient is on the suppression list: it would be kept, and sent to nobody.")
        held = self._knowledge.paused(workspace, c.stream)
        if held:
            reasons.append("Sending is paused, so it would be held until somebody releases it.")
        if c.due:
            reasons.append(f"It is scheduled for {at(c.due).isoformat()}.")
        if known.capture_only:
            reasons.append("This domain is for trying out: its mail stays in the capture sink.")
        if (found := tracked(known, c)) is not None:
            reasons.append(
                f"Its {_TRACKED[found.mode]} would be tracked at {found.base}."
                if found.base
                else f"It asks to be tracked, and would not be: {found.why}."
            )
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


async def _ran(running: Sequence[tuple[int, Awaitable[Outcome | None]]], outcomes: list[Outcome | None]) -> None:
    """Wait for each, and note what came of it."""
    results = await asyncio.gather(*(r for _, r in running), return_exceptions=True)
    for (n, _), result in zip(running, results, strict=True):
        if isinstance(result, BaseException) and not isinstance(result, MailwardError):
            raise result
        outcomes[n] = result


def _any_refused(outcomes: Sequence[Outcome | None]) -> bool:
    return any(isinstance(o, MailwardError) for o in outcomes)


def _all_refused(outcomes: Sequence[Outcome | None]) -> list[Outcome]:
    other = Conflict("batch_refused", "Another message of this batch was refused, so none was accepted.")
    return [o if isinstance(o, MailwardError) else other for o in outcomes]


def _raised(outcomes: list[Outcome | None]) -> list[Outcome | None]:
    """Nothing is accepted: where that may be otherwise in a moment, all of it is to be tried again then."""
    later = [o for o in outcomes if isinstance(o, LimitReached | Unavailable)]
    if later:
        raise max(later, key=lambda e: e.retry_after if isinstance(e, LimitReached) else 0)
    return outcomes


def _answered(outcomes: list[Outcome | None]) -> list[Outcome]:
    if not any(isinstance(o, Given | schema.DryRun) for o in outcomes):
        _raised(outcomes)
    return [o for o in outcomes if o is not None]


def _asked(c: Candidate) -> Asked:
    return Asked([address for address, _ in c.recipients], c.message_id)


def _accepted(receipt: Receipt, asked: Asked, *, scheduled: bool) -> Given:
    word = overall(list(receipt.states))
    if word == "queued" and scheduled:
        word = "scheduled"
    copies = [
        schema.AcceptedDelivery(
            id=delivery_id(receipt.id, n),
            recipient=address,
            status="sending" if s is DeliveryState.LEASED else s.name.lower(),  # type: ignore[arg-type]
        )
        for n, (address, s) in enumerate(zip(asked.recipients, receipt.states, strict=False))
    ]
    accepted = schema.Accepted(
        id=ids.encode("msg", receipt.id),
        message_id=asked.message_id,
        status=word,  # type: ignore[arg-type]
        deliveries=copies,
    )
    return Given(accepted, receipt.replayed)


def _told(answers: Sequence[Receipt | bytes], asked: Callable[[int], Asked]) -> list[Outcome | None]:
    """An answer that was kept, as it was given; None in the place of a dry run."""
    return [
        _accepted(answer, asked(n), scheduled=answer.scheduled)
        if isinstance(answer, Receipt)
        else (_refusal(answer) if answer != _DRY_RUN else None)
        for n, answer in enumerate(answers)
    ]


def _packed(outcome: Outcome) -> bytes:
    """A refusal as it is kept: its code and where, not its text, which may quote the request."""
    if not isinstance(outcome, MailwardError):
        return _DRY_RUN
    facts = {"code": outcome.code, "detail": ""}
    facts |= {name: value for name in ("field", "retry_after") if (value := getattr(outcome, name, None))}
    return msgspec.msgpack.encode(Fault(type(outcome).__name__, facts))


def _refusal(kept: bytes) -> MailwardError:
    fault = msgspec.msgpack.decode(kept, type=Fault)
    listed = CATALOGUE.get(fault.facts["code"])
    public = listed[1] if listed else "It was refused when this request came first."
    return error_of(Fault(fault.kind, {"public": public, "field": "", **fault.facts}), {})
