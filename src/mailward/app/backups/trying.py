"""Try the newest backup: restore it to a scratch place, compare, time it, and keep what was found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailward.app.backups.bringing import Brought, bring_back
from mailward.app.backups.making import quiet
from mailward.app.backups.place import PARTS, Files, backups_in, looking, working
from mailward.app.installation import Installation
from mailward.base import ids
from mailward.base.errors import Corrupt, NotFound
from mailward.core.backup.model import Manifest, Trial
from mailward.core.backup.note import note_test
from mailward.core.backup.ports import Shelf, Tell
from mailward.core.guard.model import Alert
from mailward.policy.access import Actor


@dataclass(frozen=True)
class Survey:
    """What lies in a place of backups."""

    good: dict[str, Manifest]
    """By id, oldest first, whose manifest is ours."""
    strange: list[str]
    """Ids of those whose manifest was changed, or is another installation's."""
    faults: dict[str, list[str]]
    """Of those that are damaged: what is amiss."""


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
        return wanted, await open_parts(files, manifest, tell)


async def open_parts(files: Files, manifest: Manifest, tell: Tell = quiet) -> list[str]:
    """Open every part of a backup, its data keys included: what is amiss. Reads all of them; Unavailable."""
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
    try:
        await files.keys_copy(manifest.data_keys.name)
    except Corrupt:
        faults.append(f"{manifest.data_keys.name} was changed or damaged")
    except NotFound:
        # A copy goes after seven days, as is meant: a restore takes the newest one.
        pass
    return faults


async def survey(i: Installation, shelf: Shelf, tell: Tell = quiet) -> Survey:
    """Every backup of the place, and which are damaged, restoring nothing.

    The manifest of each is verified and each part's size compared; the parts of the newest are opened. Unavailable.
    """
    with looking(i.settings.data) as scratch:
        files = Files(shelf, i.vault, i.entropy, scratch)
        good, strange = await files.manifests()
        there = {item.name: item.size for item in await shelf.items(PARTS)}
        faults = {id: cut_off(manifest, there) for id, manifest in good.items()}
        if good and not faults[newest := max(good)]:
            faults[newest] = await open_parts(files, good[newest], tell)
        # One that was removed meanwhile, its manifest first, is not damaged.
        still = await backups_in(shelf) if any(faults.values()) else []
    return Survey(good, strange, {id: faults[id] for id in still if faults.get(id)})


def cut_off(manifest: Manifest, there: dict[str, int]) -> list[str]:
    """Parts of a backup that do not lie in the place with the size they were written in. `there`: name to octets."""
    return [
        f"{part.name} is missing" if part.name not in there else f"{part.name} is cut off or longer"
        for part in manifest.parts
        if there.get(part.name) != part.sealed
    ]
