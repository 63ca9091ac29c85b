"""Entries come, change and go; whoever follows the register is owed a notice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

from mailward.base import ids
from mailward.base.errors import Invalid, NotFound
from mailward.base.sources import Entropy
from mailward.core.registers.model import (
    NOTICE_DAYS,
    TYPES,
    Advisory,
    Entry,
    Fields,
    Kind,
    Legal,
    Notice,
    Profile,
    Review,
    Subprocessor,
)
from mailward.core.registers.ports import RegistersTx
from mailward.policy import access
from mailward.policy.access import Actor

PROFILE_EPOCH = "profile_epoch"
"""Counts changes of who runs this: the door for mail knows the address that reports are to be written to."""
_LONGEST = 20_000
_HALF = re.compile(r"20\d\d-H[12]")


def read_fields(kind: Kind, given: Mapping[str, str], *, today: date) -> Fields:
    """The fields of a kind from what a form or a command gave; Invalid names the one that is wrong.

    Dates are 2026-01-31. A review that is not named was today, and so is the day an advisory came to be known; a
    subprocessor starts when the notice is over.
    """
    wanted = TYPES[kind]
    known = {f.name: f for f in msgspec.structs.fields(wanted)}
    if strange := set(given) - set(known):
        raise Invalid("invalid_field", f"A {kind.value} has no field {sorted(strange)[0]}.", field=sorted(strange)[0])
    values = {name: text.strip() for name, text in given.items() if text.strip()}
    for name in ("reviewed", "on", "known"):
        if name in known:
            values.setdefault(name, today.isoformat())
    if kind is Kind.SUBPROCESSOR:
        values.setdefault("starts", (today + timedelta(days=NOTICE_DAYS)).isoformat())
    for name, field in known.items():
        if field.required and name not in values:
            raise Invalid("invalid_field", "This has to be said.", field=name)
        text = values.get(name, "")
        if len(text) > _LONGEST or any(ord(c) < 32 and c not in "\r\n\t" for c in text):
            raise Invalid("invalid_field", f"Write plain text of at most {_LONGEST} characters.", field=name)
        try:
            msgspec.convert(values.get(name, field.default), field.type, strict=False)
        except msgspec.ValidationError:
            raise Invalid("invalid_field", _unreadable(field.type), field=name) from None
    fields = msgspec.convert(values, wanted, strict=False)
    if isinstance(fields, Advisory) and (fields.patched or fields.known) < fields.known:
        raise Invalid("invalid_field", "It cannot be patched before it was known.", field="patched")
    if isinstance(fields, Review | Advisory):
        for name in ("on", "known", "patched"):
            if (getattr(fields, name, None) or today) > today:
                raise Invalid("invalid_field", "This day is still to come.", field=name)
    if isinstance(fields, Legal) and not _HALF.fullmatch(fields.half):
        raise Invalid("invalid_field", "Half a year is written like 2026-H1.", field="half")
    return fields


def _unreadable(wanted: object) -> str:
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return f"Say one of: {', '.join(w.value for w in wanted)}."
    return "Write a whole number." if wanted is int else "This cannot be read; dates are like 2026-01-31."


async def put(
    tx: RegistersTx, actor: Actor, kind: Kind, fields: Fields, *, id: str = "", now: datetime, entropy: Entropy
) -> Entry:
    """Add an entry, or change the one of `id`. A subprocessor owes notices. Operators only; audited.

    NotFound when there is no entry of that id and kind. There is one profile: a second one replaces it.
    """
    access.require_operator(actor)
    before = None
    if isinstance(fields, Profile) and not id:
        present = await tx.registers.entries(Kind.PROFILE)
        before = present[0] if present else None
    elif id:
        before = await tx.registers.entry(id)
        if before is None or before.kind is not kind:
            raise NotFound("not_found", "There is no such entry.")
    entry = Entry(before.id if before else ids.new("reg", now, entropy), kind, now, fields)
    await tx.registers.put_entry(entry)
    if kind is Kind.PROFILE:
        await tx.counters.bump(PROFILE_EPOCH)
    act = "register.changed" if before else "register.added"
    await tx.audit.append(actor, act, entry.id, {"kind": kind.value}, now=now)
    if isinstance(fields, Subprocessor):
        old = before.fields if before and isinstance(before.fields, Subprocessor) else None
        if text := _change(old, fields):
            await _owe(tx, text, now=now, entropy=entropy)
    return entry


async def remove(tx: RegistersTx, actor: Actor, id: str, *, now: datetime, entropy: Entropy) -> None:
    """Strike an entry; NotFound when there is none. That a subprocessor went is told too."""
    access.require_operator(actor)
    entry = await tx.registers.entry(id)
    if entry is None:
        raise NotFound("not_found", "There is no such entry.")
    await tx.registers.remove_entry(id)
    if entry.kind is Kind.PROFILE:
        await tx.counters.bump(PROFILE_EPOCH)
    await tx.audit.append(actor, "register.removed", id, {"kind": entry.kind.value}, now=now)
    if isinstance(entry.fields, Subprocessor):
        await _owe(tx, f"{entry.fields.name} is no longer a subprocessor.", now=now, entropy=entropy)


async def _owe(tx: RegistersTx, text: str, *, now: datetime, entropy: Entropy) -> None:
    ms = int(now.timestamp() * 1000)
    followers = await tx.registers.followers()
    await tx.registers.owe([Notice(w, ids.new_raw(ms, entropy), now, text) for w in followers])


def _change(old: Subprocessor | None, new: Subprocessor) -> str:
    """What a customer has to know of a change; "" when it is only a review or a certificate."""
    said = f"{new.name} ({new.place}): {new.purpose}."
    if old is None:
        return f"From {new.starts:%Y-%m-%d} on a new subprocessor handles data for this installation. {said}"
    if (old.name, old.purpose, old.place, old.data) == (new.name, new.purpose, new.place, new.data):
        return ""
    return f"A subprocessor changes. It was {old.name} ({old.place}): {old.purpose}. It is {said}"
