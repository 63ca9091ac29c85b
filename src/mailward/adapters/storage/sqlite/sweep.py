"""Segment files whose content is over go; single records are overwritten where they lie.

A segment is alive while any record in it was sealed under a data key that is not known to be
destroyed. That says nothing about rows: a body whose row never committed (a crash between the
two) has a workspace and a day like any other, and goes with that day's key. Keys never come
back, so what was found dead stays dead, and a sweep may be killed at any point and run again.
A key that the store never knew is no reason to remove anything: the store may be the wrong
one, or older than the segments.

The writer of a segment holds a lock on it (`segments.py`), whichever process it is; the kernel
drops the lock when that process ends, however it ends. A sweep looks at a file only after it
got the lock without waiting for it, so it meets no append and no append waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mailward.adapters.storage.records import HEAD, MAGIC, BodyRef, Head, read_head
from mailward.adapters.storage.sqlite.segments import segment_path

Place = tuple[bytes, int, int]
"""A data key's place: workspace, day, version."""

Alive = Callable[[Sequence[Place]], Awaitable[set[Place]]]
"""Which of these keys are not known to be destroyed."""

_NAME = re.compile(r"(\d{4,})-(\d{8})\.seg")
_PIECE = 1 << 20
_ZEROS = bytes(_PIECE)


class Swept(NamedTuple):
    """What a sweep removed."""

    files: int
    octets: int


class Sweeper:
    """Sweeps one folder of segments. One process at a time should; two at once do each other no harm."""

    def __init__(self, folder: Path, alive: Alive) -> None:
        self._folder = folder
        self._alive = alive
        # A key that held a segment alive when it was last asked: until it is destroyed the file need not be read.
        self._held_by: dict[Path, Place] = {}

    async def run(self) -> Swept:
        """Look at every segment once. File work happens on threads; the store is only asked which keys exist."""
        files = octets = 0
        names = await asyncio.to_thread(segments_of, self._folder)
        for path in [p for p in self._held_by if p not in names]:
            del self._held_by[path]
        known = await self._alive(list(set(self._held_by.values()))) if self._held_by else set()
        for path in names:
            if (held := self._held_by.get(path)) is not None and held in known:
                continue
            fd = await asyncio.to_thread(_claim, path)
            if fd < 0:
                continue
            try:
                place = await self._holder(fd)
                if place is not None:
                    self._held_by[path] = place
                    continue
                gone = await asyncio.to_thread(_remove, self._folder, path, fd)
            finally:
                os.close(fd)
            files += gone is not None
            octets += gone or 0
        return Swept(files, octets)

    async def _holder(self, fd: int) -> Place | None:
        """A key not known to be destroyed that sealed something in here; the first record mostly answers."""
        first = await asyncio.to_thread(_first, fd)
        if first is not None and await self._alive([first]):
            return first
        places = await asyncio.to_thread(lambda: list(dict.fromkeys(_place(h) for _, h in records(fd))))
        for at in range(0, len(places), 500):
            found = await self._alive(places[at : at + 500])
            if found:
                return next(iter(found))
        return None


def segments_of(folder: Path) -> list[Path]:
    """Every segment file, in order of worker and number."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if (named := _NAME.fullmatch(path.name)) is not None:
                found.append((int(named[1]), int(named[2]), path))
    return [path for _, _, path in sorted(found)]


def records(fd: int) -> Iterator[tuple[int, Head]]:
    """(offset, head) of every record, in order.

    Where no record follows (the preallocated rest, or what a crash or a bad sector left) the
    next beginning of one is searched for, so that no damage hides a record behind it.
    """
    size = os.fstat(fd).st_size
    at = 0
    octets = os.pread(fd, HEAD, at)
    while at < size:
        head = read_head(octets)
        if head is None:
            at = _next_magic(fd, at + 1, size)
            if at < 0:
                return
            octets = os.pread(fd, HEAD, at)
            continue
        yield at, head
        after = at + head.length
        octets = os.pread(fd, HEAD, after)
        if after > size or (octets and not octets.startswith((MAGIC, b"\0"))):
            # The length cannot be right, or a torn write follows: search from inside the record on.
            after = at + 1
            octets = os.pread(fd, HEAD, after)
        at = after


def overwrite(folder: Path, ref: BodyRef, workspace: bytes, message: bytes) -> None:
    """Write zeros over a record's nonce and ciphertext and sync; the head (ids and day) stays until the file goes.

    Nothing happens when the file is gone or another record lies there. Done twice it does the
    same: the head, by which the place is known to be the right one, is never touched.
    """
    try:
        fd = os.open(segment_path(folder, ref.segment), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        head = read_head(os.pread(fd, HEAD, ref.offset))
        if head is None or (head.workspace, head.message, head.length) != (workspace, message, ref.length):
            return
        at, end = ref.offset + HEAD, ref.offset + ref.length
        while at < end:
            at += os.pwrite(fd, _ZEROS[: end - at], at)
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _place(head: Head) -> Place:
    return head.workspace, head.day, head.version


def _first(fd: int) -> Place | None:
    head = read_head(os.pread(fd, HEAD, 0))
    return None if head is None else _place(head)


def _next_magic(fd: int, at: int, size: int) -> int:
    while at < size:
        piece = os.pread(fd, _PIECE, at)
        if (found := piece.find(MAGIC)) >= 0:
            return at + found
        at += max(1, len(piece) - len(MAGIC) + 1)
    return -1


def _claim(path: Path) -> int:
    """A descriptor with the file's lock, or -1 when a writer has it or there is nothing in it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return -1
    return fd


def _remove(folder: Path, path: Path, fd: int) -> int | None:
    """Remove a dead file; its octets, None when there was nothing to do.

    A worker's newest keeps its name, empty, so that no number is given twice.
    """
    size = os.fstat(fd).st_size
    worker = path.name.partition("-")[0]
    newest = max(p for p in segments_of(folder) if p.name.partition("-")[0] == worker)
    if path == newest:
        if not size:
            return None
        os.ftruncate(fd, 0)
        os.fsync(fd)
        return size
    path.unlink(missing_ok=True)
    listing = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(listing)
    finally:
        os.close(listing)
    return size
