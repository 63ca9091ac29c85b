"""AVAIL-5 and AVAIL-6: the backups that lie in their place, and what came of restoring the newest one."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.backup.model import MISSED
from mailward.core.evidence.model import Finding, failed, not_configured, passed

_UNSET = "backup.to is not set: a disk that fails takes everything with it"
_ELSEWHERE = "PostgreSQL is backed up by its own tools, which nothing here sees (docs/backups.md says what is needed)"
_TEST_EVERY = timedelta(days=7)


@check("AVAIL-5")
async def backups_are_whole_and_sealed(context: Context) -> Finding:
    """Looks into the place of backups: the newest is a day old at most, signed, and every part of it
    opens to what was written, with this installation's key alone; none is past its term."""
    from mailward.app.backup_options import shelf_of
    from mailward.base.errors import MailwardError

    i, options, now = context.installation, context.settings.backup, context.clock.now()
    if context.settings.storage.kind != "embedded":
        return not_configured(_ELSEWHERE)
    shelf = shelf_of(options)
    if shelf is None:
        return not_configured(_UNSET)
    from mailward.app.backups.place import Files, looking
    from mailward.app.backups.trying import survey

    try:
        seen = await survey(i, shelf)
    except MailwardError as e:
        return failed(f"the place for backups cannot be read: {e.code}")
    good = seen.good
    if seen.strange:
        return failed(f"{len(seen.strange)} manifests were changed, or are another installation's")
    if not good:
        return failed("there is no backup")
    newest = good[max(good)]
    age = now - newest.at
    if age > MISSED:
        return failed(f"the newest backup is {_hours(age)} old: one was missed")
    if faults := seen.faults.get(max(good)):
        return failed(
            f"{len(faults)} of {len(newest.parts)} parts of the newest backup are missing, cut off or changed"
        )
    if old := [m for m in good.values() if now - m.at > options.keep + MISSED]:
        return failed(f"{len(old)} backups are past their term of {options.keep_days} days")
    with looking(i.settings.data) as scratch:
        files = Files(shelf, i.vault, i.entropy, scratch)
        try:
            await files.keys_copy(newest.data_keys.name)
        except MailwardError as e:
            return failed(f"the newest copy of the data keys does not open: {e.code}")
        if await _opens_with_another(files, newest.data_keys.name, scratch, context):
            return failed("a part of the newest backup opens with another key file")
    # It lies there for its term, and the newest is whole: a line that stays red for months would hide the next one.
    damaged = f"; {len(seen.faults)} earlier ones are damaged" if seen.faults else ""
    near = "; on the file system of the data itself" if _beside(shelf.where, context.settings.data) else ""
    return passed(f"{len(good)} backups, the newest {_hours(age)} old, signed, opened whole, and sealed{damaged}{near}")


async def _opens_with_another(files: object, name: str, scratch: Path, context: Context) -> bool:
    """Whether a key file made this moment opens it."""
    from mailward.adapters.vault.vault import Vault
    from mailward.app.backups.place import Files
    from mailward.base.errors import Corrupt

    assert isinstance(files, Files)
    other = Vault(scratch / "other", context.entropy, now=context.clock.now())
    try:
        await Files(files.shelf, other, context.entropy, scratch).keys_copy(name)
    except Corrupt:
        return False
    return True


@check("AVAIL-6")
async def the_newest_backup_was_restored(context: Context) -> Finding:
    """Reads what the last test of restoring found, when it was, how long it took and how old its backup was."""
    options, now = context.settings.backup, context.clock.now()
    if context.settings.storage.kind != "embedded":
        return not_configured(_ELSEWHERE)
    if not options.to:
        return not_configured(_UNSET)
    tests = await context.store.system_read(lambda tx: tx.backups.tests(1))
    if not tests:
        kept = await context.store.system_read(lambda tx: tx.backups.kept())
        if kept and now - kept[-1].at > MISSED:
            return failed(f"no backup was ever restored, and the first is {_hours(now - kept[-1].at)} old")
        return not_configured("no test of restoring has run yet: the first follows the first backup")
    last = tests[0]
    if not last.good:
        return failed(f"the last test failed: {last.faults[0]}; and {len(last.faults) - 1} faults more")
    if now - last.at > (options.test_every or _TEST_EVERY) + MISSED:
        return failed(f"the last test is {_days(now, last.at)} days old, and one is due every {options.test_days or 7}")
    came = f"{last.rows} rows, the log's root and {last.opened} bodies came back as they were"
    point = _hours(timedelta(seconds=last.point_seconds))
    times = f"recovery time {last.seconds:.1f} s, recovery point {point}"
    return passed(f"{came} {_days(now, last.at)} days ago; {times}")


def _beside(place: str, data: Path) -> bool:
    folder = Path(place)
    return folder.is_dir() and folder.stat().st_dev == data.stat().st_dev


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


def _days(now: datetime, at: datetime) -> int:
    return max(0, (now - at).days)
