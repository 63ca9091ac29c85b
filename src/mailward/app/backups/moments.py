"""Moments: every few minutes what changed since the last one goes to the place of backups.

The first of a day has every page of the database, those after it the pages that changed, the
committed write-ahead log, and what was appended to segments. What is known of the last one
lies in a file of the data folder; without it the next one begins anew, which costs time
and nothing else. Pages hold data keys, so moments are kept for as long as copies of those.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from mailward import __version__
from mailward.adapters.storage.backup.access import access_of
from mailward.adapters.storage.backup.reading import erased_since, keys_of
from mailward.adapters.storage.backup.snapshot import pieces
from mailward.adapters.storage.backup.stream import (
    Log,
    Pages,
    changed_at,
    digest_of,
    log_pieces,
    records_end,
    span,
    still,
)
from mailward.app.backups.place import KEYS, STREAM, Files, KeysCopy, moment_name, moments_in, working
from mailward.app.installation import Installation
from mailward.base import ids
from mailward.base.errors import Corrupt, Unavailable
from mailward.core.backup.model import Part
from mailward.core.backup.moment import Moment, moments_over, read_moment, unnamed, write_moment
from mailward.core.backup.ports import Shelf

# A base anew each day: so much is lost at most with one part that spoils.
_BASE_EVERY = timedelta(days=1)
_TRIES = 3


class Segment(NamedTuple):
    """What is known of a segment: as it lay there then, and where its last piece begins and ends."""

    changed: int
    size: int
    start: int
    end: int


class Known(msgspec.Struct, array_like=True, frozen=True):
    """What the next moment needs to know of the last one."""

    moment: Moment
    base_at: datetime
    digests: bytes
    file: tuple[int, int]
    """Octets of the database's file, and when it was changed (nanoseconds)."""
    log: Log
    segments: dict[str, Segment]
    keys: str
    """Hash of the data keys that were copied last."""


async def make_moment(i: Installation, shelf: Shelf, *, now: datetime) -> Moment:
    """Send what changed since the last one. Conflict while a backup is made, Unavailable without place or data."""
    with working(i.settings.data) as scratch:
        await shelf.tidy()
        making = _Making(i, Files(shelf, i.vault, i.entropy, scratch), scratch, now)
        return await making.run(await _known(i, shelf, now))


async def _known(i: Installation, shelf: Shelf, now: datetime) -> Known | None:
    """The last one, if what is known of it may be built upon."""
    known = last_known(i.settings.data)
    if known is None or not timedelta() <= now - known.base_at < _BASE_EVERY:
        return None
    there = {item.name: item.size for item in await shelf.items(STREAM)}
    whole = all(there.get(p.name) == p.sealed and p.key == i.vault.service.current for p in known.moment.parts)
    grown = sum(p.sealed for p in known.moment.pages[1:]) > known.moment.pages[0].sealed
    return known if whole and not grown and known.moment.id in await moments_in(shelf) else None


def last_known(data: Path) -> Known | None:
    """What is known of the last moment; None without one that can be read."""
    try:
        return msgspec.msgpack.decode((data / "backup" / "moment").read_bytes(), type=Known)
    except (OSError, msgspec.MsgspecError):
        return None


class _Making:
    """One moment."""

    def __init__(self, i: Installation, files: Files, scratch: Path, now: datetime) -> None:
        self._i = i
        self._data = i.settings.data
        self._files = files
        self._scratch = scratch
        self._now = now
        self._id = ids.new("bak", now, i.entropy)

    async def run(self, last: Known | None) -> Moment:
        for left in reversed(range(_TRIES)):
            try:
                log, after, digests, file, keys = await asyncio.to_thread(self._take, last)
                break
            except Unavailable:
                if not left:
                    raise
        was = last.moment if last is not None else None
        pages, logs = (was.pages, was.log if after else ()) if was is not None else ((), ())
        pages += await self._put("pages")
        logs += await self._put("log")
        bodies, segments = await self._bodies(last)
        copied = hashlib.sha256(keys).hexdigest()
        if last is None or copied != last.keys:
            await self._files.put(f"{KEYS}{self._id}.mwb", lambda: iter((keys,)))
        moment = Moment(
            id=self._id,
            at=self._now,
            base=was.base if was is not None else self._id,
            version=__version__,
            size=file[0],
            pages=pages,
            log=logs,
            bodies=bodies,
            secrets=self._i.vault.wrapped_secrets(),
        )
        await self._files.shelf.write(moment_name(moment.id), write_moment(moment, self._i.vault.backup_signer()))
        began = last.base_at if last is not None else self._now
        self._note(Known(moment, began, digests, file, log, segments, copied))
        return moment

    def _take(self, last: Known | None) -> tuple[Log, int, bytes, tuple[int, int], bytes]:
        """What changed, into files of the scratch folder, as one state."""
        path = self._data / "state.db"
        with still(self._data, self._i.vault.database_key()) as (db, log):
            same = last is not None and last.log.salt == log.salt and last.log.octets <= log.octets
            after = last.log.octets if last is not None and same else 0
            _write(self._scratch / "log", log_pieces(self._data, log, after) if log.octets > after else iter(()))
            file, digests = changed_at(path), last.digests if last is not None else b""
            if last is None or not file[1] or last.file != file:
                found = Pages(path, digests)
                _write(self._scratch / "pages", found.changed())
                digests, file = bytes(found.digests), (found.size, file[1])
            since = int((self._now - self._i.settings.backup.keep).timestamp() * 1_000_000)
            rows = keys_of(db)
            keys = msgspec.msgpack.encode(KeysCopy(rows, erased_since(db, since), access_of(db)))
        return log, after, digests, file, keys

    async def _put(self, what: str) -> tuple[Part, ...]:
        """The file of that name as a part; none of an empty one."""
        path = self._scratch / what
        if not path.exists() or not path.stat().st_size:
            path.unlink(missing_ok=True)
            return ()
        part = await self._files.put(f"{STREAM}{self._id}-{what}.mwb", lambda: pieces(path))
        path.unlink()
        return (part,)

    async def _bodies(self, last: Known | None) -> tuple[dict[str, tuple[Part, ...]], dict[str, Segment]]:
        """Segments after the database: a record is durable before the row that names it."""
        had, knew = (last.moment.bodies, last.segments) if last is not None else ({}, {})
        bodies: dict[str, tuple[Part, ...]] = {}
        segments: dict[str, Segment] = {}
        for path in sorted((self._data / "segments").glob("*.seg")):
            try:
                bodies[path.name], segments[path.name] = await self._segment(
                    path, had.get(path.name, ()), knew.get(path.name)
                )
            except FileNotFoundError:
                continue  # removed since it was listed: its content is over
        return {name: parts for name, parts in bodies.items() if parts}, segments

    async def _segment(
        self, path: Path, parts: tuple[Part, ...], known: Segment | None
    ) -> tuple[tuple[Part, ...], Segment]:
        size, changed = await asyncio.to_thread(changed_at, path)
        if known is not None and changed and (known.changed, known.size) == (changed, size):
            return parts, known
        start = end = 0
        if known is not None and parts and known.end <= size:
            start, end = known.start, known.end
            # The last record may have been half written then, as no row named it: then its piece is made anew.
            if await asyncio.to_thread(digest_of, path, start, end) != parts[-1].sha256:
                parts, end = parts[:-1], start
        else:
            parts = ()
        upto = await asyncio.to_thread(records_end, path, end)
        if upto > end:
            name = f"{STREAM}{self._id}-{path.stem}.mwb"
            parts += (await self._files.put(name, lambda: span(path, end, upto)),)
            start, end = end, upto
        return parts, Segment(changed, size, start, end)

    def _note(self, known: Known) -> None:
        path = self._data / "backup" / "moment"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.msgpack.encode(known))
        fresh.chmod(0o600)
        fresh.replace(path)
        (path.parent / "moment-at").write_text(known.moment.at.isoformat(), "ascii")


def _write(path: Path, source: Iterator[bytes]) -> None:
    with path.open("wb") as f:
        for piece in source:
            f.write(piece)


async def prune_moments(i: Installation, shelf: Shelf, *, now: datetime) -> list[str]:
    """Remove moments past their week, and what no other one names; the ids of those that went."""
    with working(i.settings.data):
        there = await moments_in(shelf)
        gone = moments_over(there, now)
        signer, named = i.vault.backup_signer(), set[str]()
        for id in there.keys() - set(gone):
            try:
                moment = read_moment(await shelf.read(moment_name(id)), signer, id=id)
            except Corrupt:
                return []  # what it names is not known: nothing is removed
            named.update(part.name for part in moment.parts)
        await shelf.remove([moment_name(id) for id in gone])
        await shelf.remove(unnamed(await shelf.items(STREAM), named, now))
    return gone


async def oldest_version(i: Installation, shelf: Shelf) -> int | None:
    """The version of the key-encryption key that the oldest moment was sealed under; None without one. Corrupt."""
    there = await moments_in(shelf)
    if not there:
        return None
    oldest = min(there, key=lambda id: (there[id], id))
    moment = read_moment(await shelf.read(moment_name(oldest)), i.vault.backup_signer(), id=oldest)
    return min(part.key for part in moment.parts)
