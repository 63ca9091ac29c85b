"""Whether what arrived is what left: counts and hashes of every table, and every body (or a sample) opened.

The hash of a table is the sum of the SHA-256 of its rows, modulo 2^256, so that it does not depend on the order in
which a store reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from mailward.adapters.storage.moving.move import ROWS, Carriage, Tell
from mailward.adapters.storage.moving.side import Key, Source
from mailward.adapters.storage.moving.tables import Row, Table, comparable
from mailward.adapters.storage.records import BodyRef, open_record, record_key
from mailward.base.errors import Corrupt, NotFound
from mailward.core.workspaces.model import DataKey

OpenKey = Callable[[bytes, int, int], Awaitable[DataKey | None]]
"""(workspace, day, version) -> the data key as the target knows it; None when it was destroyed."""

_SAMPLE = 50
"""In a sample, one body of so many, chosen by the hash of its id; and all of a store with fewer than that."""

_encode = msgspec.msgpack.encode


class TableCheck(msgspec.Struct, kw_only=True):
    """One table, at the source and at the target."""

    rows: int
    hash: str
    target_rows: int
    target_hash: str
    left_behind: int = 0
    """Rows of the source that cannot be told in the target's form."""

    @property
    def equal(self) -> bool:
        """The same rows."""
        return (self.rows, self.hash) == (self.target_rows, self.target_hash)


class BodyCheck(msgspec.Struct, kw_only=True):
    """The bodies that rows name."""

    named: int = 0
    compared: int = 0
    """Read at both sides and found to be the same octets."""
    opened: int = 0
    """Opened at the target with its own keys."""
    different: int = 0
    unreadable: int = 0
    """There, and not to be opened though the key is there."""
    missing: int = 0
    """Not at the source either, though the key of their day is."""
    over: int = 0
    """Their key was destroyed: nobody can read them any more."""
    hash: str = ""

    @property
    def good(self) -> bool:
        """Nothing got lost on the way, and what is there opens."""
        return not (self.different or self.unreadable or self.missing)


async def compare_table(source: Source, target: Source, table: Table, tell: Tell) -> TableCheck:
    """Read a table at both sides."""
    of = await source.count(table)
    rows, digest, lost = await _digest(source, table, lambda n: tell.table(table.name, n, of))
    target_rows, target_digest, _ = await _digest(target, table, lambda n: None)
    return TableCheck(rows=rows, hash=digest, target_rows=target_rows, target_hash=target_digest, left_behind=lost)


async def _digest(side: Source, table: Table, tell: Callable[[int], None]) -> tuple[int, str, int]:
    total = rows = lost = 0
    async for page in side.pages(table, None, ROWS):
        for _, row in page.rows:
            total += int.from_bytes(hashlib.sha256(_encode(comparable(table, row))).digest(), "big")
        rows += len(page.rows)
        lost += page.lost
        tell(rows)
    return rows, f"{total % (1 << 256):064x}", lost


async def compare_bodies(
    source: Source,
    target: Source,
    tables: Sequence[Table],
    bodies: Carriage,
    open_key: OpenKey,
    tell: Tell,
    *,
    every: bool,
) -> BodyCheck:
    """Compare the bodies of some tables, whose rows are the same at both sides, and open the target's."""
    check = BodyCheck()
    total = 0
    for table in tables:
        of = await source.count(table)
        all_of_it = every or of < _SAMPLE
        done = 0
        async for page in target.pages(table, None, ROWS):
            for chunk in _chunks(table, page.rows):
                theirs = await _same_rows(source, table, chunk)
                chosen = [
                    (row, other)
                    for row, other in zip(chunk, theirs, strict=True)
                    if row[table.at("segment")] is not None
                ]
                check.named += len(chosen)
                if not all_of_it:
                    chosen = [c for c in chosen if _in_sample(c[0][table.at(table.body)])]
                total += await _compare(table, chosen, bodies, open_key, check)
                done += len(chunk)
                tell.table(f"bodies of {table.name}", done, of)
    check.hash = f"{total % (1 << 256):064x}"
    return check


async def _same_rows(source: Source, table: Table, rows: list[Row]) -> list[Row]:
    """The source's rows with the same keys. Tables with bodies are in the same order at both sides."""
    width = len(table.key)
    first = rows[0][:width]
    found: dict[Key, Row] = {}
    async for page in source.pages(table, _before(first), len(rows)):
        found.update({row[:width]: row for _, row in page.rows})
        break
    return [found[row[:width]] for row in rows]


def _before(key: Key) -> Key:
    """A place just in front of a key that ends in octets."""
    *front, last = key
    assert isinstance(last, bytes)
    number = int.from_bytes(last, "big")
    return (*front, (number - 1).to_bytes(len(last), "big") if number else b"")


async def _compare(
    table: Table, chosen: list[tuple[Row, Row]], bodies: Carriage, open_key: OpenKey, check: BodyCheck
) -> int:
    place = [table.at(c) for c in ("segment", "seg_offset", "seg_length")]
    arrived = await bodies.target.read([BodyRef(*(row[c] for c in place)) for row, _ in chosen])
    left = arrived
    if not bodies.stays:
        left = await bodies.source.read([BodyRef(*(row[c] for c in place)) for _, row in chosen])
    total = 0
    for (row, _), record, before in zip(chosen, arrived, left, strict=True):
        workspace, id = row[table.at("workspace")], row[table.at(table.body)]
        if before is None and record is None:
            day = int.from_bytes(id[:6], "big") // 86_400_000
            gone = await open_key(workspace, day, 1) is None
            check.over += gone
            check.missing += not gone
        elif before is None or record is None or before != record:
            check.different += 1
        else:
            check.compared += 1
            total += int.from_bytes(hashlib.sha256(record).digest(), "big")
            await _open(record, workspace, id, open_key, check)
    return total


async def _open(record: bytes, workspace: bytes, id: bytes, open_key: OpenKey, check: BodyCheck) -> None:
    try:
        key = await open_key(workspace, *record_key(record))
        if key is None:
            check.over += 1
            return
        open_record(record, workspace, id, key)
    except (Corrupt, NotFound):
        check.unreadable += 1
    else:
        check.opened += 1


def _in_sample(id: bytes) -> bool:
    return int.from_bytes(hashlib.sha256(id).digest()[:4], "big") % _SAMPLE == 0


def _chunks(table: Table, rows: list[tuple[Key, Any]]) -> list[list[Row]]:
    """Parts of a page whose bodies fit into memory beside each other."""
    length = table.at("seg_length")
    out: list[list[Row]] = []
    octets = 0
    for _, row in rows:
        if not out or octets + (row[length] or 0) > (8 << 20):
            out.append([])
            octets = 0
        out[-1].append(row)
        octets += row[length] or 0
    return out
