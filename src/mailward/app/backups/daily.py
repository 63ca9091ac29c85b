"""What upkeep does about backups by itself: make one when it is due, a moment every few minutes, remove old ones, try
the newest now and then.

`python -m mailward.app.backups.daily` is that as a process of its own, which gets the settings on
standard input: copying and sealing would keep a worker from its mail.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime

import msgspec

from mailward.app.backup_options import shelf_of
from mailward.app.backups.due import BUSY, FAILED, last_moment_at, whats_due
from mailward.app.backups.making import backup_actor, make, prune
from mailward.app.backups.moments import make_moment, prune_moments
from mailward.app.backups.trying import try_newest
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.settings import Settings
from mailward.app.steady import Steady
from mailward.base.errors import Conflict, MailwardError
from mailward.core.backup.model import Trial
from mailward.core.backup.note import note_failure
from mailward.core.backup.ports import Shelf


async def attend(i: Installation, shelf: Shelf, *, now: datetime) -> list[str]:
    """Do what is due; what was wrong, for the log. Conflict when somebody else is at it."""
    actor, options, wrong = backup_actor(), i.settings.backup, []
    last = last_moment_at(i.settings.data)
    certain = Steady(i.settings.data).believes(now)
    found = await i.store.system_read(lambda tx: whats_due(tx, options, now=now, moment=last))
    try:
        if found.moment:
            moment = await make_moment(i, shelf, now=now)
            if moment.base == moment.id and certain:
                await prune_moments(i, shelf, now=now)
        if found.backup:
            await make(i, shelf, actor, now=now)
    except Conflict:
        raise
    except (MailwardError, OSError) as e:
        why = e.detail or e.public if isinstance(e, MailwardError) else type(e).__name__
        await i.store.system_write(lambda tx: note_failure(tx, why, now=now, entropy=i.entropy))
        return [why]
    if found.backup and certain:
        await prune(i, shelf, actor, now=now)
    if found.trial:
        trial, _ = await try_newest(i, shelf, actor, now=now)
        wrong += _faults(trial)
    return wrong


def _faults(trial: Trial) -> list[str]:
    return [f"test of restoring: {fault}" for fault in trial.faults]


async def run(settings: Settings) -> int:
    """One visit. The exit code."""
    shelf = shelf_of(settings.backup)
    if shelf is None:
        return 0
    i = Installation(settings, worker=COMMAND_LINE + os.getpid() % 900)
    await i.open()
    try:
        wrong = await attend(i, shelf, now=i.clock.now())
    except Conflict:
        return BUSY
    finally:
        await i.close()
    for line in wrong:
        print(line, file=sys.stderr)
    return FAILED if wrong else 0


def main() -> None:
    """Read the settings, yield to everybody else, run."""
    os.nice(10)
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    sys.exit(asyncio.run(run(settings)))


if __name__ == "__main__":
    main()
