"""Try the newest backup: restore it to a scratch place, compare, time it, and keep what was found."""

from __future__ import annotations

from datetime import datetime

from mailward.app.backups.bringing import Brought, bring_back
from mailward.app.backups.making import quiet
from mailward.app.backups.place import Files, backups_in, working
from mailward.app.installation import Installation
from mailward.base import ids
from mailward.base.errors import Corrupt, NotFound
from mailward.core.backup.model import Trial
from mailward.core.backup.note import note_test
from mailward.core.backup.ports import Shelf, Tell
from mailward.core.guard.model import Alert
from mailward.policy.access import Actor


async def try_newest(
    i: Installation, shelf: Shelf, actor: Actor, *, now: datetime, tell: Tell = quiet
) -> tuple[Trial, Alert | None]:
    """What came of it, and the alert it raised. Conflict while a backup is made, Unavailable when the place is away."""
    began = i.clock.monotonic()
    with working(i.settings.data) as scratch:
        files = Files(shelf, i.vault, i.entropy, scratch)
        there = await backups_in(shelf)
        newest = there[-1] if there else ""
        point = 0.0
        try:
            if not newest:
                raise NotFound("no_such_backup", "There is no backup.")
            manifest = await files.manifest(newest)
            point = (now - manifest.at).total_seconds()
            found = await bring_back(files, manifest, scratch / "restored", i.vault, tell)
        except NotFound:
            found = Brought(faults=["there is no backup"])
        except Corrupt:
            found = Brought(faults=["its manifest was changed or damaged"])
    trial = Trial(
        id=ids.new("rst", now, i.entropy),
        backup=newest,
        at=now,
        seconds=i.clock.monotonic() - began,
        point_seconds=point,
        rows=found.rows,
        bodies=found.bodies,
        opened=found.opened,
        faults=tuple(found.faults[:20]),
        bad=tuple(found.bad),
    )
    alert = await i.store.system_write(lambda tx: note_test(tx, actor, trial, now=now, entropy=i.entropy))
    return trial, alert


async def look_over(i: Installation, shelf: Shelf, id: str | None, tell: Tell = quiet) -> tuple[str, list[str]]:
    """Open every part of a backup (the newest one unless named) without restoring it: its id, and what is amiss."""
    with working(i.settings.data) as scratch:
        files = Files(shelf, i.vault, i.entropy, scratch)
        there = await backups_in(shelf)
        if not there:
            raise NotFound("no_such_backup", "There is no backup.")
        wanted = id or there[-1]
        try:
            manifest = await files.manifest(wanted)
        except Corrupt as e:
            return wanted, [f"the manifest: {e.detail}"]
        total, done, faults = sum(p.sealed for p in manifest.parts), 0, []
        for part in manifest.parts:
            try:
                await files.get(part, None)
            except Corrupt:
                faults.append(f"{part.name} was changed or damaged")
            except NotFound:
                faults.append(f"{part.name} is missing")
            done += part.sealed
            tell("checking", done, total)
        return wanted, faults
