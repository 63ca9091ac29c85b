"""Is the file under its name still the one that was opened?

SQLite goes on writing to a file that was renamed or replaced behind its back: what it
then calls committed is in a file nobody will ever open again. So every commit looks
first, and a process that sees it ends, for its successor to open what is there now.
"""

from __future__ import annotations

import os
from pathlib import Path


class SameFile:
    """The identity of a file at the time of opening."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._read()

    def replaced(self) -> bool:
        """True when the name is gone, or names another file."""
        return self._read() != self._identity

    def _read(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
