"""Restore: a data folder made anew from a backup and the kept copy of the key file."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.backup.access import Access, access_of, taken_since
from mailward.adapters.storage.backup.reading import KeyRow, open_copy, put_keys
from mailward.adapters.vault.vault import Vault
from mailward.adapters.vault.vault import put_keys as put_key_files
from mailward.app.backups.bringing import Brought, bring_back, bring_moment
from mailward.app.backups.making import quiet
from mailward.app.backups.place import MANIFESTS, Files, backups_in, manifest_name, moment_name, moments_in
from mailward.app.backups.taking_away import TakenAway, take_away
from mailward.app.installation import COMMAND_LINE, Installation
from mailward.app.roles import ORDER, Hold, StartError
from mailward.app.settings import Settings
from mailward.app.stores import prepare_store
from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.backup.manifest import peek, read_manifest
from mailward.core.backup.model import Manifest
from mailward.core.backup.moment import Moment, chosen, peek_moment, read_moment
from mailward.core.backup.ports import Shelf, Tell
from mailward.core.delivery.lease import clear_idle_slots
from mailward.core.inbound.expire import erase_one
from mailward.core.messages.erase import erase
from mailward.policy.access import Actor
from mailward.policy.boundaries import of_verb

# What may lie in a folder that nothing was ever kept in.
_HARMLESS = frozenset(("lost+found", "roles", "mailward.lock", "mailward.pid", ".restoring", "backup"))


@dataclass
class Restored:
    """What was restored, and what of it is missing."""

    manifest: Manifest | Moment
    found: Brought
    in_place: bool
    erased_again: int = 0
    taken_away: TakenAway = field(default_factory=TakenAway)
    seconds: float = 0.0


async def restore(
    settings: Settings,
    shelf: Shelf,
    key_file: Path,
    *,
    backup: str | None,
    damaged: bool,
    at: datetime | None = None,
    revoke_all: bool = False,
    tell: Tell = quiet,
) -> Restored:
    """Make the data folder of these settings from a backup: the newest one unless named.

    With `at` it is the newest state that was kept and is not after that time, of a backup or of a moment between two.

    StartError when the folder holds anything or a platform runs on it. A backup that is not
    as it was made is put in place only when `damaged` allows it. What was erased at
    somebody's request after the backup was made is erased again, and what was taken away of
    access is taken away again, as far as the newest copy of the data keys knows; with
    `revoke_all` every credential is revoked. Sessions end. Unavailable when the key file or the place cannot be
    used, Corrupt when the key file is another installation's or the manifest was changed.
    """
    clock = SystemClock()
    began, now = clock.monotonic(), clock.now()
    data = settings.data
    if data.exists() and (there := sorted(p.name for p in data.iterdir() if p.name not in _HARMLESS)):
        raise StartError(f"{data} is not empty ({', '.join(there[:5])}): a restore overwrites nothing")
    hold = Hold(data, ORDER, patience=0.0)
    try:
        making = data / ".restoring"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        moment, id = await _wanted(shelf, backup, at)
        content = await shelf.read(moment_name(id) if moment else manifest_name(id))
        # The secrets prove themselves: the key file opens them or it does not. The signature's key is among them.
        put_key_files(making / "keys", key_file, (peek_moment if moment else peek)(content).secrets)
        vault = Vault(making / "keys", SystemEntropy(), now=now)
        files = Files(shelf, vault, SystemEntropy(), making)
        manifest: Manifest | Moment
        if moment:
            manifest = read_moment(content, vault.backup_signer(), id=id)
            found = await bring_moment(files, manifest, making / "data", vault, tell)
        else:
            manifest = read_manifest(content, vault.backup_signer(), id=id)
            found = await bring_back(files, manifest, making / "data", vault, tell)
        if not found.usable or (found.faults and not damaged):
            return Restored(manifest, found, False, seconds=clock.monotonic() - began)
        then = await asyncio.to_thread(_settle, making, vault.database_key(), found.data_keys)
        gone = taken_since(then, found.access, every_credential=revoke_all)
        _move(making, data)
        hold.started()
        erased, taken = await _begin_again(settings, manifest, found.erased, gone, now)
        return Restored(manifest, found, True, erased, taken, clock.monotonic() - began)
    finally:
        shutil.rmtree(data / ".restoring", ignore_errors=True)
        hold.release()


async def _wanted(shelf: Shelf, backup: str | None, at: datetime | None) -> tuple[bool, str]:
    """(whether it is a moment, its id). NotFound."""
    there = await backups_in(shelf)
    if at is None:
        if not there or (backup and backup not in there):
            raise NotFound("no_such_backup", f"There is no such backup in {shelf.where}.")
        return False, backup or there[-1]
    moments = await moments_in(shelf)
    made = {item.backup: item.at for item in await shelf.items(MANIFESTS) if item.at is not None}
    id = chosen({**{id: made[id] for id in there}, **moments}, at)
    if id is None:
        raise NotFound("no_such_backup", f"Nothing in {shelf.where} is as old as that.")
    return id in moments, id


def _settle(making: Path, key: bytes, data_keys: list[KeyRow]) -> Access:
    """Data keys as the newest copy has them: what was destroyed since stays destroyed. Nobody is signed in.

    Who has access in what was restored.
    """
    db = open_copy(making / "data" / "state.db", key)
    put_keys(db, data_keys)
    with db:
        for table in ("t_sessions", "tickets", "setup_links"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608  # names of ours
    then = access_of(db)
    db.close()
    with (making / "data" / "state.db").open("rb") as f:
        os.fsync(f.fileno())
    return then


def _move(making: Path, data: Path) -> None:
    """Into place, the database last: without it there is no installation."""
    (making / "keys").rename(data / "keys")
    (making / "data" / "segments").rename(data / "segments")
    (making / "data" / "state.db").rename(data / "state.db")
    fd = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


async def _begin_again(
    settings: Settings, manifest: Manifest | Moment, erased: list[tuple[bytes, str]], gone: Access, now: datetime
) -> tuple[int, TakenAway]:
    """Migrate, give back leases, erase and take away again what was since, and say in the log what happened."""
    vault = Vault(settings.data / "keys", SystemEntropy(), now=now)
    await asyncio.to_thread(prepare_store, settings, vault, SystemClock())
    i = Installation(settings, worker=COMMAND_LINE + 998)
    await i.open()
    try:
        us = int(now.timestamp() * 1_000_000)
        await i.store.system_write(lambda tx: clear_idle_slots(tx, lambda slot: True, now=us))
        again = 0
        for workspace, message in erased:
            again += await _erase_again(i, workspace, message, now)
        actor = Actor(WorkspaceId(""), "cli", "cli", of_verb("backup restore"))
        taken = await take_away(i, gone, now=now)
        facts = {"made": manifest.at.isoformat(), "erased_again": str(again), "taken_away_again": str(taken.all)}
        await i.store.system_write(lambda tx: tx.audit.append(actor, "backup.restored", manifest.id, facts, now=now))
        return again, taken
    finally:
        await i.close()


async def _erase_again(i: Installation, workspace: bytes, message: str, now: datetime) -> bool:
    scope = WorkspaceId(ids.encode("ws", workspace))
    actor = Actor(scope, "cli", "cli", of_verb("message erase"))
    us = int(now.timestamp() * 1_000_000)
    try:
        if message.startswith("rcv_"):
            await i.store.write(scope, lambda tx: erase_one(tx, actor, message, now=now))
        else:
            raw, key = ids.decode("msg", message), i.search_key(workspace)
            await i.store.write(scope, lambda tx: erase(tx, actor, raw, key=key, now=us))
    except NotFound:
        return False
    return True
