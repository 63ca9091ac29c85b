"""Messages handed in by the API, many at once: each gets its outcome, and those that are fine commit together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mailward.app.candidate import Candidate, from_api
from mailward.app.knowledge import Knowledge
from mailward.app.platform.acceptance import Acceptance
from mailward.app.platform.views import at, delivery_id
from mailward.app.store import Store, Tx
from mailward.app.tracking.places import tracked
from mailward.base import ids
from mailward.base.errors import Conflict, LimitReached, MailwardError
from mailward.core.messages.model import DeliveryState, overall
from mailward.core.suppression.model import blocked, token
from mailward.edges.web.schema import messages as schema
from mailward.edges.web.schema.submission import Given, Outcome, Outgoing
from mailward.policy.access import Actor

_TRACKED = {"opens": "opens", "clicks": "clicks", "both": "opens and clicks"}


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

    async def submit(self, actor: Actor, items: Sequence[Outgoing], *, atomic: bool) -> list[Outcome]:
        """One outcome for each item, in order; all items that are fine commit together."""
        candidates = [from_api(item) for item in items]
        outcomes: list[Outcome | None] = [None] * len(items)
        for i, c in enumerate(candidates):
            try:
                self._acceptance.judge(actor, c)
            except MailwardError as e:
                # A domain may have been verified by another worker a moment ago: look again before saying no.
                outcomes[i] = await self._second_look(actor, c) if e.code == "domain_not_verified" else e
        if atomic and any(o is not None for o in outcomes):
            refused = Conflict("batch_refused", "Another message of this batch was refused, so none was accepted.")
            return [o if o is not None else refused for o in outcomes]
        running: list[tuple[int, Awaitable[Outcome]]] = []
        for i, (item, c) in enumerate(zip(items, candidates, strict=True)):
            if outcomes[i] is None:
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
            self._acceptance.judge(actor, c)
        except MailwardError as e:
            return e
        return None

    async def _given(self, actor: Actor, c: Candidate) -> Outcome:
        receipt = await self._acceptance.accept(actor, c)
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
        workspace = ids.decode("ws", actor.workspace)
        key = self._token_key(workspace)
        # No commit will compare epochs here, so knowledge is made as new as a commit would ask for.
        await self._knowledge.refresh()
        known = self._acceptance.judge(actor, c)
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
