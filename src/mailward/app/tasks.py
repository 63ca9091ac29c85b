"""What upkeep does: on every worker its own housekeeping, on the first one the installation's."""

from __future__ import annotations

import asyncio
import os
import shutil
from functools import partial

import structlog

from mailward.adapters.storage.sqlite.same_file import SameFile
from mailward.app.backups.chore import BackupChore
from mailward.app.figures import end_terms, write_requests
from mailward.app.leasing import KEEP_SECONDS
from mailward.app.letters import Letters
from mailward.app.naming import installation_names
from mailward.app.notices import OwnerNotices
from mailward.app.objects import object_chores
from mailward.app.operating import Operating
from mailward.app.parts import Parts
from mailward.app.public_chores import PublicChores
from mailward.app.redacting import Redacting
from mailward.app.renewal import Renewal
from mailward.app.retention import Retention, default_terms
from mailward.app.signing import make_keys
from mailward.app.steady import Steady
from mailward.app.telling import OwnerMail
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.audit.advance import advance
from mailward.core.domains.keys import FreshKeys
from mailward.core.domains.watch import watch
from mailward.core.identity.bursts import note_traffic
from mailward.core.identity.entry import INVITATIONS_KEPT
from mailward.core.messages.find import unindexed, write_index
from mailward.core.webhooks.enqueue import tell
from mailward.core.webhooks.lease import prune
from mailward.edges.workers.upkeep import Task
from mailward.policy.boundaries import job_actor
from mailward.policy.bursts import KEEP_SLOTS, BurstRule, slot_of
from mailward.policy.detection import Kind

log = structlog.get_logger()

STORE_REPLACED = 75

# The search index stays this far behind: two workers may commit ids out of order by less.
_INDEX_LAG_US = 10_000_000
# How many at a time, and the seconds between two batches of a backlog. Whoever writes to a file waits for everybody who
# does: so few that it is for a few milliseconds, then a rest, which leaves room for 3,000 messages a second. A database
# has many writers at once.
_INDEX_A_FILE = (100, 0.02)
_INDEX_A_DATABASE = (500, 0.01)
# A transaction whose worker is gone, or cut off, ends within less: one that waits is given up after 30 s.
_LATE_COMMITS_SECONDS = 120.0
# Messages older than this are looked for once an hour, and while there are some: each look costs a probe a day kept.
_INDEX_RECENT_MS = 86_400_000
_INDEX_EVERYWHERE_MS = 3_600_000
# A message younger than this may be on its way to an endpoint while the sender waits, and is in no row yet.
_UNDER_WAY_MS = 3_600_000


def _first_id(at: int) -> bytes:
    """The lowest raw id of a message of that moment, in milliseconds UTC."""
    return at.to_bytes(6, "big") + b"\x00" * 10


def upkeep_tasks(worker: Parts) -> list[Task]:
    """The tasks of one worker; the first one with the upkeep role also keeps the store and the log.

    Of several nodes with that role one leads, and does what is done once.
    """
    own = WorkerChores(worker)
    if not worker.first or "upkeep" not in worker.roles:
        return own.tasks()
    public = PublicChores(worker)
    backups = BackupChore(worker, public.to_operator)
    led = [*InstallationChores(worker).tasks(), *public.tasks(), *backups.tasks()]
    return [*own.tasks(), *(_led(worker, task) for task in led), Task("room", 60.0, own.room)]


def _led(worker: Parts, task: Task) -> Task:
    """The task, done only while this node leads."""

    async def act() -> int:
        return await task.act() if worker.heart.leads else 0

    return Task(task.name, task.seconds, act)


class WorkerChores:
    """What each worker does for itself."""

    def __init__(self, worker: Parts) -> None:
        self._worker = worker
        self._database = SameFile(worker.settings.data / "state.db")

    def tasks(self) -> list[Task]:
        """Each with how often it is done, in seconds."""
        return [
            Task("uses", 5.0, self._worker.keeper.note_uses),
            Task("traffic", 5.0, self.traffic),
            Task("guard", 3.0, self.guard),
            Task("requests", 2.0, self.requests),
            Task("certificates", 2.0, self._worker.certificates.reload),
            Task("clock", 0.5, self.clock),
            Task("leases", KEEP_SECONDS, self.leases),
            Task("file", 0.5, self.file),
        ]

    async def traffic(self) -> int:
        """What this worker's credentials sent, into the history they are measured against."""
        worker = self._worker
        counts = worker.allowance.take_traffic()
        if not counts:
            return 0
        limits, store, now = worker.settings.limits, worker.installation.store, worker.installation.clock.now()
        rule = BurstRule(limits.burst_factor, limits.burst_floor)
        for (workspace, id), recipients in counts.items():
            worker.guarding.watch.note(Kind.SENT, id, "", count=recipients, workspace=workspace, now=now)
        paused = await store.system_write(lambda tx: note_traffic(tx, counts, rule, now=now))
        for id in paused:
            log.warning("credential_paused", credential=id)
        return 0

    async def guard(self) -> int:
        """What this worker saw of attacks, into what all saw."""
        return await self._worker.guarding.tell(self._worker.installation.clock.now())

    async def requests(self) -> int:
        """What was asked of this worker's API, into the request log: a batch every two seconds."""
        i = self._worker.installation
        await write_requests(i.store, self._worker.requests, i.now_us())
        return 0

    async def clock(self) -> int:
        """A clock that was set moves every lease; they are renewed."""
        if await self._worker.leasing.look_at_clock():
            log.warning("clock_was_set", advice="leases were renewed; run a time service that slews")
        return 0

    async def leases(self) -> int:
        """An attempt that takes longer than a lease keeps it: another worker would send the message again."""
        sender = self._worker.sender
        if sender is not None and sender.lasting():
            await self._worker.leasing.keep()
        return 0

    async def file(self) -> int:
        """A database that was moved away under the platform takes nothing more."""
        if self._database.replaced():
            log.critical(
                "store_replaced", advice="state.db was moved or replaced under a running platform; stop it first"
            )
            os._exit(STORE_REPLACED)
        return 0

    async def room(self) -> int:
        """Says when the disk of this machine is nearly full."""
        free = shutil.disk_usage(self._worker.settings.data).free
        if free < 1 << 30:
            log.error("disk_low", free_mib=free >> 20)
        return 0


class InstallationChores:
    """What is done once for the whole installation."""

    def __init__(self, worker: Parts) -> None:
        installation = worker.installation
        self._worker = worker
        self._installation = installation
        self._store = installation.store
        self._clock = installation.clock
        self._signer = installation.vault.log_signer()
        self._names = installation_names(worker.settings)
        self._steady = Steady(worker.settings.data)
        self._keeping = Retention(
            installation.store,
            default=default_terms(worker.settings),
            search_key=installation.search_key,
            now=installation.clock.now,
        )
        self._redacting = Redacting(
            installation.store,
            search_key=installation.search_key,
            token_key=installation.token_key,
            now=installation.clock.now,
        )
        self._operating = Operating(
            installation.store,
            Letters(
                installation.store,
                domains=worker.knowledge.domains,
                accept=worker.acceptance.accept,
                clock=installation.clock,
                entropy=installation.entropy,
                capture=worker.settings.capture,
            ),
            installation.clock,
            installation.entropy,
            worker.settings.http.public_url,
        )
        self._lessees: frozenset[int] = frozenset()
        self._orphans_until = 0.0
        alone = installation.store.nodes() is None
        self._index_batch, self._index_rest = _INDEX_A_FILE if alone else _INDEX_A_DATABASE
        self._search_behind = 0.0
        self._search_everywhere = 0
        text = "Age of the oldest message that the search index has not got to; 0 when it keeps up."
        worker.metrics.gauge("search_behind_seconds", text, lambda: self._search_behind)
        self._renewal = Renewal(installation, job_actor(WorkspaceId(""), "renewal"))
        letters = Letters(
            installation.store,
            domains=worker.knowledge.domains,
            accept=worker.acceptance.accept,
            clock=installation.clock,
            entropy=installation.entropy,
            capture=worker.settings.capture,
        )
        self._notices = OwnerNotices(
            installation.store, letters, installation.clock, public_url=worker.settings.http.public_url
        )
        self._owners = OwnerMail(
            installation.store,
            domains=worker.knowledge.domains,
            accept=worker.acceptance.accept,
            clock=installation.clock,
            entropy=installation.entropy,
            public_url=worker.settings.http.public_url,
            capture=worker.settings.capture,
        )

    def tasks(self) -> list[Task]:
        """Each with how often it is done, in seconds; the store's own chores among them."""
        return [
            *(Task(name, seconds, run) for name, seconds, run in self._store.chores()),
            *(Task(*chore) for chore in object_chores(self._worker.settings.objects, self._store, self._clock)),
            Task("audit", 1.0, self.audit),
            Task("search", 1.0, self.search, self._index_rest),
            Task("retention", 600.0, self.retention),
            Task("figures", 600.0, self.figures),
            Task("overwrite", 30.0, self._keeping.overwrite),
            Task("redaction", 5.0, self.redaction),
            Task("drift", 60.0, self.drift),
            Task("events", 3600.0, self.events),
            Task("attachments", 3600.0, self.attachments),
            Task("orphans", 10.0, self.orphans),
            Task("owners", 5.0, self.owners),
            Task("operators", 15.0, self._operating.run),
            Task("reviews", 3600.0, self._operating.daily),
            Task("alerts", 30.0, self.alerts),
            Task("guard", 600.0, self.forget_tries),
            *([Task("renewal", 10.0, self._renewal.run)] if self._worker.settings.tls.acme.directory else []),
        ]

    async def audit(self) -> int:
        """What was written to the log gets its place in the trees, and the trees a signed checkpoint."""
        done = await self._store.system_write(lambda tx: advance(tx, self._signer, now=self._clock.now()))
        for fault in done.faults:
            log.error("audit_fault", tree=fault.workspace, what=fault.what)
            self._worker.metrics.errors.labels("audit").inc()
        return 0

    async def search(self) -> int:
        """Search tokens of what was accepted a moment ago; how many messages, where more wait.

        What is there is written once a second: each transaction costs every other writer its sync.
        """
        now = self._installation.now_us() // 1000
        below = _first_id(now - _INDEX_LAG_US // 1000)
        # Whatever is left of earlier days, after a restart or with a backlog, is looked for in every day there is.
        everywhere = now >= self._search_everywhere
        since = b"" if everywhere else _first_id(now - _INDEX_RECENT_MS)
        done, behind, full = 0, 0.0, False
        for raw in await self._store.system_read(lambda tx: tx.workspaces.unindexed(since, below)):
            workspace = ids.encode("ws", raw)
            key = self._installation.search_key(raw)
            look = partial(unindexed, key=key, below=below, limit=self._index_batch)
            found = await self._store.read(workspace, look)
            if found is None:
                continue
            await self._store.write(workspace, partial(write_index, found=found))
            if found.messages == self._index_batch:
                full = True
                upto = await self._store.read(workspace, lambda tx: tx.messages.indexed_upto())
                behind = max(behind, (now - int.from_bytes(upto[:6], "big")) / 1000)
            done += found.messages
        if everywhere and not full:
            self._search_everywhere = now + _INDEX_EVERYWHERE_MS
        self._search_behind = behind
        return done if full else 0

    async def retention(self) -> int:
        """Whatever has reached the end of its term goes, unless the clock is in doubt; what was erased goes anyway."""
        if not self._steady.believes(self._clock.now()):
            await self._keeping.overwrite()
            return 0
        done = await self._keeping.run()
        if done.messages or done.keys:
            log.info("retention", messages=done.messages, data_keys=done.keys)
        return 0

    async def redaction(self) -> int:
        """What workspaces do not want kept goes from what is stored, its content from the disk; how many steps."""
        if not self._steady.believes(self._clock.now()):
            return 0
        done = await self._redacting.run()
        return done + (await self._keeping.overwrite() if done else 0)

    async def orphans(self) -> int:
        """Leases of workers that are gone, as far as their return came before them.

        A worker's last transactions may commit after its successor, or other nodes, returned what it held. So leases of
        nobody are looked for, but only for a while after workers came or went: each look is one at every open copy.
        """
        lessees = await self._store.system_read(lambda tx: tx.deliveries.generations())
        if lessees != self._lessees:
            self._lessees, self._orphans_until = lessees, self._clock.monotonic() + _LATE_COMMITS_SECONDS
        elif self._clock.monotonic() > self._orphans_until:
            return 0
        if not await self._store.system_read(lambda tx: tx.deliveries.any_orphans()):
            return 0
        now = self._installation.now_us()
        if copies := await self._store.system_write(lambda tx: tx.deliveries.return_orphans(now)):
            log.warning("orphans_returned", copies=copies)
        return 0

    async def owners(self) -> int:
        """What owners are to be told; how many mails."""
        return await self._owners.run() + await self._notices.run()

    async def figures(self) -> int:
        """What the last hours say of bounces and complaints; hours beyond their term become days, old requests go."""
        await self._worker.guarding.watch.judge_returns(self._clock.now())
        if not self._steady.believes(self._clock.now()):
            return 0
        return await end_terms(self._store, self._clock)

    async def drift(self) -> int:
        """Records of domains whose turn it is, against what is published."""
        now = self._clock.now()
        due = await self._store.system_read(lambda tx: tx.domains.due(now, 20))

        async def fresh(workspace: WorkspaceId) -> FreshKeys:
            return await asyncio.to_thread(make_keys, self._installation.vault, workspace)

        return await watch(
            self._store,
            self._worker.resolver,
            due,
            acting=partial(job_actor, job="drift"),
            names=self._names,
            fresh=fresh,
            now=now,
            entropy=self._installation.entropy,
            tell=tell,
        )

    async def events(self) -> int:
        """Old events of webhooks, old traffic of credentials and steps of sign-ins that are over are forgotten."""
        if not self._steady.believes(self._clock.now()):
            return 0
        now = self._installation.now_us()
        await self._store.system_write(lambda tx: prune(tx, now=now))
        oldest = slot_of(now / 1e6) - KEEP_SLOTS
        await self._store.system_write(lambda tx: tx.credentials.forget_traffic(oldest))
        await self._store.system_write(lambda tx: tx.factors.forget(self._clock.now()))
        over = self._clock.now() - INVITATIONS_KEPT
        await self._store.system_write(lambda tx: tx.entry.forget_invitations(over))
        return 0

    async def alerts(self) -> int:
        """Attacks that the rules recognise in what all workers saw; how many alerts."""
        return len(await self._worker.guarding.watch.judge(self._clock.now()))

    async def forget_tries(self) -> int:
        """What the guard kept past its time goes."""
        return await self._worker.guarding.watch.forget(self._clock.now())

    async def attachments(self) -> int:
        """Files of received messages that keep no content any more, those a crash left behind included."""
        files = self._worker.files
        if files is None:
            return 0

        async def keeping(workspace: bytes, messages: list[bytes]) -> set[bytes]:
            scope = ids.encode("ws", workspace)
            return await self._store.read(scope, lambda tx: tx.inbound.keeping(messages))

        await files.sweep(keeping, young=self._installation.now_us() // 1000 - _UNDER_WAY_MS)
        return 0
