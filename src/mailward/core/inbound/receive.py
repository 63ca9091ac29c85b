"""receive(): the instant at which the platform becomes responsible for a received message, for a list at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailward.base import ids
from mailward.core.inbound.model import Attempt, CopyState, Receipt, Reception
from mailward.core.inbound.ports import InboundTx, ReceivedRow, ReceptionTx
from mailward.protocol.inbound.facts import ENCODER


async def receive(tx: ReceptionTx, items: Sequence[tuple[Reception, Any]]) -> list[Receipt | Exception]:
    """Write messages, a copy for each route, and the attempts that were made in session.

    Each item comes with the reference of its body, which is durable already.
    """
    return await _write(tx, items)


async def note_refused(tx: ReceptionTx, items: Sequence[Reception]) -> list[Receipt | Exception]:
    """The same for messages that an endpoint refused while the sender waited: facts, and nothing of their content."""
    return await _write(tx, [(r, None) for r in items])


async def _write(tx: ReceptionTx, items: Sequence[tuple[Reception, Any]]) -> list[Receipt | Exception]:
    rows: list[ReceivedRow] = []
    copies: list[tuple[bytes, bytes, int, int | None, int]] = []
    attempts: list[Attempt] = []
    private: list[tuple[bytes, bytes]] = []
    out: list[Receipt | Exception] = []
    for reception, body in items:
        r = reception
        made = {a.route for a in r.attempts}
        # Where nothing waits, a body under a key of its own has none any more: it is gone as it is recorded.
        lost = body is None or ("body" in r.facts.redacted and not r.private)
        place = (None, None, None) if lost else (body.segment, body.offset, body.length)
        rows.append((r.id, r.at, *place, ENCODER.encode(r.facts), r.reason))
        if r.private:
            private.append((r.id, r.private))
        waiting = 0
        for route, state, due in r.copies:
            open_ = state is CopyState.RECEIVED
            waiting += open_
            copies.append((r.id, route, int(state), due if open_ else None, int(route in made)))
        for n, a in enumerate(r.attempts):
            # Their ids follow from the message's, so that recording it a second time writes the same rows.
            id = a.at // 1000
            raw = id.to_bytes(6, "big") + n.to_bytes(2, "big") + r.id[-8:]
            attempts.append(Attempt(raw, r.id, a.route, a.at, 1, a.outcome, a.status, a.elapsed_ms, a.response, 0))
        out.append(Receipt(r.id, waiting))
    await tx.inbound.add_received(rows)
    await tx.inbound.add_copies(copies)
    await tx.inbound.add_attempts(attempts)
    if private:
        await tx.redaction.keep(private)
    taken = sum(body is not None for _, body in items)
    counts = {what: n for what, n in (("received", taken), ("refused", len(items) - taken)) if n}
    if counts:
        await tx.messages.count(items[0][0].at, counts)
    return out


async def landed(tx: InboundTx, items: Sequence[Reception]) -> list[Receipt | None]:
    """A receipt for each that is recorded, else None: for when the answer to `receive` was lost."""
    known = await tx.inbound.known([r.id for r in items])
    return [
        Receipt(r.id, sum(state is CopyState.RECEIVED for _, state, _ in r.copies)) if r.id in known else None
        for r in items
    ]


def named(reception: Reception) -> str:
    """The message's id as people and endpoints read it."""
    return ids.encode("rcv", reception.id)
