"""What a scan for advisories leaves in the registers: its day, and a deadline for each advisory it found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime

import msgspec

from mailward.base.sources import Entropy
from mailward.core.registers.change import put
from mailward.core.registers.model import Advisory, Entry, Kind, Look, Review, Severity
from mailward.core.registers.ports import RegistersTx
from mailward.policy.access import Actor

SCANNER = "mailward advisories"
"""Who looked and who noticed, in entries that were made from a scan. What people enter is theirs to change."""


async def record_scan(
    tx: RegistersTx,
    actor: Actor,
    *,
    on: date,
    asked: int,
    known: Mapping[tuple[str, str], Severity],
    now: datetime,
    entropy: Entropy,
) -> list[Entry]:
    """Date the scan, open an entry for each (advisory, what it concerns) of `known` that is not open, and close those
    of earlier scans that this one no longer finds: what they concern runs no more. Returns those that it opened.

    Twice is once. Each entry that changes is audited.
    """
    entries = await tx.registers.entries()
    dated = next((e for e in entries if isinstance(e.fields, Review) and e.fields.by == SCANNER), None)
    found = f"{len(known)} advisories" if known else "nothing known"
    review = Review(what=Look.SCAN, scope=f"{asked} versions that run", by=SCANNER, found=found, on=on)
    if dated is None or dated.fields != review:
        await put(tx, actor, Kind.REVIEW, review, id=dated.id if dated else "", now=now, entropy=entropy)
    waiting = {(f.advisory, f.concerns): (e, f) for e, f in open_advisories(entries)}
    for which, (entry, fields) in waiting.items():
        if which not in known and fields.by == SCANNER:
            done = msgspec.structs.replace(fields, patched=max(on, fields.known))
            await put(tx, actor, Kind.ADVISORY, done, id=entry.id, now=now, entropy=entropy)
    opened = []
    for (advisory, concerns), severity in sorted(known.items()):
        if (advisory, concerns) not in waiting:
            fresh = Advisory(advisory=advisory, concerns=concerns, severity=severity, known=on, by=SCANNER)
            opened.append(await put(tx, actor, Kind.ADVISORY, fresh, now=now, entropy=entropy))
    return opened


def open_advisories(entries: Collection[Entry]) -> list[tuple[Entry, Advisory]]:
    """Those that are not patched, the nearest deadline first."""
    found = [(e, e.fields) for e in entries if isinstance(e.fields, Advisory) and e.fields.patched is None]
    return sorted(found, key=lambda pair: pair[1].patch_by)
