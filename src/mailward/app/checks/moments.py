"""AVAIL-3 on the embedded store: what was committed now is in the place of backups, and comes back from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mailward.app.context import Context
from mailward.base.errors import Conflict, MailwardError
from mailward.core.evidence.model import Finding, failed, not_configured, passed

if TYPE_CHECKING:
    from mailward.app.backups.bringing import Brought

# More than this is not put together by a check, which shares the machine with mail.
_LARGEST = 512 << 20
_LATE = timedelta(minutes=30)
_TRIES, _PAUSE_SECONDS = 60, 1.0
T = TypeVar("T")


async def a_minute_comes_back(context: Context) -> Finding:
    """How late the last moment is; then one more, put together aside: whole, ours, with what was committed before."""
    from mailward.app.backup_options import shelf_of
    from mailward.app.backups.due import last_moment_at
    from mailward.app.backups.moments import last_known, make_moment

    i, options = context.installation, context.settings.backup
    shelf = shelf_of(options)
    if shelf is None or not options.every_minutes:
        unset = "backup.every_minutes is 0" if options.to else "backup.to is not set"
        return not_configured(f"{unset}: nothing is copied between backups")
    data, now = context.settings.data, context.clock.now()
    last = last_moment_at(data)
    if last is not None and now - last > options.moment_every + _LATE:
        return failed(f"the last moment was sent {round((now - last) / timedelta(minutes=1))} minutes ago")
    committed = await asyncio.to_thread(_entries, data / "state.db", i.vault.database_key())
    try:
        moment = await _when_free(lambda: make_moment(i, shelf, now=now))
        size = sum(part.sealed for part in moment.parts)
        if size > _LARGEST:
            return not_configured(f"moments are sent, and {size >> 20} MiB are more than this check restores")
        began = i.clock.monotonic()
        found, entries = await _when_free(lambda: _restored(context, moment.id))
    except Conflict:
        return not_configured("a backup was being made all the while: ask again")
    except MailwardError as e:
        return failed(f"what changed could not be sent or read again: {e.code}")
    if found.faults:
        return failed(f"what was sent does not come back: {found.faults[0]}")
    if entries < committed:
        return failed(f"{committed} entries of the log were committed, and {entries} came back")
    known = last_known(data)
    if known is None or known.moment.id != moment.id:
        return failed("what is known of the last moment was not kept: each one would begin anew")
    took = i.clock.monotonic() - began
    return passed(
        f"every {options.every_minutes} minutes what changed is sent, kept for a week; the state of now was restored "
        f"aside in {took:.1f} s: {found.rows} rows, {found.opened} of {found.bodies} bodies opened"
    )


async def _when_free(act: Callable[[], Awaitable[T]]) -> T:
    """Do it when no backup is being made, within a minute or so. Conflict when one is made all the while."""
    for _ in range(_TRIES):
        try:
            return await act()
        except Conflict:
            await asyncio.sleep(_PAUSE_SECONDS)
    return await act()


async def _restored(context: Context, id: str) -> tuple[Brought, int]:
    from mailward.app.backup_options import shelf_of
    from mailward.app.backups.bringing import bring_moment
    from mailward.app.backups.making import quiet
    from mailward.app.backups.place import Files, moment_name, working
    from mailward.core.backup.moment import read_moment

    i, shelf = context.installation, shelf_of(context.settings.backup)
    assert shelf is not None
    with working(context.settings.data) as scratch:
        files = Files(shelf, i.vault, i.entropy, scratch)
        moment = read_moment(await shelf.read(moment_name(id)), i.vault.backup_signer(), id=id)
        found = await bring_moment(files, moment, scratch / "restored", i.vault, quiet)
        entries = 0
        if found.usable:
            path = scratch / "restored" / "state.db"
            entries = await asyncio.to_thread(_entries, path, i.vault.database_key())
        return found, entries


def _entries(path: Path, key: bytes) -> int:
    from mailward.adapters.storage.sqlite.connection import connect

    db = connect(path, key)
    try:
        row = db.execute("SELECT count(*) FROM t_audit").fetchone()
        return int(str(row[0])) if row else 0
    finally:
        db.close()
