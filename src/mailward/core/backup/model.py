"""Nouns of backups: manifests and the parts they name, what was made, what tests of restoring found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from mailward.base import ids

# The first of 26 letters stands for 3 of the 128 bits: 0 to 7.
_ID = re.compile(r"bak_[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KEY_COPIES_KEPT = timedelta(days=7)
"""How long a copy of the data keys is kept: how long a key that was destroyed can still be had from backups."""

MISSED = timedelta(hours=26)
"""A daily backup older than this was missed: a day, and two hours for making it."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file of a backup. `sha256` (hex) and `size` (octets) are those of what is inside."""

    name: str
    sha256: str
    size: int
    sealed: int
    """Octets as it lies there."""
    key: int
    """The version of the key-encryption key that wraps its key."""


class LogState(msgspec.Struct, frozen=True, kw_only=True):
    """The audit log as it was: the installation's tree, and all trees together."""

    entries: int
    """Of the installation's tree."""
    root: str
    """Hex, RFC 6962, computed from its leaves."""
    trees: str
    """Hex SHA-256 over name, size and root of every tree."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="mailward-backup/1"):
    """What a backup is made of. It holds no content and no key in clear: it is signed, not sealed."""

    id: str
    at: datetime
    """When the snapshot was taken: what was committed before is in it."""
    version: str
    schema: int
    """Number of the newest migration."""
    rows: dict[str, int]
    """How many each table has."""
    log: LogState
    database: Part
    bodies: dict[str, Part]
    """Segment files by name."""
    data_keys: Part
    """The copy of the data keys made with it; it goes before the backup does."""
    secrets: dict[str, bytes]
    """The installation's secrets, each wrapped under the key file."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the backup needs to be whole, without the copy of the data keys."""
        return (self.database, *self.bodies.values())


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the place where backups lie."""

    name: str
    size: int

    @property
    def backup(self) -> str:
        """The id of the backup it was written for; "" for what is not ours."""
        found = _ID.search(self.name)
        return found[0] if found else ""

    @property
    def at(self) -> datetime | None:
        """When it was written, by that id."""
        if not self.backup:
            return None
        return _EPOCH + timedelta(milliseconds=int.from_bytes(ids.decode("bak", self.backup)[:6], "big"))


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made. `written` is what had to be written for it in octets, `size` all that it names."""

    id: str
    at: datetime
    rows: int
    size: int
    written: int
    seconds: float
    keys: tuple[int, ...]
    """Versions of the key-encryption key it needs."""
    gone: datetime | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A test of restoring. Without `faults` the backup was good."""

    id: str
    backup: str
    at: datetime
    seconds: float
    """Recovery time: from nothing to a store that was checked."""
    point_seconds: float
    """Recovery point: how old the newest backup was, which is what would have been lost."""
    rows: int = 0
    bodies: int = 0
    opened: int = 0
    faults: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    """Parts that did not open: no later backup may rely on them."""

    @property
    def good(self) -> bool:
        """Restored and equal."""
        return not self.faults
