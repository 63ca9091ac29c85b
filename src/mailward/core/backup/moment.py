"""Moments: states of the installation between two backups, as a base and what changed since; their signed records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import datetime, timedelta

import msgspec

from mailward.core.backup.model import KEY_COPIES_KEPT, Item, Part
from mailward.core.backup.record import SignedForm

# Written before the record that names it.
_UNDER_WAY = timedelta(hours=6)


class Moment(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="mailward-moment/1"):
    """What a state is put together from. Each names all it needs: none relies on the record of another."""

    id: str
    at: datetime
    """What was committed before is in it."""
    base: str
    """The moment whose pages are whole; those since are laid over them."""
    version: str
    size: int
    """Octets of the database's file, without its log."""
    pages: tuple[Part, ...]
    """The whole file, and then pages that changed, in the order in which they are laid over it."""
    log: tuple[Part, ...]
    """The write-ahead log, one piece behind the other."""
    bodies: dict[str, tuple[Part, ...]]
    """Segment files by name, one piece behind the other."""
    secrets: dict[str, bytes]
    """The installation's secrets, each wrapped under the key file."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them."""
        return (*self.pages, *self.log, *(part for parts in self.bodies.values() for part in parts))


_FORM = SignedForm(Moment, context=b"mailward backup moment\x00", what="The record of this moment")
write_moment, read_moment, peek_moment = _FORM.write, _FORM.read, _FORM.peek


def chosen(there: Mapping[str, datetime], at: datetime) -> str | None:
    """The newest that is not after a time."""
    return max((id for id in there if there[id] <= at), key=lambda id: (there[id], id), default=None)


def moments_over(there: Mapping[str, datetime], now: datetime) -> list[str]:
    """Ids of moments past their week; the newest stays. Their pages hold data keys, which are copied for no longer."""
    by_age = sorted(there, key=lambda id: (there[id], id))
    return [id for id in by_age[:-1] if now - there[id] > KEY_COPIES_KEPT]


def unnamed(items: Iterable[Item], named: Set[str], now: datetime) -> list[str]:
    """Parts that are not among those that moments name."""
    return [i.name for i in items if i.name not in named and i.at is not None and now - i.at > _UNDER_WAY]
