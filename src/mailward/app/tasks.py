"""What upkeep does: on every worker its own housekeeping, on the first one the installation's."""

from __future__ import annotations

import asyncio
import os
import shutil
from functools import partial

import structlog

from mailward.adapters.storage.sqlite.same_file import SameFile
from mailward.app.naming import installation_names
from mailward.app.objects import object_chores
from mailward.app.parts import Parts
from mailward.app.retention import Retention, default_terms
from mailward.app.signing import make_keys
from mailward.app.telling import OwnerMail
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.audit.advance import advance
from mailward.core.domains.keys import FreshKeys
from mailward.core.domains.watch import watch
from mailward.core.identity.bursts import note_traffic
from mailward.core.messages.find import index
from mailward.core.webhooks.enqueue import tell
from mailward.core.webhooks.lease import prune
from mailward.edges.workers.upkeep import Task
from mailward.policy.access import Actor, Permission
from mailward.policy.bursts import KEEP_SLOTS, BurstRule, slot_of

log = structlog.get_logger()

STORE_REPLACED = 75

# The search index stays this far behind: two workers may commit ids out of order by less.
_INDEX_LAG_US = 10_000_000
# A message younger than this may be on its way to an endpoint while the sender waits, and is in no row yet.
_UNDER_WAY_MS = 3_600_000


def system_actor(workspace: WorkspaceId) -> Actor:
    """The platform itself, when it does what was asked of it earlier."""
    return Actor(workspace, "system", "upkeep", frozenset(Permission))


def upkeep_tasks(worker: Parts) -> list[Task]:
    """The tasks of one worker; the first one with the upkeep role also keeps the store and the log.

    Of several nodes with that role one leads, and does what is done once.
    """

    async def traffic() -> int:
        """What this worker's credentials sent, into the history they are measured against."""
        counts = worker.allowance.take_traffic()
        if not counts:
            return 0
        limits, store, now = worker.settings.limits, worker.installation.store, worker.installation.clock.now()
        rule = BurstRule(limits.burst_factor, limits.burst_floor)
        paused = await store.system_write(lambda tx: note_traffic(tx, counts, rule, now=now))
        for id in paused:
            log.warning("credential_paused", credential=id)
        return 0

    async def clock_set() -> int:
        if await worker.leasing.look_at_clock():
            log.warning("clock_was_set", advice="leases were renewed; run a time service that slews")
        return 0

    database = SameFile(worker.settings.data / "state.db")

    async def file() -> int:
        if database.replaced():
            log.critical(
                "store_replaced", advice="state.db was moved or replaced under a running platform; stop it first"
            )
            os._exit(STORE_REPLACED)
        return 0

    tasks = [
        Task("uses", 5.0, worker.keeper.note_uses),
        Task("traffic", 5.0, traffic),
        Task("certificates", 30.0, worker.certificates.reload),
        Task("clock", 0.5, clock_set),
        Task("file", 0.5, file),
    ]
    if not worker.first or "upkeep" not in worker.roles:
        return tasks
    installation = worker.installation
    store, clock = installation.store, installation.clock
    signer = installation.vault.log_signer()
    names = installation_names(worker.settings)

    async def audit() -> int:
        done = await store.system_write(lambda tx: advance(tx, signer, now=clock.now()))
        for fault in done.faults:
            log.error("audit_fault", tree=fault.workspace, what=fault.what)
            worker.metrics.errors.labels("audit").inc()
        return 0

    async def search() -> int:
        below = ((installation.now_us() - _INDEX_LAG_US) // 1000).to_bytes(6, "big") + b"\x00" * 10
        done = 0
        for workspace in await store.system_read(lambda tx: tx.workspaces.all()):
            key = installation.search_key(ids.decode("ws", workspace.id))
            done += await store.write(workspace.id, partial(index, key=key, below=below, limit=200))
        return done

    keeping = Retention(
        store, default=default_terms(worker.settings), search_key=installation.search_key, now=clock.now
    )

    async def retention() -> int:
        done = await keeping.run()
        if done.messages or done.keys:
            log.info("retention", messages=done.messages, data_keys=done.keys)
        return 0

    async def drift() -> int:
        now = clock.now()
        due = await store.system_read(lambda tx: tx.domains.due(now, 20))

        async def fresh(workspace: WorkspaceId) -> FreshKeys:
            return await asyncio.to_thread(make_keys, installation.vault, workspace)

        return await watch(
            store,
            worker.resolver,
            due,
            acting=system_actor,
            names=names,
            fresh=fresh,
            now=now,
            entropy=installation.entropy,
            tell=tell,
        )

    async def events() -> int:
        now = installation.now_us()
        await store.system_write(lambda tx: prune(tx, now=now))
        oldest = slot_of(now / 1e6) - KEEP_SLOTS
        await store.system_write(lambda tx: tx.credentials.forget_traffic(oldest))
        return 0

    owners = OwnerMail(
        store,
        domains=worker.knowledge.domains,
        accept=worker.acceptance.accept,
        clock=clock,
        entropy=installation.entropy,
        public_url=worker.settings.http.public_url,
        capture=worker.settings.capture,
    )

    async def attachments() -> int:
        """Files of received messages that keep no content any more, those a crash left behind included."""
        if worker.files is None:
            return 0

        async def keeping(workspace: bytes, messages: list[bytes]) -> set[bytes]:
            scope = ids.encode("ws", workspace)
            return await store.read(scope, lambda tx: tx.inbound.keeping(messages))

        await worker.files.sweep(keeping, young=installation.now_us() // 1000 - _UNDER_WAY_MS)
        return 0

    async def room() -> int:
        free = shutil.disk_usage(installation.settings.data).free
        if free < 1 << 30:
            log.error("disk_low", free_mib=free >> 20)
        return 0

    def led(task: Task) -> Task:
        async def act() -> int:
            return await task.act() if worker.heart.leads else 0

        return Task(task.name, task.seconds, act)

    once = [
        *(Task(name, seconds, run) for name, seconds, run in store.chores()),
        *(Task(*chore) for chore in object_chores(installation.settings.objects, store, clock)),
        Task("audit", 1.0, audit),
        Task("search", 1.0, search),
        Task("retention", 600.0, retention),
        Task("overwrite", 30.0, keeping.overwrite),
        Task("drift", 60.0, drift),
        Task("events", 3600.0, events),
        Task("owners", 5.0, owners.run),
    ]
    return [*tasks, *map(led, once), Task("room", 60.0, room)]
