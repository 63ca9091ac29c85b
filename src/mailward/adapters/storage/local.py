"""Bodies of one machine in segment files of its data folder, for a store whose rows live elsewhere.

Only the processes of this machine can read them: for PostgreSQL on one node. Several
nodes need an object store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailward.adapters.storage.records import Body, BodyRef
from mailward.adapters.storage.sqlite.segments import SegmentWriter, read_record
from mailward.adapters.storage.sqlite.sweep import overwrite
from mailward.base.sources import Entropy


class LocalBodies:
    """One open segment file, written by one thread; `writer` is a number that no other process has."""

    def __init__(self, folder: Path, *, writer: int, entropy: Entropy, fatal: Callable[[str], None]) -> None:
        self._folder = folder
        self._fatal = fatal
        self._segments = SegmentWriter(folder, writer, entropy)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="bodies-writer")
        self._reading = ThreadPoolExecutor(2, thread_name_prefix="bodies-reader")

    async def append(self, bodies: Sequence[Body | bytes]) -> list[BodyRef]:
        """Seal, write and sync; where each lies. Unavailable when there is no room."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._append, bodies)

    def _append(self, bodies: Sequence[Body | bytes]) -> list[BodyRef]:
        try:
            return self._segments.append(bodies)
        except OSError as e:
            # After a failed sync nobody knows what is on the disk.
            self._fatal(f"segment sync: {e.strerror}")
            raise

    async def read(self, ref: BodyRef) -> bytes:
        """The sealed record; NotFound when its file is gone."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, read_record, self._folder, ref)

    async def overwrite(self, workspace: bytes, message: bytes, ref: BodyRef) -> None:
        """Write zeros over the record's ciphertext where it lies."""
        await asyncio.get_running_loop().run_in_executor(
            self._reading, overwrite, self._folder, ref, workspace, message
        )

    async def close(self) -> None:
        """Finish and close the file."""
        await asyncio.get_running_loop().run_in_executor(self._writing, self._segments.close)
        self._writing.shutdown()
        self._reading.shutdown()
