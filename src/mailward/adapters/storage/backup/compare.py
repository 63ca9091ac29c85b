"""A restored folder against its manifest: rows, log, and each body opened with the data keys there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.backup.reading import (
    KeyRow,
    Named,
    bodies_named,
    log_state,
    open_copy,
    row_counts,
    schema_of,
)
from mailward.adapters.storage.backup.sealed import Wrap
from mailward.adapters.storage.records import BodyRef, open_record, read_head
from mailward.adapters.storage.sqlite.segments import read_record
from mailward.base.errors import Corrupt, MailwardError, NotFound
from mailward.core.backup.model import Manifest
from mailward.core.backup.ports import Tell
from mailward.core.workspaces.data_keys import aad
from mailward.core.workspaces.model import DataKey


class Compared(NamedTuple):
    """What was found. Without faults it is what was copied."""

    rows: int
    bodies: int
    opened: int
    over: int
    """Bodies whose key was destroyed, or that were erased, since: gone for everybody."""
    faults: list[str]


def compare(
    folder: Path,
    database_key: bytes,
    manifest: Manifest | None,
    keys: Sequence[KeyRow],
    erased: Collection[bytes],
    unwrap: Wrap,
    tell: Tell,
) -> Compared:
    """Look at everything once. Blocks. `keys` are the data keys to open bodies with, `erased` messages that went.

    Without a manifest the database is judged by itself, and by the bodies that it names.
    """
    try:
        db = open_copy(folder / "state.db", database_key)
    except MailwardError:
        return Compared(0, 0, 0, 0, ["the database does not open with its key"])
    try:
        faults = [f"the database says of itself: {said}" for said in _integrity(db) if said != "ok"]
        rows = row_counts(db)
        if manifest is not None:
            faults += _unlike(db, rows, manifest)
        bodies = Counter(_Bodies(folder / "segments", keys, erased, unwrap).judge(db, tell))
        if bad := bodies["unreadable"] + bodies["missing"]:
            faults.append(f"{bad} of {bodies.total()} bodies do not open")
        return Compared(sum(rows.values()), bodies.total(), bodies["opened"], bodies["over"], faults)
    finally:
        db.close()


def _unlike(db: apsw.Connection, rows: dict[str, int], manifest: Manifest) -> list[str]:
    faults = []
    for table in sorted(manifest.rows.keys() | rows.keys()):
        if (was := manifest.rows.get(table)) != (found := rows.get(table)):
            faults.append(f"{table} had {was} rows and has {found}")
    if (schema := schema_of(db)) != manifest.schema:
        faults.append(f"the schema was {manifest.schema} and is {schema}")
    if log_state(db) != manifest.log:
        faults.append("the audit log does not have the root that it had")
    return faults


def _integrity(db: apsw.Connection) -> list[str]:
    return [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)")]


class _Bodies:
    """Opens bodies, each data key unwrapped once."""

    def __init__(self, segments: Path, keys: Sequence[KeyRow], erased: Collection[bytes], unwrap: Wrap) -> None:
        self._segments = segments
        self._wrapped = {(k[0], k[1], k[2]): k[3] for k in keys}
        self._erased = erased
        self._unwrap = unwrap
        self._opened: dict[tuple[bytes, int, int], DataKey] = {}

    def judge(self, db: apsw.Connection, tell: Tell) -> list[str]:
        found = list(bodies_named(db))
        told = []
        for n, named in enumerate(found, 1):
            told.append("over" if named.message in self._erased else self._one(named))
            tell("bodies", n, len(found))
        return told

    def _one(self, named: Named) -> str:
        try:
            record = read_record(self._segments, BodyRef(named.segment, named.offset, named.length))
        except NotFound:
            return "missing"
        head = read_head(record)
        if head is None or head.length != len(record):
            return "unreadable"
        place = (named.workspace, head.day, head.version)
        wrapped = self._wrapped.get(place)
        if wrapped is None:
            # Also a record that was changed to name a key that never was: but its part was compared octet by octet.
            return "over"
        try:
            if place not in self._opened:
                self._opened[place] = DataKey(head.day, head.version, AESGCM(self._unwrap(wrapped, aad(*place))))
            open_record(record, named.workspace, named.message, self._opened[place])
        except Corrupt:
            return "unreadable"
        return "opened"
