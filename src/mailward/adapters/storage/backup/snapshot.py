"""The state of one instant, taken while the platform goes on: a copy of the database and the segments it names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mailward.adapters.storage.backup.reading import (
    KeyRow,
    log_state,
    open_copy,
    row_counts,
    schema_of,
    segment_ends,
    take_keys,
)
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.segments import segment_path
from mailward.core.backup.model import LogState
from mailward.core.backup.ports import Tell

# Pages of 2048 octets between two looks at how far it came.
_PAGES = 8192
_PIECE = 1 << 20


class Snapshot(NamedTuple):
    """What was taken, in a folder of its own."""

    database: Path
    """Encrypted with the database's own key; without data keys."""
    segments: Path
    ends: dict[int, int]
    """Segment -> octets of it that rows name."""
    data_keys: list[KeyRow]
    rows: dict[str, int]
    schema: int
    log: LogState


def take(data: Path, scratch: Path, key: bytes, *, tell: Tell) -> Snapshot:
    """Copy what is committed now. `scratch` is an empty folder of the data's own file system. Blocks.

    A record is durable before the row that names it commits, so each body the copy names
    lies in a segment that existed when it was taken. The segments get second names before and
    after: one that retention removes meanwhile stays readable here.
    """
    links = scratch / "segments"
    links.mkdir(mode=0o700)
    _link(data / "segments", links)
    copy = scratch / "state.db"
    _copy_database(data / "state.db", copy, key, tell)
    _link(data / "segments", links)
    db = open_copy(copy, key)
    try:
        keys = take_keys(db)
        return Snapshot(
            copy,
            links,
            segment_ends(db),
            keys,
            row_counts(db),
            schema_of(db),
            log_state(db),
        )
    finally:
        db.close()


def _copy_database(path: Path, copy: Path, key: bytes, tell: Tell) -> None:
    source = connect(path, key)
    target = open_copy(copy, key)
    try:
        # One read transaction over all steps: whoever writes meanwhile does not make the copy begin again.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM counters").fetchall()
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(_PAGES)
                tell("database", backup.page_count - backup.remaining, backup.page_count)
        source.execute("COMMIT")
    finally:
        target.close()
        source.close()


def _link(segments: Path, links: Path) -> None:
    if not segments.is_dir():
        return
    for path in segments.glob("*.seg"):
        name = links / path.name
        if not name.exists():
            try:
                os.link(path, name)
            except FileNotFoundError:
                # Removed since it was listed: its content is over.
                continue


def segment_pieces(snapshot: Snapshot, segment: int) -> Iterator[bytes]:
    """The named part of a segment. Shorter when retention emptied the file: its keys are destroyed then."""
    left = snapshot.ends[segment]
    path = segment_path(snapshot.segments, segment)
    if not path.exists():
        return
    with path.open("rb") as f:
        while left > 0 and (piece := f.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


def pieces(path: Path) -> Iterator[bytes]:
    """A whole file."""
    with path.open("rb") as f:
        while piece := f.read(_PIECE):
            yield piece
