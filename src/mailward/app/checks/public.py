"""The public pages: what they say is stored and recent, measured, signed, and answered in time."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

from mailward.app.checks.network import fetch
from mailward.app.checks.probe import NotThere, api_address
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.public.keys import ReportSeal
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.availability.budget import budget, burning, month_of
from mailward.core.availability.model import Day, Minute, Outage
from mailward.core.availability.record import record
from mailward.core.disclosure.intake import follow, note_overdue, receive
from mailward.core.disclosure.model import Content
from mailward.core.evidence.keep import SCHEDULE
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.evidence.publish import NotGenuine, verify_file
from mailward.core.registers.change import put, read_fields
from mailward.core.registers.model import Kind, overdue
from mailward.policy.access import Actor

_LATE = 2
_OPERATOR = Actor(WorkspaceId(""), "system", "verify")


class _Undo(Exception):
    """Ends a rehearsal: what it wrote is rolled back."""

    def __init__(self, found: Finding) -> None:
        super().__init__()
        self.found = found


async def page(context: Context, path: str) -> tuple[int, dict[str, str], str]:
    """A public page of the running platform."""
    host, port = api_address(context)
    name = f"[{host}]" if ":" in host else host
    try:
        return await asyncio.to_thread(fetch, f"http://{name}:{port}{path}")
    except OSError:
        raise NotThere(f"{name}:{port} does not answer; is the platform running?") from None


@check("TRUST-1")
async def the_page_is_signed(context: Context) -> Finding:
    """The running platform's signed file verifies with the log's key, names every promise, and is not older than the
    schedule allows.
    """
    try:
        status, _, file = await page(context, "/trust.json")
        _, _, shown = await page(context, "/trust")
    except NotThere as e:
        return failed(str(e))
    if status != 200:
        return failed(f"/trust.json answers {status}")
    try:
        document = verify_file(file.encode(), context.installation.vault.log_signer().public_key)
    except NotGenuine as e:
        return failed(f"/trust.json does not verify: {e}")
    missing = [c["id"] for c in document["controls"] if f'id="{c["id"]}"' not in shown]
    if missing:
        return failed(f"the page does not show {missing[0]}")
    every = context.settings.evidence.every_hours
    last = await context.store.system_read(lambda tx: tx.results.last_run(SCHEDULE))
    if every and last is not None and context.clock.now() - last > timedelta(hours=every * _LATE):
        return failed(f"the schedule ran last at {last:%Y-%m-%d %H:%M} UTC; it is to run every {every} hours")
    ran = f"the schedule ran last at {last:%Y-%m-%d %H:%M} UTC" if last else "the schedule has not run yet"
    return passed(f"{len(document['controls'])} promises on the page and in the signed file; {ran}")


@check("INCIDENT-2")
async def security_txt_is_fresh(context: Context) -> Finding:
    """The running platform's security.txt has its required fields and ends between now and a year from now."""
    try:
        status, _, text = await page(context, "/.well-known/security.txt")
        form, _, _ = await page(context, "/report")
    except NotThere as e:
        return failed(str(e))
    fields = re.findall(r"^([A-Za-z-]+): (.+)$", text, re.MULTILINE)
    expires = [v for k, v in fields if k == "Expires"]
    if status != 200 or form != 200 or len(expires) != 1 or not any(k == "Contact" for k, _ in fields):
        return failed("security.txt or the form is missing, or security.txt lacks Contact or one Expires")
    end, now = datetime.fromisoformat(expires[0].replace("Z", "+00:00")), context.clock.now()
    if not now < end < now + timedelta(days=365):
        return failed(f"security.txt expires at {expires[0]}")
    return passed(f"security.txt is valid until {end:%Y-%m-%d}, and renews itself at each request")


@check("INCIDENT-2")
async def reports_are_answered(context: Context) -> Finding:
    """A report in a transaction that is undone: sealed, followed by its token, alerted when late. None is late now."""
    now, seal = context.clock.now(), ReportSeal(context.installation)
    words = Content(title="verify", what="mwmarker-report", contact="")

    async def rehearse(tx: Tx) -> None:
        report, token = await receive(tx, words, seal, now=now, entropy=context.entropy)
        if not now < report.due <= _two_business_days(now):
            raise _Undo(failed(f"an acknowledgement is due by {report.due:%Y-%m-%d %H:%M}, beyond two business days"))
        if b"mwmarker-report" in report.content:
            raise _Undo(failed("a report is stored in clear"))
        _, content = await follow(tx, token.reveal(), seal)
        told = await note_overdue(tx, now=report.due + timedelta(minutes=1))
        if content != words or report.id not in {r.id for r in told if r.alerted == "missed"}:
            raise _Undo(failed("a report is not followed by its token, or its missed deadline is not noticed"))
        raise _Undo(passed(f"acknowledgements are due within two business days; this one by {report.due:%A}"))

    late = [r for r in await context.store.system_read(lambda tx: tx.reports.waiting()) if r.overdue(now)]
    if late:
        return failed(f"{len(late)} reports wait beyond their deadline")
    try:
        await context.store.system_write(rehearse)
    except _Undo as undone:
        return undone.found
    return failed("the rehearsal did not end")


def _two_business_days(moment: datetime) -> datetime:
    """The end of the second day from Monday to Friday after this one; a report may come on a day off."""
    left = 2 if moment.weekday() < 5 else 3
    while left:
        moment += timedelta(days=1)
        left -= moment.weekday() < 5
    return moment


@check("AVAIL-2")
async def outages_spend_the_budget(context: Context) -> Finding:
    """Ten minutes of an outage, in a transaction that is undone, spend ten minutes of the budget and alert."""
    target = context.settings.availability.target_percent / 100
    now = context.clock.now()
    first = int(now.timestamp()) // 60 + 1

    async def rehearse(tx: Tx) -> None:
        repo = tx.availability
        month = month_of(now)
        last = await repo.last_minute()
        start = max(first, (last or 0) + 1)
        await record(tx, Minute(start, True, True, True))
        before = _spent(await repo.days(month[0]), month, target)
        for n in range(1, 11):
            await record(tx, Minute(start + n, False, True, True))
        # At the turn of a month some of these minutes are the next one's.
        after = _spent(await repo.days(month[0]), (month[0], month[1] + 1), target)
        alerts = burning(await repo.outages(start - 400), start + 10, target)
        if after - before != 10 or "fast" not in {r.name for r in alerts}:
            raise _Undo(failed(f"ten bad minutes spent {after - before} and alerted {len(alerts)} rules"))
        raise _Undo(passed("ten bad minutes spend ten of the budget and alert"))

    try:
        await context.store.system_write(rehearse)
    except _Undo as undone:
        return undone.found
    return failed("the rehearsal did not end")


def _spent(days: list[Day], month: tuple[int, int], target: float) -> int:
    return budget(days, month, target).spent


@check("AVAIL-2")
async def minutes_are_measured(context: Context) -> Finding:
    """The newest minutes were measured, and the status page tells what was."""
    if not context.settings.availability.probe:
        return not_configured("probes are off (availability.probe)")
    now = int(context.clock.now().timestamp()) // 60
    last = await context.store.system_read(lambda tx: tx.availability.last_minute())
    outages: list[Outage] = await context.store.system_read(lambda tx: tx.availability.outages(now - 60))
    try:
        status, _, text = await page(context, "/status.json")
    except NotThere as e:
        return failed(str(e))
    if status != 200 or "month" not in json.loads(text):
        return failed(f"/status.json answers {status}")
    if last is None:
        return not_configured("no minute was measured yet: the first is, half a minute after the start")
    if now - last > 3:
        return failed(f"the newest minute measured is {now - last} minutes old")
    return passed(
        f"measured until {datetime.fromtimestamp(last * 60, UTC):%H:%M} UTC; {len(outages)} outages in an hour"
    )


@check("PRIVACY-4")
async def registers_are_current(context: Context) -> Finding:
    """No review and no certificate is overdue, every notice was told, and the pages show the registers."""
    now = context.clock.now()
    entries = await context.store.system_read(lambda tx: tx.registers.entries())
    late = [o for e in entries if e.kind is not Kind.ADVISORY for o in overdue(e, now.date())]
    if late:
        return failed(f"{len(late)} reviews or certificates ran out, the first on {late[0].since}")
    owed = await context.store.system_read(lambda tx: tx.registers.owed(1))
    if owed and now - owed[0].at > timedelta(hours=1):
        return failed("a notice of a change waits for more than an hour")
    try:
        status, _, shown = await page(context, "/legal")
        agreement, _, _ = await page(context, "/legal/agreement.txt")
    except NotThere as e:
        return failed(str(e))
    missing = [w for w in ("subprocessors", "regions", "cookies", "requests") if f'id="{w}"' not in shown]
    if (status, agreement) != (200, 200) or missing:
        return failed("the page of registers or the agreement is not served whole")
    return passed(f"{len(entries)} entries, none overdue, no notice waiting; page and agreement are served")


@check("PRIVACY-4")
async def a_newcomer_is_told(context: Context) -> Finding:
    """In a transaction that is undone a new subprocessor owes a notice to each workspace that follows."""
    now = context.clock.now()
    given = {"name": "verify", "purpose": "verify", "place": "verify"}
    fields = read_fields(Kind.SUBPROCESSOR, given, today=now.date())

    async def rehearse(tx: Tx) -> None:
        repo = tx.registers
        # At least one: this workspace, whether it follows or not.
        if not await repo.follows(own := ids.decode("ws", context.actor.workspace)):
            await repo.follow(own, now)
        followers = await repo.followers()
        before = len(await repo.owed(10_000))
        await put(tx, _OPERATOR, Kind.SUBPROCESSOR, fields, now=now, entropy=context.entropy)
        owed = len(await repo.owed(10_000)) - before
        if owed != len(followers) or not followers:
            raise _Undo(failed(f"{owed} notices for {len(followers)} followers"))
        raise _Undo(passed("a new subprocessor owes a notice to each workspace that follows the register"))

    try:
        await context.store.system_write(rehearse)
    except _Undo as undone:
        return undone.found
    return failed("the rehearsal did not end")
