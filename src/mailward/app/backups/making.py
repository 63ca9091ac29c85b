"""Make a backup, and remove what is past its term."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from mailward import __version__
from mailward.adapters.storage.backup.access import access_of
from mailward.adapters.storage.backup.reading import erased_since
from mailward.adapters.storage.backup.snapshot import Snapshot, pieces, segment_pieces, take
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.segments import segment_path
from mailward.app.backups.place import KEYS, MANIFESTS, PARTS, Files, KeysCopy, backups_in, manifest_name, working
from mailward.app.installation import Installation
from mailward.base import ids
from mailward.base.errors import Corrupt, Unavailable
from mailward.base.ids import WorkspaceId
from mailward.core.backup.manifest import write_manifest
from mailward.core.backup.model import Backup, Manifest, Part
from mailward.core.backup.note import note_backup, note_gone
from mailward.core.backup.ports import Shelf, Tell
from mailward.core.backup.schedule import key_copies_over, over, unnamed
from mailward.policy.access import Actor
from mailward.policy.boundaries import job_actor

# As many tests back as one may still tell of a part that does not open.
_TESTS = 20


def quiet(what: str, done: int, of: int) -> None:
    """Tells nobody."""


def backup_actor() -> Actor:
    """The platform itself: it acts for the installation."""
    return job_actor(WorkspaceId(""), "backup")


async def make(i: Installation, shelf: Shelf, actor: Actor, *, now: datetime, tell: Tell = quiet) -> Backup:
    """Copy what is committed now to the place. What it relies on lies there whole before its manifest does.

    Segments that an earlier backup has, octet for octet, are not written again. Conflict
    while another one is being made, Unavailable when the place or the data cannot be used.
    """
    began = i.clock.monotonic()
    with working(i.settings.data) as scratch:
        await shelf.tidy()
        files = Files(shelf, i.vault, i.entropy, scratch)
        snapshot = await asyncio.to_thread(take, i.settings.data, scratch, i.vault.database_key(), tell=tell)
        id = ids.new("bak", now, i.entropy)
        written = _Written(i, files, id, await _reusable(i, files))
        database = await written.put("database", lambda: pieces(snapshot.database))
        bodies = {}
        for n, segment in enumerate(sorted(snapshot.ends), 1):
            path = segment_path(snapshot.segments, segment)
            bodies[path.name] = await written.segment(snapshot, segment, path.stem)
            tell("bodies", n, len(snapshot.ends))
        data_keys = await written.keys(await asyncio.to_thread(_keys_copy, i, snapshot, now))
        manifest = Manifest(
            id=id,
            at=now,
            version=__version__,
            schema=snapshot.schema,
            rows=snapshot.rows,
            log=snapshot.log,
            database=database,
            bodies=bodies,
            data_keys=data_keys,
            secrets=i.vault.wrapped_secrets(),
        )
        content = write_manifest(manifest, i.vault.backup_signer())
        await shelf.write(manifest_name(id), content)
    backup = Backup(
        id=id,
        at=now,
        rows=sum(snapshot.rows.values()),
        size=sum(p.sealed for p in manifest.parts),
        written=written.octets,
        seconds=i.clock.monotonic() - began,
        keys=tuple(sorted({p.key for p in (*manifest.parts, data_keys)})),
    )
    await i.store.system_write(lambda tx: note_backup(tx, actor, backup, content, now=now))
    return backup


def _keys_copy(i: Installation, snapshot: Snapshot, now: datetime) -> bytes:
    """Data keys as of the snapshot; erasures and access up to this moment, so that a body overwritten meanwhile is
    accounted for.

    As far back as a backup may be restored that knows nothing of them.
    """
    since = int((now - i.settings.backup.keep).timestamp() * 1_000_000)
    db = connect(i.settings.data / "state.db", i.vault.database_key())
    try:
        erased, access = erased_since(db, since), access_of(db)
    finally:
        db.close()
    return msgspec.msgpack.encode(KeysCopy(snapshot.data_keys, erased, access))


async def _reusable(i: Installation, files: Files) -> dict[str, Part]:
    """Segments of the newest readable backup, by hash: those that lie there whole, under the present key."""
    tests = await i.store.system_read(lambda tx: tx.backups.tests(_TESTS))
    bad = {name for test in tests for name in test.bad}
    there = {item.name: item.size for item in await files.shelf.items(PARTS)}
    backups = await backups_in(files.shelf)
    try:
        newest = await files.manifest(backups[-1])
    except (Corrupt, IndexError):
        return {}
    current = i.vault.service.current
    return {
        part.sha256: part
        for part in newest.bodies.values()
        if part.key == current and there.get(part.name) == part.sealed and part.name not in bad
    }


class _Written:
    """The parts of one backup."""

    def __init__(self, i: Installation, files: Files, id: str, known: dict[str, Part]) -> None:
        self._i = i
        self._files = files
        self._id = id
        self._known = known
        self.octets = 0

    async def put(self, what: str, source: Callable[[], Iterator[bytes]]) -> Part:
        part = await self._files.put(f"{PARTS}{self._id}-{what}.mwb", source)
        self.octets += part.sealed
        return part

    async def segment(self, snapshot: Snapshot, segment: int, stem: str) -> Part:
        """An earlier one with the same octets, or a new one."""
        if self._known:
            digest = await asyncio.to_thread(_hash, snapshot, segment)
            if (known := self._known.get(digest)) is not None:
                return known
        return await self.put(stem, lambda: segment_pieces(snapshot, segment))

    async def keys(self, content: bytes) -> Part:
        part = await self._files.put(f"{KEYS}{self._id}.mwb", lambda: iter((content,)))
        self.octets += part.sealed
        return part


def _hash(snapshot: Snapshot, segment: int) -> str:
    import hashlib

    digest = hashlib.sha256()
    for piece in segment_pieces(snapshot, segment):
        digest.update(piece)
    return digest.hexdigest()


async def prune(i: Installation, shelf: Shelf, actor: Actor, *, now: datetime) -> list[str]:
    """Remove backups past their term, copies of data keys past their week, and parts that no backup names any more.

    Where a manifest is not readable, or another installation's, no old part is removed: it may be named there.
    """
    with working(i.settings.data) as scratch:
        files = Files(shelf, i.vault, i.entropy, scratch)
        there = {item.backup: item.at for item in await shelf.items(MANIFESTS) if item.at is not None}
        gone = [id for id in over(there, now, i.settings.backup.keep) if await _is_ours(files, id)]
        await shelf.remove([manifest_name(id) for id in gone])
        await shelf.remove(key_copies_over(await shelf.items(KEYS), now))
        # A part lies there for the backup it was written for; what was that of one that went may serve a later one.
        orphans = [item for item in await shelf.items(PARTS) if item.backup not in there or item.backup in gone]
        if orphans:
            good, strange = await files.manifests()
            await shelf.remove([] if strange else unnamed(orphans, good.values(), now))
    # Also those that somebody removed by hand.
    recorded = await i.store.system_read(lambda tx: tx.backups.kept())
    lost = [b.id for b in reversed(recorded) if b.id not in there]
    if gone or lost:
        await i.store.system_write(lambda tx: note_gone(tx, actor, [*gone, *lost], now=now))
    return gone


async def _is_ours(files: Files, id: str) -> bool:
    try:
        await files.manifest(id)
    except Corrupt:
        return False
    return True


def require_place(i: Installation) -> Shelf:
    """The place of the settings. Unavailable, saying what to do, when there is none or the store is another's."""
    from mailward.app.backup_options import shelf_of

    if i.settings.storage.kind != "embedded":
        raise Unavailable(
            "backup_elsewhere",
            "PostgreSQL is backed up by its own tools: pgBackRest or WAL archiving for the database, versioning or a "
            "second bucket for the bodies, and a copy of the key file apart from both. docs/backups.md says how.",
        )
    shelf = shelf_of(i.settings.backup)
    if shelf is None:
        raise Unavailable("no_backup_place", "There is no place for backups: set backup.to (docs/backups.md).")
    return shelf


__all__ = ["backup_actor", "make", "prune", "quiet", "require_place"]
