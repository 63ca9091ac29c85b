"""Count a minute, once; and what the operator says about minutes that were bad."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from mailward.base import ids
from mailward.base.errors import Invalid, NotFound
from mailward.base.sources import Entropy
from mailward.core.availability.model import MINUTES_A_DAY, NOT_RUNNING, Day, Minute, Outage, Post
from mailward.core.availability.ports import AvailabilityTx
from mailward.policy import access
from mailward.policy.access import Actor

# Longer ago than this, what the platform did not do is no news to anybody.
_GAP_MINUTES = 93 * MINUTES_A_DAY
_TITLE, _TEXT = 200, 4000


@dataclass(frozen=True, slots=True)
class Counted:
    """What recording did: False when the minute had been counted, and how many minutes before it nobody measured."""

    new: bool
    unmeasured: int = 0


async def record(tx: AvailabilityTx, minute: Minute) -> Counted:
    """Count one minute. Minutes between the newest one counted and this one, in which nothing ran, count as bad."""
    last = await tx.availability.last_minute()
    if last is not None and minute.minute <= last:
        return Counted(False)
    gap = 0
    if last is not None and minute.minute - last > 1:
        gap = minute.minute - last - 1
        await _count_gap(tx, max(last + 1, minute.minute - _GAP_MINUTES), minute.minute)
    failed = minute.failed
    await tx.availability.add_to_day(
        Day(
            day=minute.minute // MINUTES_A_DAY,
            measured=1,
            good=int(not failed),
            api=int(minute.api is not False),
            submission=int(minute.submission is not False),
            mx=int(minute.mx is not False),
            last=minute.minute,
        )
    )
    if failed:
        await _extend(tx, minute.minute, minute.minute + 1, ",".join(failed))
    return Counted(True, gap)


async def _count_gap(tx: AvailabilityTx, first: int, end: int) -> None:
    at = first
    while at < end:
        day = at // MINUTES_A_DAY
        until = min(end, (day + 1) * MINUTES_A_DAY)
        await tx.availability.add_to_day(Day(day, until - at, 0, 0, 0, 0, until - 1))
        at = until
    await _extend(tx, first, end, NOT_RUNNING)


async def _extend(tx: AvailabilityTx, began: int, until: int, services: str) -> None:
    newest = await tx.availability.newest_outage()
    if newest is not None and newest.until == began and newest.services == services:
        began = newest.began
    await tx.availability.put_outage(Outage(began, until, services))


async def post(tx: AvailabilityTx, actor: Actor, title: str, text: str, *, now: datetime, entropy: Entropy) -> Post:
    """Tell the public about an incident. Operators only; audited."""
    access.require_operator(actor)
    title, text = _said(title, _TITLE, "title"), _said(text, _TEXT, "text")
    made = Post(id=ids.new("inc", now, entropy), at=now, ended=None, title=title, updates=((now, text),))
    await tx.availability.put_post(made)
    await tx.audit.append(actor, "status.posted", made.id, now=now)
    return made


async def update(tx: AvailabilityTx, actor: Actor, id: str, text: str, *, ended: bool, now: datetime) -> Post:
    """Say more about an incident, and whether it is over. NotFound when there is none of that id."""
    access.require_operator(actor)
    known = await tx.availability.post(id)
    if known is None:
        raise NotFound("not_found", "There is no incident of this id.")
    updates = (*known.updates, (now, _said(text, _TEXT, "text")))
    changed = msgspec.structs.replace(known, updates=updates, ended=now if ended else None)
    await tx.availability.put_post(changed)
    await tx.audit.append(actor, "status.updated", id, {"over": "yes" if ended else "no"}, now=now)
    return changed


def _said(text: str, limit: int, field: str) -> str:
    text = text.strip()
    if not text or len(text) > limit:
        raise Invalid("invalid_field", f"Write between 1 and {limit} characters.", field=field)
    return text
