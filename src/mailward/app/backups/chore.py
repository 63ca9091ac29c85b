"""The chore: a look every minute, a process of its own when something is due, and mail to the operator."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from mailward.app.backups.due import BUSY, FAILED, last_moment_at, whats_due
from mailward.app.parts import Parts
from mailward.edges.workers.upkeep import Task

log = structlog.get_logger()

_LOOK_SECONDS = 60.0
# Longer than any backup takes; a process that hangs on a place that hangs ends.
_LONGEST = 6 * 3600
_AGAIN = timedelta(minutes=30)

ToOperator = Callable[[str, str, str], Awaitable[None]]
"""subject, text, kind."""


class BackupChore:
    """One an installation, on the first worker with the upkeep role."""

    def __init__(self, worker: Parts, to_operator: ToOperator) -> None:
        self._worker = worker
        self._to_operator = to_operator
        self._not_before: datetime | None = None

    def tasks(self) -> list[Task]:
        """Nothing where no place is set."""
        options, data = self._worker.settings.backup, self._worker.settings.data
        if not options.to:
            return []
        if options.every_minutes:
            clock = self._worker.installation.clock

            def late() -> float:
                last = last_moment_at(data)
                return (clock.now() - last).total_seconds() if last is not None else float("inf")

            self._worker.metrics.gauge("backup_lag_seconds", "How long ago what changed was last sent away.", late)
        return [Task("backup", _LOOK_SECONDS, self.run)]

    async def run(self) -> int:
        """Make and try backups when it is time; after a failure again in half an hour."""
        i, options = self._worker.installation, self._worker.settings.backup
        now = i.clock.now()
        if self._not_before is not None and now < self._not_before:
            return 0
        last = last_moment_at(self._worker.settings.data)
        found = await i.store.system_read(lambda tx: whats_due(tx, options, now=now, moment=last))
        if not found.anything:
            return 0
        code = await self._process()
        if code == BUSY:
            return 0
        self._not_before = now + _AGAIN if code else None
        if not code:
            if found.backup or found.trial:
                log.info("backup", made=found.backup, tested=found.trial)
            return 1
        log.error("backup_failed", code=code, unusable=code == FAILED)
        self._worker.metrics.errors.labels("backup").inc()
        url = self._worker.settings.http.public_url
        await self._to_operator(
            "A backup failed, or cannot be restored",
            "What was found is in the alerts, and in: mailward backup list\n\n"
            f"What to do is in docs/backups.md of the product.\n\n{url}/trust\n",
            "backup-failed",
        )
        return 0

    async def _process(self) -> int:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mailward.app.backups.daily",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(_LONGEST):
                await child.communicate(msgspec.json.encode(self._worker.settings))
        except TimeoutError:
            return FAILED
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        return child.returncode or 0
