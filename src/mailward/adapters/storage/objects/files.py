"""Attachments that endpoints fetch for themselves: stored under names nobody guesses, reached by URLs that expire.

They lie beside the sealed bodies in a folder of their own, in the clear towards whoever holds the bucket, because
the receiver reads them straight from there; the store's own encryption at rest protects them. What was stored for
a message goes when an endpoint refuses it, and when the message's content is let go.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from urllib.parse import quote

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from mailward.base.errors import Unavailable

FOLDER = "attachments/"
Keeping = Callable[[bytes, list[bytes]], Awaitable[set[bytes]]]
"""(workspace, messages) -> those of them whose content is kept."""
_PATH = re.compile(r"attachments/([0-9a-f]{32})/([0-9a-f]{32})/[0-9]{3,}$", re.ASCII)
_SECONDS = 30.0
_AT_ONCE = 4


class AttachmentStore:
    """One bucket, below one prefix."""

    def __init__(self, store: S3Store | GCSStore | AzureStore, *, expires: timedelta) -> None:
        """URLs work for `expires` (SigV4 allows seven days at most)."""
        self._store = store
        self._expires = min(expires, timedelta(days=7))

    async def put(self, workspace: bytes, message: bytes, files: Sequence[tuple[str, str, bytes]]) -> list[str]:
        """Store (name, content type, octets) of a message and give each a signed URL. Raises Unavailable.

        The same message stored again overwrites the same objects: an attempt repeated leaves nothing behind.
        """
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(n: int, name: str, kind: str, data: bytes) -> str:
            path = f"{_folder(workspace, message)}{n:03}"
            attributes = {"Content-Type": _ascii(kind), "Content-Disposition": _disposition(name)}
            async with gate:
                await obstore.put_async(self._store, path, data, attributes=attributes)
            return await obstore.sign_async(self._store, "GET", path, self._expires)

        try:
            async with asyncio.timeout(_SECONDS):
                return list(await asyncio.gather(*(one(n, *file) for n, file in enumerate(files))))
        except (BaseError, OSError, TimeoutError) as e:
            raise Unavailable(
                "attachments_not_stored", "The attachments could not be stored now.", detail=type(e).__name__
            ) from e

    async def remove(self, workspace: bytes, message: bytes) -> int:
        """Remove what was stored for a message; how many. Raises Unavailable when the store is away."""
        try:
            async with asyncio.timeout(_SECONDS):
                found = await obstore.list(self._store, prefix=_folder(workspace, message)).collect_async()
                paths = [item["path"] for item in found]
                if paths:
                    await obstore.delete_async(self._store, paths)
                return len(paths)
        except FileNotFoundError:
            return 0
        except (BaseError, OSError, TimeoutError) as e:
            raise Unavailable(
                "attachments_not_removed", "The attachments could not be removed now.", detail=type(e).__name__
            ) from e

    async def sweep(self, keeping: Keeping, *, young: int) -> int:
        """Remove objects of messages that keep no content any more; how many. Raises Unavailable.

        A message's id begins with its milliseconds: those from `young` on are left alone, since they may be under way.
        """
        removed = 0
        try:
            async for batch in obstore.list(self._store, prefix=FOLDER, chunk_size=1000):
                by_workspace: dict[bytes, dict[bytes, list[str]]] = {}
                for item in batch:
                    if (named := _message_of(item["path"])) is not None and int.from_bytes(named[1][:6], "big") < young:
                        by_workspace.setdefault(named[0], {}).setdefault(named[1], []).append(item["path"])
                for workspace, messages in by_workspace.items():
                    kept = await keeping(workspace, list(messages))
                    paths = [p for message, found in messages.items() if message not in kept for p in found]
                    if paths:
                        await obstore.delete_async(self._store, paths)
                        removed += len(paths)
        except FileNotFoundError:
            return removed
        except (BaseError, OSError, TimeoutError) as e:
            raise Unavailable(
                "attachments_not_removed", "The attachments could not be removed now.", detail=type(e).__name__
            ) from e
        return removed


def _message_of(path: str) -> tuple[bytes, bytes] | None:
    """(workspace, message) of an object's path, which may begin with the bucket's prefix; None when it is not ours."""
    found = _PATH.search(path)
    return (bytes.fromhex(found[1]), bytes.fromhex(found[2])) if found else None


def _folder(workspace: bytes, message: bytes) -> str:
    return f"{FOLDER}{workspace.hex()}/{message.hex()}/"


def _ascii(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c.isascii())[:200] or "application/octet-stream"


def _disposition(name: str) -> str:
    """Always a download, with the name in both forms (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)[:150]
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:150], safe='')}"
