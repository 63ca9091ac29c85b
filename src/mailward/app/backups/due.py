"""Whether it is time for a backup, or for a test of one."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailward.app.backup_options import Backup
from mailward.core.backup.ports import BackupTx
from mailward.core.backup.schedule import due

BUSY, FAILED = 4, 5
"""Exit codes of the process: somebody else was at it; no backup could be made, or the newest is not usable."""


class Due(msgspec.Struct, frozen=True):
    """What it is time for."""

    backup: bool
    trial: bool


async def whats_due(tx: BackupTx, options: Backup, *, now: datetime) -> Due:
    """What it is time for, by what was done last.

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
    return Due(bool(options.every) and made, bool(options.test_every) and tried)
