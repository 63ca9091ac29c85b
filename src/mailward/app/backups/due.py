"""Whether it is time for a backup, or for a test of one."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mailward.app.backup_options import Backup
from mailward.core.backup.ports import BackupTx
from mailward.core.backup.schedule import due

_SLACK = timedelta(seconds=20)
BUSY, FAILED = 4, 5
"""Exit codes of the process: somebody else was at it; no backup could be made, or the newest is not usable."""


class Due(msgspec.Struct, frozen=True):
    """What it is time for."""

    backup: bool
    trial: bool
    moment: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is something to do."""
        return self.backup or self.trial or self.moment


async def whats_due(tx: BackupTx, options: Backup, *, now: datetime, moment: datetime | None = None) -> Due:
    """What it is time for, by what was done last; `moment` is when the last one was.

    After a test that met damaged parts a backup is made at once, without them, and tried at
    once; only after the first of such tests, so that a place that spoils everything is not filled.
    """
    newest = await tx.backups.newest()
    tests = await tx.backups.tests(2)
    last = tests[0] if tests else None
    spoiled = last is not None and bool(last.bad) and newest is not None and last.backup == newest.id
    first = len(tests) < 2 or tests[1].good
    made = due(newest.at if newest else None, now, options.every) or (spoiled and first)
    other = last is not None and not last.good and (made or (newest is not None and last.backup != newest.id))
    tried = due(last.at if last else None, now, options.test_every) or other
    every = options.moment_every
    # The look is every minute: one that comes a little early is not put off to the next.
    since = moment is None or moment > now or now - moment > every - _SLACK
    return Due(bool(options.every) and made, bool(options.test_every) and tried, bool(every) and since)


def last_moment_at(data: Path) -> datetime | None:
    """When the last moment was made from this data folder; None when none was."""
    try:
        return datetime.fromisoformat((data / "backup" / "moment-at").read_text("ascii"))
    except (OSError, ValueError):
        return None
