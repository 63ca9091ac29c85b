"""Backups in a bucket of an object store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from mailward.adapters.storage.objects.limits import Limits
from mailward.base.errors import NotFound, Unavailable
from mailward.core.backup.model import Item

_ATTEMPTS = 3
_PART = 8 << 20
_PIECE = 1 << 20
_SECONDS = 60.0


class BucketShelf:
    """Implements `core.backup.ports.Shelf`. An object is there whole or not at all: that is what PUT means there."""

    def __init__(self, store: S3Store | GCSStore | AzureStore, *, where: str, limits: Limits | None = None) -> None:
        self._store = store
        self._where = where
        self._limits = limits or Limits()

    @property
    def where(self) -> str:
        """The URL."""
        return self._where

    async def put(self, name: str, source: Path) -> None:
        """In parts when it is large, so that memory holds one of them. Tried three times."""
        seconds = _SECONDS + self._limits.seconds_for(await asyncio.to_thread(os.path.getsize, source))
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with _asking(name):
                    async with asyncio.timeout(seconds):
                        await obstore.put_async(self._store, name, source, chunk_size=_PART, max_concurrency=2)
                    return
            except Unavailable:
                if attempt == _ATTEMPTS:
                    raise

    async def write(self, name: str, data: bytes) -> None:
        """One request."""
        with _asking(name):
            async with asyncio.timeout(_SECONDS):
                await obstore.put_async(self._store, name, data, use_multipart=False)

    async def get(self, name: str, target: Path) -> None:
        """Streamed."""
        with _asking(name):
            answer = await obstore.get_async(self._store, name)
            seconds = _SECONDS + self._limits.seconds_for(answer.meta["size"])
            async with asyncio.timeout(seconds):
                with target.open("wb") as f:
                    async for chunk in answer.stream(min_chunk_size=_PIECE):
                        f.write(bytes(chunk))

    async def read(self, name: str) -> bytes:
        """One request."""
        with _asking(name):
            async with asyncio.timeout(_SECONDS):
                return bytes(await (await obstore.get_async(self._store, name)).bytes_async())

    async def items(self, folder: str) -> list[Item]:
        """A thousand a request."""
        found: list[Item] = []
        with _asking(folder):
            async for batch in obstore.list(self._store, prefix=folder, chunk_size=1000):
                found += [Item(o["path"], o["size"]) for o in batch]
        return sorted(found, key=lambda item: item.name)

    async def remove(self, names: Sequence[str]) -> None:
        """A thousand a request."""
        for first in range(0, len(names), 1000):
            try:
                with _asking("it"):
                    async with asyncio.timeout(_SECONDS):
                        await obstore.delete_async(self._store, list(names[first : first + 1000]))
            except NotFound:
                continue

    async def tidy(self) -> int:
        """Nothing: an upload that did not end is no object. A lifecycle rule of the bucket removes its parts."""
        return 0


@contextmanager
def _asking(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as e:
        raise NotFound("no_such_backup", "There is no such backup.", detail=f"{name} is not in the bucket") from e
    except (BaseError, OSError, TimeoutError) as e:
        raise Unavailable(
            "backup_place_unavailable", "The place for backups cannot be used.", detail=f"{name}: {type(e).__name__}"
        ) from e
