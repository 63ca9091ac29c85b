"""When it is time, and what is kept no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailward.base import ids
from mailward.base.errors import Corrupt
from mailward.core.backup.manifest import read_manifest, write_manifest
from mailward.core.backup.model import Item, LogState, Manifest, Part
from mailward.core.backup.schedule import due, key_copies_over, over, unnamed

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Zeros:
    """Entropy of tests that look at times only."""

    def bytes(self, n: int) -> bytes:
        return bytes(n)


class Signer:
    """Signs with its name."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def sign(self, message: bytes) -> bytes:
        return self._name + message[-40:]

    def verify(self, signature: bytes, message: bytes) -> bool:
        return signature == self.sign(message)


def id_of(at: datetime) -> str:
    return ids.new("bak", at, Zeros())


def part(at: datetime, what: str) -> Part:
    return Part(name=f"parts/{id_of(at)}-{what}.mwb", sha256="00", size=1, sealed=2, key=1)


def manifest(at: datetime, *bodies: Part) -> Manifest:
    return Manifest(
        id=id_of(at),
        at=at,
        version="1",
        schema=1,
        rows={},
        log=LogState(entries=0, root="", trees=""),
        database=part(at, "database"),
        bodies={p.name: p for p in bodies},
        data_keys=part(at, "keys"),
        secrets={},
    )


def test_a_day_later_it_is_due_again() -> None:
    """Never made, a day ago, and made in a future that a clock set back has forgotten; not after an hour."""
    assert due(None, NOW, DAY)
    assert due(NOW - DAY, NOW, DAY)
    assert due(NOW + DAY, NOW, DAY)
    assert not due(NOW - DAY / 2, NOW, DAY)


@pytest.mark.claim("AVAIL-5")
def test_what_is_past_its_term_goes_but_the_newest() -> None:
    """Ninety days stay, older ones go, and the last one stays however old it is."""
    made = {id_of(NOW - n * DAY): NOW - n * DAY for n in range(100)}
    gone = over(made, NOW, 90 * DAY)
    assert gone == [id_of(NOW - n * DAY) for n in range(99, 90, -1)]
    assert over({"old": NOW - 900 * DAY}, NOW, 90 * DAY) == []


@pytest.mark.claim("PRIVACY-1")
def test_copies_of_data_keys_are_kept_for_a_week() -> None:
    """So a key that was destroyed is in no copy a week later."""
    items = [Item(f"keys/{id_of(NOW - n * DAY)}.mwb", 1) for n in range(12)]
    assert key_copies_over([*items, Item("keys/strange", 1)], NOW) == [items[n].name for n in range(11, 7, -1)]
    assert key_copies_over(items[-1:], NOW) == []


def test_parts_that_a_kept_backup_names_stay() -> None:
    """An old segment that the newest backup relies on is no leftover; a part written today may be about to be named."""
    old, shared = NOW - 95 * DAY, part(NOW - 95 * DAY, "0001-00000001")
    lying = [Item(p.name, 1) for p in (part(old, "database"), shared, part(NOW, "database"), part(NOW, "new"))]
    assert unnamed(lying, [manifest(NOW, shared)], NOW) == [part(old, "database").name]


def test_a_manifest_proves_itself() -> None:
    """Another's signature, a changed octet, no signature and another backup's name are found."""
    made, signer = manifest(NOW), Signer(b"we")
    data = write_manifest(made, signer)
    assert read_manifest(data, signer, id=made.id) == made
    for wrong, who, id in (
        (data, Signer(b"they"), made.id),
        (data.replace(b'"schema":1', b'"schema":2'), signer, made.id),
        (data.partition(b"\n")[0], signer, made.id),
        (b"", signer, made.id),
        (data, signer, id_of(NOW - DAY)),
    ):
        with pytest.raises(Corrupt):
            read_manifest(wrong, who, id=id)
