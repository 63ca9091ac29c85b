"""Taking responsibility for what arrived: one transaction, after its endpoint was asked where a route says so.

Store and forward: the message is durable, then the sender is told 250. In session: the endpoint answers first. What it
took is recorded as handed over, what it refused leaves its facts and no content, and what it would rather have later
leaves nothing, because the sender will come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mailward.app.concealing import conceal_received
from mailward.app.inbound.ports import Arrived
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Refused, Unavailable
from mailward.base.sources import Entropy
from mailward.core.inbound.model import CopyState, HandedOver, InboundRoute, Mode, ReceivedFacts, Reception
from mailward.core.inbound.receive import receive
from mailward.core.workspaces.data_keys import DataKeys
from mailward.policy.redaction import Redaction
from mailward.protocol.smtp.model import SessionFacts

_DAY_US = 86_400_000_000
HANDED_OVER, REFUSED = "handed_over", "refused"


class HandOver(Protocol):
    """Posts to endpoints while a sender waits; every address is checked before it is connected to."""

    async def in_session(
        self, route: InboundRoute, id: bytes, at: int, facts: ReceivedFacts, content: bytes
    ) -> HandedOver:
        """The endpoint's answer: `outcome` is "handed_over" (2xx), "refused" (4xx), or "deferred" (all else)."""
        ...

    async def authorize(
        self, route: InboundRoute, recipient: str, mail_from: str, size: int, session: SessionFacts
    ) -> HandedOver:
        """The same for the question whether a recipient is wanted."""
        ...


class MailDesk:
    """Implements `ports.Desk` on a store."""

    def __init__(
        self,
        store: Store,
        data_keys: DataKeys,
        hand_over: HandOver,
        *,
        now_us: Callable[[], int],
        received: Callable[[str], None],
        wake: Callable[[], None],
        entropy: Entropy,
        rules: Callable[[bytes], Redaction | None] = lambda workspace: None,
    ) -> None:
        """`received` counts what was recorded, by fate; `wake` tells whoever hands over that something waits; `rules`
        says what a workspace does not store.
        """
        self._store = store
        self._data_keys = data_keys
        self._hand_over = hand_over
        self._now_us = now_us
        self._received = received
        self._wake = wake
        self._entropy = entropy
        self._rules = rules

    async def receive(self, arrived: Arrived) -> str:
        """See `ports.Desk`."""
        now = self._now_us()
        asked = [] if arrived.held else [r for r in arrived.routes if r.mode is Mode.IN_SESSION]
        answers = await asyncio.gather(
            *(self._hand_over.in_session(r, arrived.id, now, arrived.facts, arrived.content) for r in asked)
        )
        refused = [a for a in answers if a.outcome == REFUSED]
        if not refused and any(a.outcome != HANDED_OVER for a in answers):
            raise _later(next(a for a in answers if a.outcome != HANDED_OVER))
        states = {a.route: CopyState.REFUSED if a in refused else CopyState.HANDED_OVER for a in answers}
        rest = CopyState.QUARANTINED if arrived.held else CopyState.REFUSED if refused else CopyState.RECEIVED
        copies = [(r.id, states.get(r.id, rest), now) for r in arrived.routes]
        reason = arrived.held or (_words(refused[0]) if refused else "")
        reception = Reception(arrived.id, now, arrived.facts, copies, answers, reason)
        await self._record(arrived, reception, keep=not refused)
        if refused:
            self._received("refused")
            raise Refused("endpoint_refused", _words(refused[0]))
        self._received("quarantined" if arrived.held else "received")
        if rest is CopyState.RECEIVED and len(copies) > len(answers):
            self._wake()
        return ids.encode("rcv", arrived.id)

    async def _record(self, arrived: Arrived, reception: Reception, *, keep: bool) -> None:
        rules = self._rules(arrived.workspace)
        content = arrived.content
        if keep or rules is not None:
            day = reception.at // _DAY_US
            key = self._data_keys.cached(arrived.workspace, day)
            if key is None:
                key = await self._data_keys.seal_key(arrived.workspace, day)
            if rules is not None:
                reception, content = conceal_received(reception, content, rules, arrived.workspace, key, self._entropy)
            if keep:
                body = (arrived.id, key, content)
                await self._store.write_item(receive, arrived.workspace, reception, body=body)
                return
        workspace, recorded = ids.encode("ws", arrived.workspace), reception
        await self._store.write(workspace, lambda tx: receive(tx, [(recorded, None)]))

    async def authorize(
        self, route: InboundRoute, recipient: str, mail_from: str, size: int, session: SessionFacts
    ) -> None:
        """See `ports.Desk`."""
        answered(await self._hand_over.authorize(route, recipient, mail_from, size, session))


def answered(answer: HandedOver) -> None:
    """Return where the endpoint said yes; raise Refused or Unavailable with what its sender is told."""
    if answer.outcome == REFUSED:
        raise Refused("endpoint_refused", _words(answer))
    if answer.outcome != HANDED_OVER:
        raise _later(answer)


def _words(answer: HandedOver) -> str:
    return answer.text or "The recipient's application refuses this message."


def _later(answer: HandedOver) -> Unavailable:
    return Unavailable(
        "endpoint_deferred",
        "The recipient's application cannot take this message now; please try again later.",
        detail=f"status {answer.status}",
    )
