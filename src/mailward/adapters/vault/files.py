"""Small files that must be whole, durable and private."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from mailward.base.errors import Unavailable

Identity = tuple[int, int, int, int]
"""Device, inode, mtime and size: differs whenever the file was replaced."""


def away(detail: str) -> Unavailable:
    """The refusal while keys cannot be had."""
    return Unavailable("keys_unavailable", "The keys of this installation are not available.", detail=detail)


UNGUARDED: ContextVar[bool] = ContextVar("UNGUARDED", default=False)
"""For whoever reports on the modes of these files, and so has to get past them: `mailward verify`, and nobody else."""


def identity(path: Path) -> Identity:
    """What tells a replaced file from the one read before."""
    try:
        s = path.stat()
    except OSError as e:
        raise away(f"{path}: {e.strerror}") from e
    return s.st_dev, s.st_ino, s.st_mtime_ns, s.st_size


def read_private(path: Path) -> tuple[bytes, Identity]:
    """Content of a file that only its owner may touch; Unavailable when others may, or it is not there.

    Within `UNGUARDED` what others may read is read all the same.
    """
    try:
        with path.open("rb") as f:
            s = os.fstat(f.fileno())
            if not stat.S_ISREG(s.st_mode) or (s.st_mode & 0o077 and not UNGUARDED.get()):
                raise away(
                    f"{path} is open to others (mode {stat.S_IMODE(s.st_mode):04o}): make it 0600, "
                    "and rotate if anybody may have read it"
                )
            return f.read(), (s.st_dev, s.st_ino, s.st_mtime_ns, s.st_size)
    except OSError as e:
        raise away(f"{path}: {e.strerror}") from e


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, mode 0600, on disk when this returns. Hold `locked` meanwhile."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)
        with open(fd, "wb", closefd=False) as f:
            f.write(content)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer of a folder's files at a time, across processes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
