"""seen(): a tracked link was followed, or the image of a copy was loaded."""

from __future__ import annotations

from enum import Enum

import msgspec

from mailward.base import ids
from mailward.core.messages.model import Delivery, DeliveryState
from mailward.core.messages.told import about
from mailward.core.tracking.model import CLICKED, EVENTS, FACTS, MOST, OPENED, Facts
from mailward.core.tracking.opting import mark_of
from mailward.core.tracking.ports import SeenTx, Tell
from mailward.policy.redaction import REDACTED
from mailward.policy.tracking import Before, Seen, at_once, family, machine


class Result(Enum):
    """What became of it. `GONE`: the message is no longer kept, and its links end with it."""

    GONE = "gone"
    UNWANTED = "unwanted"
    FULL = "full"
    MACHINE = "machine"
    COUNTED = "counted"
    AGAIN = "again"


async def seen(
    tx: SeenTx, message: bytes, n: int, target: str, shown: Seen | None, *, key: bytes, at: int, tell: Tell
) -> Result:
    """Keep that the copy `n` of a message was opened (`target` "") or a link of it followed, and tell endpoints.

    `shown` None, a recipient who opted out, and a full message leave nothing behind. What programs did is kept as
    theirs and counted nowhere; of a person the first open and the first click of a copy count. A click that turns
    out to be one of many at once is told apart afterwards. `at` is microseconds UTC.
    """
    found = await tx.messages.get(message)
    copy = next((c for c in (await tx.deliveries.of([message])).get(message, ()) if c.n == n), None)
    if found is None or copy is None:
        return Result.GONE
    if target and "body" in found.facts.redacted:
        # A link is a piece of the content, which this workspace does not store.
        target = REDACTED
    if shown is None or await tx.tracking.opted_out([mark_of(found, copy, key)]):
        return Result.UNWANTED
    timeline = await tx.messages.timeline(message)
    kept = [(when, moment, FACTS.decode(facts)) for when, moment, facts in timeline if moment in EVENTS]
    if len(kept) >= MOST:
        return Result.FULL
    moment = CLICKED if target else OPENED
    own = [(when, facts) for when, kind, facts in kept if kind == moment and facts.n == n]
    clicks = [Before(when, facts.link) for when, facts in own] if target else []
    reasons = machine(shown, at=at, delivered=_delivered(copy), target=target, before=clicks)
    facts = Facts(n, target, family(shown.agent), bool(reasons), reasons)
    while any(when == at and kind == moment for when, kind, _ in kept):
        at += 1
    first = not any(not f.machine for _, f in own)
    rows = [(message, at, moment, msgspec.json.encode(facts).decode())]
    undone = [b.at for b in (at_once(at, target, clicks) if target else ())]
    for when, was in own:
        if when in undone and not was.machine:
            changed = msgspec.structs.replace(was, machine=True, reasons=("many_links",))
            rows.append((message, when, moment, msgspec.json.encode(changed).decode()))
    await tx.messages.timeline_add_all(rows)
    if first and not reasons:
        await tx.messages.count(at, {moment: 1})
    elif len(rows) > 1 and all(f.machine or when in undone for when, f in own):
        # What was counted as a person's was the first of many at once.
        await tx.messages.count(min(when for when, f in own if not f.machine), {moment: -1})
    data = {
        **about(message, found.facts), "recipient": copy.recipient, "machine": facts.machine,
        "reasons": list(reasons), "agent": facts.agent,
    }  # fmt: skip
    if target:
        data["link"] = target
    await tell(tx, [(EVENTS[moment], ids.encode("msg", message), at, data)])
    if reasons:
        return Result.MACHINE
    return Result.COUNTED if first else Result.AGAIN


def _delivered(copy: Delivery) -> int | None:
    """When the recipient's server took it; a bounce that came later does not make it undelivered."""
    taken = copy.state in (DeliveryState.DELIVERED, DeliveryState.BOUNCED)
    return copy.updated if taken else None
