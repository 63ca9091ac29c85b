"""Copying: page by page, each page and the note of it in one transaction, bodies before the rows that name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from mailward.adapters.storage.moving.bodies import Bodies
from mailward.adapters.storage.moving.side import HEAD, Begun, Key, Source, Step, Target
from mailward.adapters.storage.moving.tables import OF_A_PLACE, TABLES, Row, Table
from mailward.adapters.storage.records import BodyRef

ROWS = 500
# Octets of bodies in memory at once, a single larger one excepted.
_OCTETS = 16 << 20

_encode = msgspec.msgpack.encode


class NotEmpty(Exception):
    """The target holds something that is no unfinished move of this source; the text says what."""


class Tell(Protocol):
    """Who wants to know how far it is."""

    def table(self, name: str, rows: int, of: int) -> None:
        """So many rows of a table are there."""
        ...


@dataclass(frozen=True, slots=True)
class Carriage:
    """Bodies of both sides. The same place: they stay where they are."""

    source: Bodies
    target: Bodies

    @property
    def stays(self) -> bool:
        """Is there nothing to carry?"""
        return self.source.place == self.target.place


def tables_of(bodies: Carriage) -> list[Table]:
    """What moves between these places."""
    return [t for t in TABLES if bodies.stays or t.name not in OF_A_PLACE]


async def begin(source: Source, target: Target, *, now_us: int) -> tuple[Begun, dict[str, Step]]:
    """Where a move stands: at its beginning in an empty target, or where it was cut off. NotEmpty otherwise."""
    notes = await target.steps()
    fingerprint = await source.fingerprint()
    if HEAD in notes:
        begun = msgspec.msgpack.decode(notes[HEAD], type=Begun)
        if begun.source != fingerprint:
            raise NotEmpty(
                "a move into this store has begun from another store, or the source was used since: "
                "empty the target and begin again"
            )
        return begun, {k: msgspec.msgpack.decode(v, type=Step) for k, v in notes.items() if k != HEAD}
    if (name := await target.first_occupied()) is not None:
        raise NotEmpty(f"the target is not empty: there are rows in {name}")
    begun = Begun(source=fingerprint, began=now_us)
    await target.write(None, (), {HEAD: _encode(begun)})
    return begun, {}


async def copy(source: Source, target: Target, bodies: Carriage, steps: dict[str, Step], tell: Tell) -> None:
    """Copy what has not arrived yet. May be cut off anywhere and called again with the notes that are there then."""
    for table in tables_of(bodies):
        step = steps.setdefault(table.name, Step())
        if step.done:
            continue
        of = await source.count(table)
        tell.table(table.name, step.rows, of)
        after: Key | None = None if step.after is None else tuple(step.after)
        async for page in source.pages(table, after, ROWS):
            step.lost += page.lost
            for some in _batches(table, page.rows):
                rows: Sequence[Row] = [row for _, row in some]
                if table.body and not bodies.stays:
                    rows = await carry(table, rows, bodies)
                step.after, step.rows = list(some[-1][0]), step.rows + len(some)
                await target.write(table, rows, {table.name: _encode(step)})
                tell.table(table.name, step.rows, of)
        step.done = True
        await target.write(None, (), {table.name: _encode(step)})


async def finish(target: Target, begun: Begun, steps: dict[str, Step], *, now_us: int) -> None:
    """Note that everything has arrived: from here on the target may be used."""
    begun.finished = now_us
    await target.write(None, (), {HEAD: _encode(begun), **dict.fromkeys(steps)})


async def carry(table: Table, rows: Sequence[Row], bodies: Carriage) -> list[Row]:
    """Copy the bodies that rows name; the rows with their new places.

    A body that the source itself no longer has keeps its length and gets a place where nothing
    lies: asking for it says what it says at the source.
    """
    segment, offset, length = (table.at(c) for c in ("segment", "seg_offset", "seg_length"))
    named = [n for n, row in enumerate(rows) if row[segment] is not None]
    records = await bodies.source.read([BodyRef(*(rows[n][c] for c in (segment, offset, length))) for n in named])
    found = [(n, record) for n, record in zip(named, records, strict=True) if record is not None]
    refs = dict(zip([n for n, _ in found], await bodies.target.append([r for _, r in found]), strict=True))
    out = []
    for n, row in enumerate(rows):
        if n in named:
            values = list(row)
            ref = refs.get(n)
            values[segment], values[offset] = (ref.segment, ref.offset) if ref is not None else (0, 0)
            out.append(tuple(values))
        else:
            out.append(row)
    return out


def _batches(table: Table, rows: list[tuple[Key, Row]]) -> Iterator[list[tuple[Key, Row]]]:
    """A page, or parts of it when the bodies it names are large."""
    if not table.body:
        if rows:
            yield rows
        return
    length = table.at("seg_length")
    batch: list[tuple[Key, Any]] = []
    octets = 0
    for entry in rows:
        own = entry[1][length] or 0
        if batch and octets + own > _OCTETS:
            yield batch
            batch, octets = [], 0
        batch.append(entry)
        octets += own
    if batch:
        yield batch
