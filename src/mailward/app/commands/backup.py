"""`mailward backup`: copies of the embedded store elsewhere, looked at, tried, and restored from."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import cyclopts
import msgspec
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, print_facts, print_json, print_table
from mailward.app.commands.progress import bar
from mailward.app.context import Context, run
from mailward.app.settings import SettingsError, load
from mailward.base.ids import WorkspaceId

app = cyclopts.App(name="backup", help="Backups of the embedded store.")

_LIVE = (
    "What was revoked up to the newest copy of the data keys is revoked. What was revoked after that WORKS AGAIN:\n"
    "revoke it once more, or everything that was made before with `mailward key revoke-all --everywhere`."
)
_LIVE_UNKNOWN = (
    "The place does not know what was revoked since this backup was made: IT WORKS AGAIN. Revoke everything that was\n"
    "made before with `mailward key revoke-all --everywhere`, and look at members and operators."
)

Id = Annotated[str | None, Parameter(help="The backup; the newest one by default.")]


@app.command
def create(*, config: Config = None, json: Json = False) -> int:
    """Make a backup now, while the platform runs, and remove those past their term. The key file is in none of them."""

    async def act(context: Context) -> int:
        from mailward.app.backups.making import make, prune, require_place

        i, now = context.installation, context.clock.now()
        shelf, actor = require_place(i), replace(context.actor, workspace=WorkspaceId(""))
        with bar() as shown:
            made = await make(i, shelf, actor, now=now, tell=shown.table)
            gone = await prune(i, shelf, actor, now=now)
        facts = {
            "backup": made.id,
            "at": made.at.isoformat(),
            "place": shelf.where,
            "rows": made.rows,
            "octets": made.size,
            "written": made.written,
            "seconds": round(made.seconds, 2),
            "removed": gone,
        }
        if json:
            print_json(facts)
        else:
            print_facts({**facts, "removed": len(gone)})
            print("\nNo backup holds the key file: keep a copy of keys/master.key apart from them.")
        return 0

    return run(config, None, act)


@app.command(name="list")
def list_(*, config: Config = None, json: Json = False) -> int:
    """The backups that lie in the place, newest first, and the last test of restoring. Exits 1 when one is damaged.

    Of each the manifest is verified and the size of its parts compared; the parts of the newest are opened, which reads
    all of it. `verify BACKUP` opens those of another.
    """

    async def act(context: Context) -> int:
        from mailward.app.backups.making import require_place
        from mailward.app.backups.trying import survey

        i = context.installation
        shelf = require_place(i)
        with bar() as shown:
            seen = await survey(i, shelf, shown.table)
        tests = await i.store.system_read(lambda tx: tx.backups.tests(1))
        rows = [
            (m.id, m.at.isoformat(timespec="seconds"), sum(m.rows.values()), sum(p.sealed for p in m.parts), m.version)
            for m in reversed(seen.good.values())
        ]
        if json:
            names = ("backup", "at", "rows", "octets", "version")
            print_json(
                {
                    "place": shelf.where,
                    "backups": [dict(zip(names, row, strict=True)) for row in rows],
                    "not_readable": seen.strange,
                    "damaged": seen.faults,
                    "last_test": tests[0] if tests else None,
                }
            )
        else:
            print_table(rows, ("backup", "at", "rows", "octets", "version"))
            for id in seen.strange:
                print(f"NOT READABLE: {id}: its manifest was changed, or is another installation's")
            for id, faults in seen.faults.items():
                print(f"DAMAGED: {id}: {faults[0]}" + (f"; and {len(faults) - 1} faults more" if faults[1:] else ""))
            if tests:
                good_or = "good" if tests[0].good else f"FAILED: {tests[0].faults[0]}"
                print(f"\nlast test of restoring: {tests[0].at.isoformat(timespec='seconds')}, {good_or}")
        return 1 if seen.strange or seen.faults else 0

    return run(config, None, act)


@app.command
def verify(backup: Id = None, *, config: Config = None, json: Json = False) -> int:
    """Open every part of a backup and compare it with the signed manifest, restoring nothing. Exits 1 on damage."""

    async def act(context: Context) -> int:
        from mailward.app.backups.making import require_place
        from mailward.app.backups.trying import look_over

        with bar() as shown:
            id, faults = await look_over(context.installation, require_place(context.installation), backup, shown.table)
        if json:
            print_json({"backup": id, "good": not faults, "faults": faults})
        else:
            for fault in faults:
                print(f"FAULT: {fault}")
            print(f"{id}: {'as it was written' if not faults else 'DAMAGED'}")
        return 1 if faults else 0

    return run(config, None, act)


@app.command(name="test")
def try_(*, config: Config = None, json: Json = False) -> int:
    """Restore the newest backup to a scratch place, compare everything, and keep the result. Exits 1 when it fails."""

    async def act(context: Context) -> int:
        from mailward.app.backups.making import require_place
        from mailward.app.backups.trying import try_newest

        i, actor = context.installation, replace(context.actor, workspace=WorkspaceId(""))
        with bar() as shown:
            trial, _ = await try_newest(i, require_place(i), actor, now=context.clock.now(), tell=shown.table)
        if json:
            print_json({"good": trial.good, **msgspec.to_builtins(trial)})
            return 0 if trial.good else 1
        print_facts(
            {
                "backup": trial.backup or "none",
                "recovery time": f"{trial.seconds:.1f} s",
                "recovery point": f"{timedelta(seconds=round(trial.point_seconds))} ago",
                "rows": trial.rows,
                "bodies": f"{trial.bodies}, {trial.opened} opened",
            }
        )
        for fault in trial.faults:
            print(f"FAULT: {fault}")
        print("it can be restored" if trial.good else "it can NOT be restored as it was")
        return 0 if trial.good else 1

    return run(config, None, act)


@app.command
def restore(
    backup: Id = None,
    *,
    at: Annotated[
        datetime | None, Parameter(help="The newest state kept that is not after this time; UTC unless it says more.")
    ] = None,
    key: Annotated[Path, Parameter(help="The kept copy of keys/master.key.")],
    from_: Annotated[str | None, Parameter(name="--from", help="Where backups lie; backup.to by default.")] = None,
    damaged: Annotated[bool, Parameter(negative="", help="Restore a damaged backup too: what of it opens.")] = False,
    revoke_all: Annotated[
        bool, Parameter(negative="", help="Revoke every API key and SMTP credential of every workspace, too.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Make the data folder of the settings from a backup and the kept key file. It must be empty.

    Keys that were revoked, people who lost their place, and operators who ended since are taken away
    again, as the newest copy of the data keys in the place knows them.

    Everything is compared with the signed manifest before it is put in place. Exit codes: 0
    restored as it was, 1 it is damaged (and was restored only with --damaged), 3 cannot start.
    """
    settings = load(config, os.environ)
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    if from_ is not None:
        from mailward.app.backup_options import BackupError, check_backup

        settings.backup.to = str(Path(from_).absolute()) if "://" not in from_ else from_
        try:
            check_backup(settings.backup, data=settings.data, embedded=settings.storage.kind == "embedded")
        except BackupError as e:
            raise SettingsError(str(e)) from e
    from mailward.app.backup_options import shelf_of
    from mailward.app.backups.restoring import restore as bring

    shelf = shelf_of(settings.backup)
    if shelf is None:
        raise SettingsError("backup.to: say where backups lie, there or by --from")
    with bar() as shown:
        done = asyncio.run(
            bring(settings, shelf, key, backup=backup, damaged=damaged, at=at, revoke_all=revoke_all, tell=shown.table)
        )
    facts = {
        "backup": done.manifest.id,
        "made": done.manifest.at.isoformat(timespec="seconds"),
        "restored": done.in_place,
        "rows": done.found.rows,
        "bodies": done.found.bodies,
        "opened": done.found.opened,
        "erased_again": done.erased_again,
        "access_known": done.found.access is not None,
        "credentials_revoked": done.taken_away.credentials,
        "places_taken": done.taken_away.places,
        "people_disabled": done.taken_away.people,
        "operators_ended": done.taken_away.operators,
        "seconds": round(done.seconds, 2),
        "faults": done.found.faults,
    }
    if json:
        print_json(facts)
    else:
        print_facts({**facts, "faults": len(done.found.faults)})
        for fault in done.found.faults:
            print(f"FAULT: {fault}")
        if done.in_place:
            print(f"\nIt is in {settings.data}.")
            if not revoke_all:
                print(_LIVE if done.found.access is not None else _LIVE_UNKNOWN)
            for person in done.taken_away.kept:
                print(f"{person} kept their place: the workspace would have no manager. Look at it.")
            print("Read docs/backups.md before you start it: what was true then is true again.")
        else:
            print("\nNothing was put in place. Another backup may be whole; --damaged takes what opens of this one.")
    return 1 if done.found.faults else 0
