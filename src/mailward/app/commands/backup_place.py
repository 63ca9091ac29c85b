"""`mailward doctor`, the place of backups: whether one could be put there now, by which way, and who could undo it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.storage.objects.place import KINDS, Place, PlaceError, check_place
from mailward.app.backup_options import Backup, bucket_of
from mailward.app.backups.due import last_moment_at
from mailward.app.commands.finding import Finding

if TYPE_CHECKING:
    from mailward.adapters.storage.objects.bucket import Bucket

_LEAST = 1 << 30
_LATE = timedelta(minutes=30)
_VERSIONS = "Switch versioning or object lock on: who steals the key to the bucket can else destroy every backup."


def examine_backup(backup: Backup, data: Path) -> Iterator[Finding]:
    """Whether the place is there, takes a file and gives it back; TLS and versions of a bucket. Nothing when unset."""
    if not backup.to:
        return
    place = bucket_of(backup)
    yield from _folder(Path(backup.to), data) if place is None else _bucket(place)
    yield from _moments(backup, data)


def _moments(backup: Backup, data: Path) -> Iterator[Finding]:
    if not backup.every_minutes:
        yield Finding("backups, minutes", "warning", "nothing is sent between backups", "Set backup.every_minutes.")
        return
    last = last_moment_at(data)
    if last is None:
        return  # nothing has run here yet
    late = SystemClock().now() - last
    good = late < backup.moment_every + _LATE
    said = f"what changed was sent {round(late.total_seconds() / 60)} minutes ago"
    advice = "" if good else "Is the platform running? `mailward alerts list` has what failed."
    yield Finding("backups, minutes", "ok" if good else "warning", said, advice)


def _folder(folder: Path, data: Path) -> Iterator[Finding]:
    name = folder / f".doctor-{SystemEntropy().bytes(8).hex()}"
    try:
        name.write_bytes(b"mailward")
        good = name.read_bytes() == b"mailward"
        name.unlink()
    except OSError as e:
        advice = "Mount the disk, and let the user of the platform write there."
        yield Finding("backups", "wrong", f"{folder}: {e.strerror}", advice)
        return
    yield Finding("backups", "ok" if good else "wrong", f"{folder} takes a file and gives it back")
    free = shutil.disk_usage(folder).free
    yield Finding("backups, space", "ok" if free > _LEAST else "wrong", f"{free >> 20} MiB free",
                  "" if free > _LEAST else "Make room, or lower backup.keep_days.")  # fmt: skip
    if data.exists() and os.stat(folder).st_dev == os.stat(data).st_dev:
        yield Finding("backups, disk", "warning", "the data's own", "What takes this disk takes both: use another.")


def _bucket(place: Place) -> Iterator[Finding]:
    try:
        check_place(place)
    except PlaceError as e:
        yield Finding("backups", "wrong", _own(str(e)), "Mend the [backup] section.")
        return
    yield Finding("backups", "ok", f"{KINDS[place.kind]}, {place.bucket} at {place.address()}")
    if place.unencrypted:
        yield Finding("backups, TLS", "warning", "none, on loopback", "Right for a trial; use https:// for mail.")
    # Here, so that an installation without a bucket does not load a client that it never uses.
    from mailward.adapters.storage.objects.bucket import open_bucket
    from mailward.adapters.storage.objects.probe import probe

    async def run() -> list[Finding]:
        bucket = open_bucket(place)
        found = [
            Finding(f"backups, {s.what}", "ok" if s.good else "wrong", s.found, "" if s.good else _own(s.advice))
            for s in await probe(bucket, SystemEntropy())
            # Backups have names of their own, and are read from end to end.
            if s.what not in ("put if absent", "range")
        ]
        if all(f.state == "ok" for f in found):
            found.append(await _versions(bucket, place.kind))
        return found

    try:
        yield from asyncio.run(run())
    except PlaceError as e:
        yield Finding("backups", "wrong", _own(str(e)), "Mend the [backup] section.")


async def _versions(bucket: Bucket, kind: str) -> Finding:
    from mailward.adapters.storage.objects.probe import versions

    what = "backups, versions"
    if kind != "s3":  # the others number every object, whether they keep the ones before or not
        return Finding(what, "warning", "this store does not say whether it keeps them", _VERSIONS)
    if await versions(bucket, SystemEntropy()):
        return Finding(what, "ok", "kept")
    return Finding(what, "warning", "not kept", _VERSIONS)


def _own(advice: str) -> str:
    """Words about `[objects]`, as they are about `[backup]`."""
    return advice.replace("objects.url", "backup.to").replace("objects.", "backup.")
