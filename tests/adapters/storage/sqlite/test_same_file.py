"""A database file that was replaced takes no more commits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.same_file import SameFile
from mailward.base.errors import Unavailable


async def test_nothing_commits_into_a_file_without_a_name(store: SqliteStore, tmp_path: Path) -> None:
    """Moved away: each write is refused for now. Another file under the name: too. The same one back: fine again."""
    path = tmp_path / "data" / "state.db"
    await store.system_write(lambda tx: tx.counters.bump("probe"))
    path.rename(path.with_suffix(".aside"))
    with pytest.raises(Unavailable):
        await store.system_write(lambda tx: tx.counters.bump("probe"))
    shutil.copy(path.with_suffix(".aside"), path)
    with pytest.raises(Unavailable):
        await store.system_write(lambda tx: tx.counters.bump("probe"))
    path.with_suffix(".aside").replace(path)
    assert await store.system_write(lambda tx: tx.counters.bump("probe")) == 2


def test_a_file_is_known_by_what_it_is(tmp_path: Path) -> None:
    """Writing to it changes nothing; a copy over its name does, and so does its absence."""
    path = tmp_path / "file"
    path.write_text("one")
    same = SameFile(path)
    path.write_text("two")
    assert not same.replaced()
    (tmp_path / "other").write_text("two")
    (tmp_path / "other").replace(path)
    assert same.replaced()
    path.unlink()
    assert same.replaced()
