"""What upkeep does for the public side, on the node that leads."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import datetime, timedelta

import msgspec
import structlog

from mailward.app.inbound.directory import MailDirectory
from mailward.app.kept_scan import scanned
from mailward.app.letters.send import Letters
from mailward.app.parts import Parts
from mailward.app.public.probes import Probes
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.availability.budget import burning
from mailward.core.availability.record import record
from mailward.core.disclosure.intake import note_overdue
from mailward.core.disclosure.model import Report
from mailward.core.evidence.keep import SCHEDULE, due
from mailward.core.registers.model import Advisory, Kind, Profile, overdue, title
from mailward.core.registers.scans import record_scan
from mailward.edges.workers.upkeep import Task
from mailward.policy.access import Actor, Role

log = structlog.get_logger()

_RUN_SECONDS = 1800
_AT_ONCE = 20
_LONGEST_WINDOW = 360
# The doors of this process open after its tasks begin.
_SETTLING = timedelta(seconds=20)
_UPKEEP = Actor(WorkspaceId(""), "system", "upkeep")


class PublicChores:
    """One an installation."""

    def __init__(self, worker: Parts) -> None:
        i = worker.installation
        self._worker = worker
        self._store, self._clock = i.store, i.clock
        self._started = i.clock.now()
        options = worker.settings.evidence
        # Up to half as much again, so that the nodes of an installation and its restarts do not fall together.
        jitter = int.from_bytes(i.entropy.bytes(2), "big") / 65536 / 2
        self._first = timedelta(minutes=options.first_minutes * (1 + jitter))
        self._every = timedelta(hours=options.every_hours)
        self._probes = Probes(worker.settings)
        self._target = worker.settings.availability.target_percent / 100
        self._minute = -1
        self._burning: set[str] = set()
        self._late: set[tuple[str, str]] = set()
        self._scanned: datetime | None = None
        self._directory = MailDirectory(i.store, worker.settings.hostname)
        self._letters = Letters(
            i.store,
            domains=worker.knowledge.domains,
            accept=worker.acceptance.accept,
            clock=i.clock,
            entropy=i.entropy,
            capture=worker.settings.capture,
        )

    def tasks(self) -> list[Task]:
        """Each with how often it is done, in seconds."""
        tasks = [
            Task("reports", 300.0, self.reports),
            Task("notices", 30.0, self.notices),
            Task("registers", 3600.0, self.registers),
            Task("advisories", 300.0, self.advisories),
        ]
        if self._worker.settings.availability.probe:
            tasks.append(Task("probe", 15.0, self.probe))
        if self._every:
            tasks.append(Task("verify", 60.0, self.verify))
        return tasks

    async def verify(self) -> int:
        """Run every check when the schedule says so, in a process of its own."""
        last = await self._store.system_read(lambda tx: tx.results.last_run(SCHEDULE))
        if not due(last, self._started, self._clock.now(), every=self._every, first=self._first):
            return 0
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mailward.app.verifying",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(_RUN_SECONDS):
                await child.communicate(msgspec.json.encode(self._worker.settings))
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        if child.returncode:
            log.error("verify_broke", code=child.returncode)
            return 0
        states = await self._store.system_read(lambda tx: tx.results.states())
        failing = sorted(control for control, state in states.items() if state == "failing")
        if failing:
            log.error("controls_failing", controls=failing)
            self._worker.metrics.errors.labels("verify").inc()
        return 1

    async def probe(self) -> int:
        """Measure the minute that runs, once."""
        now = self._clock.now()
        minute = int(now.timestamp()) // 60
        if minute <= self._minute or now - self._started < _SETTLING:
            return 0
        measured = await self._probes.measure(minute)
        self._minute = minute
        if measured is None:
            return 0
        counted = await self._store.system_write(lambda tx: record(tx, measured))
        if measured.failed:
            log.error("door_did_not_answer", doors=list(measured.failed))
            self._worker.metrics.errors.labels("availability").inc()
        if counted.unmeasured:
            log.warning("minutes_not_measured", minutes=counted.unmeasured)
        await self._alert(minute)
        return int(counted.new)

    async def _alert(self, minute: int) -> None:
        outages = await self._store.system_read(lambda tx: tx.availability.outages(minute - _LONGEST_WINDOW))
        now = {rule.name for rule in burning(outages, minute, self._target)}
        for name in sorted(now - self._burning):
            log.error("error_budget_burning", rule=name)
            self._worker.metrics.errors.labels("error_budget").inc()
            await self.to_operator(
                f"The error budget is burning ({name})",
                f"The doors of this installation fail faster than the target of {self._target:.3%} a month allows.\n\n"
                f"{self._worker.settings.http.public_url}/status\n",
                "error-budget",
            )
        for name in sorted(self._burning - now):
            log.info("error_budget_calm", rule=name)
        self._burning = now

    async def reports(self) -> int:
        """Remind of reports whose acknowledgement is near, alert about those that are late; each once."""
        now = self._clock.now()
        if not await self._store.system_read(lambda tx: tx.reports.waiting()):
            return 0
        told: list[Report] = await self._store.system_write(lambda tx: note_overdue(tx, now=now))
        for report in told:
            missed = report.alerted == "missed"
            (log.error if missed else log.warning)("report_unanswered", report=report.id, step=report.alerted)
            if missed:
                self._worker.metrics.errors.labels("disclosure").inc()
            await self.to_operator(
                "A security report has no answer" + (": its deadline is over" if missed else " yet"),
                f"It came on {report.at:%Y-%m-%d %H:%M} UTC; its acknowledgement was due by "
                f"{report.due:%Y-%m-%d %H:%M} UTC.\n\n{self._worker.settings.http.public_url}/operator/reports\n",
                "security-report",
            )
        return len(told)

    async def notices(self) -> int:
        """Mail the managers of workspaces that follow the register of subprocessors what changes."""
        owed = await self._store.system_read(lambda tx: tx.registers.owed(_AT_ONCE))
        mailed = 0
        for notice in owed:
            workspace = WorkspaceId(ids.encode("ws", notice.workspace))
            members = await self._store.read(workspace, lambda tx, w=workspace: tx.people.members(w))  # type: ignore[misc]
            done = [
                await self._letters.send(
                    member.email,
                    "A change of subprocessors",
                    f"{notice.text}\n\nThe whole register: {self._worker.settings.http.public_url}/legal\n",
                    "subprocessors",
                )
                for member in members
                if member.role is Role.MANAGER
            ]
            how = "mailed" if any(done) else "not mailed"
            await self._store.system_write(lambda tx, n=notice, h=how: tx.registers.told(n, h))  # type: ignore[misc]
            mailed += how == "mailed"
        return mailed

    async def registers(self) -> int:
        """Alert about reviews and certificates that ran out, once while this process lives."""
        today = self._clock.now().date()
        entries = await self._store.system_read(lambda tx: tx.registers.entries())
        late = [o for entry in entries for o in overdue(entry, today)]
        for o in late:
            if (o.entry.id, o.what) not in self._late:
                log.error("register_overdue", entry=o.entry.id, what=o.what.split(" ")[0], since=o.since.isoformat())
                await self.to_operator(
                    f"A register is overdue: {o.what}",
                    f"{title(o.entry.fields)}: {o.what} since {o.since}.\n\n"
                    f"{self._worker.settings.http.public_url}/operator/registers\n",
                    "register-overdue",
                )
        self._late = {(o.entry.id, o.what) for o in late}
        return 0

    async def advisories(self) -> int:
        """Enter a new scan for advisories in the registers, and tell of deadlines that began."""
        scan = await asyncio.to_thread(scanned, self._worker.settings.data)
        if scan is None or scan.at == self._scanned:
            return 0
        now, entropy = self._clock.now(), self._worker.installation.entropy
        on, known, asked = min(scan.at, now).date(), scan.known, scan.asked
        opened = await self._store.system_write(
            lambda tx: record_scan(tx, _UPKEEP, on=on, asked=asked, known=known, now=now, entropy=entropy)
        )
        self._scanned = scan.at
        begun = [e.fields for e in opened if isinstance(e.fields, Advisory)]
        if begun:
            log.error("advisories_known", count=len(begun), patch_by=min(f.patch_by for f in begun).isoformat())
            self._worker.metrics.errors.labels("advisories").inc()
            lines = [f"{f.advisory} ({f.severity.value}): {f.concerns}, to be patched by {f.patch_by}" for f in begun]
            await self.to_operator(
                "Advisories concern what runs here",
                "\n".join(lines) + f"\n\n{self._worker.settings.http.public_url}/operator/registers\n",
                "advisories",
            )
        return len(begun)

    async def to_operator(self, subject: str, text: str, kind: str) -> None:
        """Mail to the contact that is published, or else to the people who operate this; nothing where neither is.

        Never to an address whose mail comes in here as a report: that one would be answered by another.
        """
        profiles = await self._store.system_read(lambda tx: tx.registers.entries(Kind.PROFILE))
        fields = profiles[0].fields if profiles else None
        contacts = (fields.security_contact, fields.contact) if isinstance(fields, Profile) else ()
        await self._directory.refresh()
        found = [c for c in contacts if "@" in c and not self._directory.is_for_reports(c)][:1]
        if not found:
            found = [o.email for o in await self._store.system_read(lambda tx: tx.operators.serving())]
        for to in found:
            await self._letters.send(to, subject, text, kind)
