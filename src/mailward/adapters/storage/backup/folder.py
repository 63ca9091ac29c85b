"""Backups in a folder: another disk, or what another machine lends (NFS, SMB)."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mailward.base.errors import NotFound, Unavailable
from mailward.core.backup.model import Item

_UNFINISHED = ".unfinished"
_PIECE = 1 << 20


class FolderShelf:
    """Implements `core.backup.ports.Shelf`. Files are 0600, folders 0700."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder)

    async def put(self, name: str, source: Path) -> None:
        """Written beside, synced, renamed, the folder synced."""

        def copy(target: BinaryIO) -> None:
            with source.open("rb") as f:
                shutil.copyfileobj(f, target, _PIECE)

        await asyncio.to_thread(self._create, name, copy)

    async def write(self, name: str, data: bytes) -> None:
        """The same."""
        await asyncio.to_thread(self._create, name, lambda target: target.write(data))

    async def get(self, name: str, target: Path) -> None:
        """A copy."""
        with _asking(self._folder, name):
            await asyncio.to_thread(shutil.copyfile, self._folder / name, target)

    async def read(self, name: str) -> bytes:
        """All of it."""
        with _asking(self._folder, name):
            return await asyncio.to_thread((self._folder / name).read_bytes)

    async def items(self, folder: str) -> list[Item]:
        """By name."""
        with _asking(self._folder, folder):
            return await asyncio.to_thread(self._items, folder)

    async def remove(self, names: Sequence[str]) -> None:
        """From the folder."""
        with _asking(self._folder, "it"):
            for name in names:
                await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def tidy(self) -> int:
        """Files that were never renamed."""
        with _asking(self._folder, "it"):
            left = list(self._folder.glob(f"*/.*{_UNFINISHED}"))
            for path in left:
                path.unlink(missing_ok=True)
            return len(left)

    def _items(self, folder: str) -> list[Item]:
        place = self._folder / folder
        if not place.is_dir():
            if not self._folder.is_dir():
                raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(self._folder))
            return []
        found = []
        with os.scandir(place) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    found.append(Item(folder + entry.name, entry.stat().st_size))
        return sorted(found, key=lambda item: item.name)

    def _create(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        path = self._folder / name
        beside = path.with_name(f".{path.name}{_UNFINISHED}")
        with _asking(self._folder, name):
            # Not the folder itself: where a disk is not mounted, one would be made on the disk beneath.
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if path.exists():
                raise FileExistsError(errno.EEXIST, "there is a file of that name", str(path))
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                with open(fd, "wb", closefd=False) as f:
                    fill(f)
                os.fsync(fd)
            finally:
                os.close(fd)
            beside.rename(path)
            for place in (path.parent, self._folder):
                _sync(place)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _asking(folder: Path, name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as e:
        if folder.is_dir():
            raise NotFound("no_such_backup", "There is no such backup.", detail=f"{name} is not in {folder}") from e
        raise _away(folder, e) from e
    except OSError as e:
        raise _away(folder, e) from e


def _away(folder: Path, e: OSError) -> Unavailable:
    return Unavailable(
        "backup_place_unavailable", "The place for backups cannot be used.", detail=f"{folder}: {e.strerror or e}"
    )
