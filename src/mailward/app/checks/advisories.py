"""SUPPLY-1: what the last scan for advisories found, and what the registers hold of reviews, scans and deadlines."""

from __future__ import annotations

from datetime import date, timedelta

from mailward.app.bill import at_hand
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.kept_scan import NAME, read, scanned
from mailward.app.store import Tx
from mailward.base.ids import WorkspaceId
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.registers.model import PATCH_DAYS, REVIEW_DAYS, Advisory, Look, Review, Severity, overdue
from mailward.core.registers.scans import open_advisories, record_scan
from mailward.policy.access import Actor

# The timer runs daily, at an hour of six that it draws; one day may fall out.
_OLDEST = timedelta(hours=54)
_AHEAD = timedelta(minutes=10)
# The chore that opens entries looks every five minutes.
_OPENING = timedelta(minutes=30)
_VERIFY = Actor(WorkspaceId(""), "system", "verify")


class _Undo(Exception):
    """Ends a rehearsal: what it wrote is rolled back."""


@check("SUPPLY-1")
async def no_advisory_is_known(context: Context) -> Finding:
    """The last scan for advisories, as kept: none concerns a version that runs now, it is of these days, and it was
    asked about every version that runs."""
    now = context.clock.now()
    try:
        scan = read(context.settings.data / NAME)
    except (OSError, ValueError) as e:
        return failed(f"the kept scan for advisories cannot be read ({type(e).__name__})")
    if scan is None or scan.at is None:
        silent = f" (the last try: {scan.silent})" if scan is not None else ""
        return not_configured(f"no scan for advisories was kept{silent}: see mailward-advisories.timer")
    running = {f"{name}@{version}" for name, (version, _) in at_hand().items()}
    if known := sorted(set(scan.known) & running):
        told = ", ".join(f"{what} ({' '.join(scan.known[what][:3])})" for what in known[:5])
        return failed(f"advisories concern {len(known)} of the versions that run: {told}")
    age = now - scan.at
    hours = round(age.total_seconds() / 3600)
    if not -_AHEAD <= age <= _OLDEST:
        return not_configured(f"the last scan for advisories is {hours} hours old")
    if scan.silent:
        return not_configured(f"the newest scan reached nobody ({scan.silent}); {hours} hours ago nothing was known")
    if unasked := running - set(scan.asked):
        return not_configured(f"{len(unasked)} of {len(running)} versions that run were not in the last scan")
    return passed(f"{hours} hours ago no advisory was known about the {len(running)} versions that run")


@check("SUPPLY-1")
async def reviews_are_dated(context: Context) -> Finding:
    """The register dates a manual review or a penetration test of the last year."""
    today = context.clock.now().date()
    entries = await context.store.system_read(lambda tx: tx.registers.entries())
    looks = [e.fields for e in entries if isinstance(e.fields, Review)]
    manual = [f.on for f in looks if f.what is not Look.SCAN]
    scans = sum(f.what is Look.SCAN for f in looks)
    if not manual:
        return not_configured(f"no manual review is entered in the register, and {scans} scans are")
    if today - max(manual) > timedelta(days=REVIEW_DAYS):
        return failed(f"the last manual review is of {max(manual)}, more than a year ago")
    return passed(f"{len(manual)} manual reviews and {scans} scans are dated, the last review on {max(manual)}")


@check("SUPPLY-1")
async def advisories_have_deadlines(context: Context) -> Finding:
    """In a transaction that is undone a scan that finds a critical advisory starts a deadline, and one that finds it
    no more ends it. Of the entries there are, none is open past its own; whatever the kept scan found has one."""
    now = context.clock.now()
    today = now.date()
    if fault := await _rehearse(context, today):
        return failed(fault)
    entries = await context.store.system_read(lambda tx: tx.registers.entries())
    waiting = open_advisories(entries)
    if late := [o.since for e, _ in waiting for o in overdue(e, today)]:
        return failed(f"{len(late)} advisories are open past their deadline, the first since {min(late)}")
    scan = scanned(context.settings.data)
    without = set(scan.known if scan else ()) - {(f.advisory, f.concerns) for _, f in waiting}
    if without and scan is not None and now - scan.at > _OPENING:
        return failed(f"{len(without)} advisories that the last scan found have no deadline")
    days = PATCH_DAYS[Severity.CRITICAL]
    first = f", the first to be patched by {waiting[0][1].patch_by}" if waiting else ""
    return passed(f"a critical advisory is to be patched within {days} days; {len(waiting)} are open{first}")


async def _rehearse(context: Context, today: date) -> str:
    which, now, entropy = ("verify", "verify@1"), context.clock.now(), context.entropy
    fault = "the rehearsal did not end"

    async def rehearse(tx: Tx) -> None:
        nonlocal fault
        known = {(f.advisory, f.concerns): f.severity for _, f in open_advisories(await tx.registers.entries())}
        found = known | {which: Severity.CRITICAL}
        opened = await record_scan(tx, _VERIFY, on=today, asked=1, known=found, now=now, entropy=entropy)
        end = today + timedelta(days=PATCH_DAYS[Severity.CRITICAL])
        if not (opened and not overdue(opened[0], end) and overdue(opened[0], end + timedelta(days=1))):
            fault = "a critical advisory starts no deadline, or one that is never missed"
        else:
            await record_scan(tx, _VERIFY, on=today, asked=1, known=known, now=now, entropy=entropy)
            after = await tx.registers.entry(opened[0].id)
            done = after is not None and isinstance(after.fields, Advisory) and after.fields.patched == today
            fault = "" if done else "a scan that finds an advisory no more leaves it open"
        raise _Undo

    try:
        await context.store.system_write(rehearse)
    except _Undo:
        return fault
    return "the rehearsal was kept"
