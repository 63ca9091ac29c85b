"""What lies in a place of backups, as files: names, parts, manifests, and a folder to work in."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from mailward.adapters.storage.backup.access import Access
from mailward.adapters.storage.backup.reading import KeyRow
from mailward.adapters.storage.backup.sealed import Wrap, seal, unseal
from mailward.adapters.vault.vault import Vault
from mailward.base.errors import Conflict, Corrupt, NotFound, Unavailable
from mailward.base.sources import Entropy
from mailward.core.backup.manifest import read_manifest
from mailward.core.backup.model import Item, Manifest, Part
from mailward.core.backup.ports import Shelf

MANIFESTS, PARTS, KEYS = "backups/", "parts/", "keys/"
MOMENTS, STREAM = "moments/", "stream/"
_LOOKING = "looking-"


class KeysCopy(msgspec.Struct, array_like=True, frozen=True):
    """What a copy of the data keys holds: their rows, what was erased before its time, and who had access then.

    `access` is None in copies of versions that did not keep it.
    """

    rows: list[KeyRow]
    erased: list[tuple[bytes, str]]
    access: Access | None = None


class Files:
    """Sealed files of one installation in one place."""

    def __init__(self, shelf: Shelf, vault: Vault, entropy: Entropy, scratch: Path) -> None:
        self.shelf = shelf
        self._vault = vault
        self._entropy = entropy
        self._scratch = scratch

    async def put(self, name: str, pieces: Callable[[], Iterator[bytes]]) -> Part:
        """Seal and store."""
        sealed = self._scratch / "sealed"
        service = self._vault.service
        version = service.current

        def write() -> tuple[str, int]:
            with sealed.open("wb") as target:
                return seal(pieces(), target, name=name, wrap=service.wrap_now, entropy=self._entropy)

        digest, size = await asyncio.to_thread(write)
        await self.shelf.put(name, sealed)
        octets = sealed.stat().st_size
        sealed.unlink()
        return Part(name=name, sha256=digest, size=size, sealed=octets, key=version)

    async def get(self, part: Part, target: Path | None) -> None:
        """Fetch and open a part into a file, or (None) only look. Corrupt when it is not what the manifest names."""
        sealed = self._scratch / "sealed"
        await self.shelf.get(part.name, sealed)
        found = await asyncio.to_thread(_open_into, sealed, target, part.name, self._vault.service.unwrap_now)
        sealed.unlink()
        if found != (part.sha256, part.size):
            raise Corrupt("backup_corrupt", "A part of this backup is not the one that was written.", detail=part.name)

    async def keys_copy(self, name: str) -> KeysCopy:
        """A copy of the data keys. NotFound, Corrupt."""
        sealed = self._scratch / "sealed"
        await self.shelf.get(name, sealed)
        with sealed.open("rb") as source:
            data = b"".join(unseal(source, name=name, unwrap=self._vault.service.unwrap_now))
        sealed.unlink()
        return msgspec.msgpack.decode(data, type=KeysCopy)

    async def newest_keys(self) -> KeysCopy:
        """The newest copy of the data keys; NotFound when there is none."""
        items = await self.shelf.items(KEYS)
        if not items:
            raise NotFound("no_such_backup", "There is no copy of the data keys.", detail="keys/ is empty")
        return await self.keys_copy(newest_of(items).name)

    async def manifest(self, id: str) -> Manifest:
        """The manifest of a backup. NotFound, Corrupt."""
        return read_manifest(await self.shelf.read(manifest_name(id)), self._vault.backup_signer(), id=id)

    async def manifests(self) -> tuple[dict[str, Manifest], list[str]]:
        """Every backup of the place by id, oldest first; and ids of those whose manifest is not ours or was changed."""
        good: dict[str, Manifest] = {}
        bad: list[str] = []
        for id in await backups_in(self.shelf):
            try:
                good[id] = await self.manifest(id)
            except Corrupt:
                bad.append(id)
        return good, bad


def _open_into(sealed: Path, target: Path | None, name: str, unwrap: Wrap) -> tuple[str, int]:
    import hashlib

    digest, size = hashlib.sha256(), 0
    out = os.open(target or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with sealed.open("rb") as source, open(out, "wb") as f:
        for piece in unseal(source, name=name, unwrap=unwrap):
            digest.update(piece)
            size += len(piece)
            f.write(piece)
        if target is not None:
            f.flush()
            os.fsync(out)
    return digest.hexdigest(), size


async def backups_in(shelf: Shelf) -> list[str]:
    """Ids of the backups of a place, oldest first."""
    items = await shelf.items(MANIFESTS)
    return sorted(item.backup for item in items if item.backup and item.name == manifest_name(item.backup))


def manifest_name(id: str) -> str:
    """Where the manifest of a backup lies."""
    return f"{MANIFESTS}{id}.json"


async def moments_in(shelf: Shelf) -> dict[str, datetime]:
    """Ids of the moments of a place, and when each was."""
    items = await shelf.items(MOMENTS)
    return {i.backup: i.at for i in items if i.at is not None and i.name == moment_name(i.backup)}


def moment_name(id: str) -> str:
    """Where the record of a moment lies."""
    return f"{MOMENTS}{id}.json"


def newest_of(items: list[Item]) -> Item:
    """By the id in its name, which begins with the time."""
    return max(items, key=lambda item: (item.backup, item.name))


@contextlib.contextmanager
def working(data: Path) -> Iterator[Path]:
    """An empty folder beside the data, for one process at a time; Conflict when another has it. Removed afterwards."""
    place = data / "backup"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise Unavailable("data_unavailable", "The data folder cannot be written to.", detail=str(e.strerror)) from e
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("backup_running", "A backup, or a test of one, is running now.") from None
        scratch = place / "scratch"
        # What a process that was killed has left.
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    finally:
        os.close(lock)


@contextlib.contextmanager
def looking(data: Path) -> Iterator[Path]:
    """An empty folder beside the data for who only looks, while another process may have `working`. Removed afterwards.

    Not among the system's temporary files: a part can be as large as the database.
    """
    place = data / "backup"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        for old in place.glob(f"{_LOOKING}*"):
            _remove_left(old)
        scratch = Path(tempfile.mkdtemp(prefix=_LOOKING, dir=place))
    except OSError as e:
        raise Unavailable("data_unavailable", "The data folder cannot be written to.", detail=str(e.strerror)) from e
    lock = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _remove_left(scratch: Path) -> None:
    """Unless somebody is at it: what a process that was killed has left."""
    with contextlib.suppress(OSError):
        lock = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(scratch, ignore_errors=True)
        finally:
            os.close(lock)
