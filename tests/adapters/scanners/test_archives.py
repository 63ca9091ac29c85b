"""Archives are opened by what they are, within a budget, and never end in an exception."""

from __future__ import annotations

import random
import zipfile

import pytest

from mailward.adapters.scanners.archives import MAX_DEPTH, Budget, unpack
from tests.adapters.scanners.conftest import PACKERS, tarred, zipped

SECRET = b"the thing that is looked for " * 10


@pytest.mark.parametrize("packer", list(PACKERS))
def test_every_format_gives_back_its_content(packer: str) -> None:
    """What was packed is found again, whatever the name says, and nothing is noted."""
    budget = Budget()
    found = [data for _, data in unpack("holiday.jpg", PACKERS[packer](SECRET), budget)]
    assert SECRET in found
    assert budget.notes == []


def test_what_is_no_archive() -> None:
    """Other octets give nothing and no note."""
    budget = Budget()
    for data in (b"", b"PK", b"hello", random.Random(1).randbytes(1000), b"\x1f\x8b"):
        assert list(unpack("x", data, budget)) == []
    assert budget.notes == []


@pytest.mark.asvs("5.2.3")
def test_a_bomb_is_cut_at_the_ratio() -> None:
    """Two hundred times what came in is enough: the rest is not unpacked, and it is called a bomb."""
    budget = Budget()
    data = zipped({str(n): bytes(9 * 1024 * 1024) for n in range(8)})
    assert len(list(unpack("x", data, budget))) < 8
    assert budget.notes == ["archive_bomb"]


@pytest.mark.asvs("5.2.3")
def test_the_budget_of_octets_is_for_all_archives_together() -> None:
    """What would pass the budget is not kept, and that is noted."""
    budget, noise = Budget(octets=1_000_000), random.Random(1)
    data = zipped({"a": noise.randbytes(700_000), "b": noise.randbytes(700_000)})
    assert [name for name, _ in unpack("x", data, budget)] == ["x/a"]
    assert budget.notes == ["archive_too_large"]


@pytest.mark.asvs("5.2.3")
def test_too_many_files_are_counted_before_the_directory_is_read() -> None:
    """A zip whose directory says more than the limit is not opened; a tar stops at the limit."""
    budget = Budget(members=5)
    assert list(unpack("x", zipped({str(n): b"" for n in range(1001)}), budget)) == []
    assert budget.notes == ["archive_too_many_files"]
    assert len(list(unpack("x", tarred({str(n): b"x" for n in range(9)}), Budget(members=5)))) == 5


def test_depth_is_bounded() -> None:
    """An archive in an archive in an archive ends at the limit."""
    data = SECRET
    for _ in range(MAX_DEPTH + 1):
        data = zipped({"z": data})
    budget = Budget()
    assert SECRET not in [d for _, d in unpack("x", data, budget)]
    assert budget.notes == ["archive_nested_too_deep"]


def test_a_member_that_lies_hides_none_of_the_others() -> None:
    """A broken member is noted, those after it are read."""
    data = bytearray(zipped({"a": SECRET, "b": SECRET * 2}, zipfile.ZIP_STORED))
    data[data.index(SECRET)] ^= 1
    budget = Budget()
    assert [d for _, d in unpack("x", bytes(data), budget)] == [SECRET * 2]
    assert budget.notes == ["archive_unreadable"]


def test_encrypted_members_are_noted() -> None:
    """Nobody can look into an encrypted file, and that is said."""
    data = bytearray(zipped({"a": SECRET}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    budget = Budget()
    assert list(unpack("x", bytes(data), budget)) == []
    assert budget.notes == ["archive_encrypted"]


@pytest.mark.parametrize("packer", list(PACKERS))
def test_damage_is_no_exception(packer: str) -> None:
    """Flipped and cut archives of every format end in notes at worst."""
    chance = random.Random(packer)
    whole = PACKERS[packer](SECRET)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for _ in unpack("x", bytes(data[: chance.randint(1, len(data))]), Budget(octets=5_000_000)):
            pass
