"""The log is moved into the file when enough of it waits, or something has waited long enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from mailward.adapters.storage.sqlite.checkpoint import Checkpointer
from mailward.adapters.storage.sqlite.connection import connect

KEY = b"k" * 32
PAGE = 2048


class Log:
    """A database with a log, and what moves it."""

    def __init__(self, folder: Path) -> None:
        self.db: apsw.Connection = connect(folder / "state.db", KEY, cache_kib=512)
        self.db.execute("CREATE TABLE t(x)")
        self.checkpointer = Checkpointer(folder, KEY)

    def write(self, octets: int) -> None:
        for _ in range(octets // 1_000_000):
            self.db.execute("INSERT INTO t VALUES (randomblob(1000000))")
        self.db.execute("INSERT INTO t VALUES (1)")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.checkpointer.close()
    made.db.close()


def test_a_little_waits_for_its_time(log: Log) -> None:
    """Twenty seconds after the log was last seen empty, and not before."""
    log.checkpointer.run()
    assert log.checkpointer.waits() == 0 and not log.checkpointer.due(100.0)
    log.write(0)
    assert 0 < (log.checkpointer.waits() or 0) < 20 * PAGE
    assert not log.checkpointer.due(119.0)
    assert log.checkpointer.due(120.0)
    log.checkpointer.run()
    assert not log.checkpointer.due(121.0)
    log.write(0)
    assert not log.checkpointer.due(140.0) and log.checkpointer.due(141.0)


def test_much_goes_at_once(log: Log) -> None:
    """With sixteen megabytes in the log, whenever that is; nothing of it is left to wait."""
    log.checkpointer.run()
    assert not log.checkpointer.due(100.0)
    log.write(17_000_000)
    assert log.checkpointer.due(101.0)
    log.checkpointer.run()
    assert log.checkpointer.waits() == 0


def test_what_a_reader_holds_back_goes_on_waiting(log: Log) -> None:
    """A checkpoint that was only in part moves the rest when it can."""
    log.checkpointer.run()
    assert not log.checkpointer.due(100.0)
    other: apsw.Connection = connect(Path(log.db.filename).parent / "state.db", KEY, cache_kib=512)
    with other:
        assert other.execute("SELECT count(*) FROM t").fetchall()
        log.write(2_000_000)
        log.checkpointer.run()
        assert (log.checkpointer.waits() or 0) > 1_000_000
    log.checkpointer.run()
    assert log.checkpointer.waits() == 0
    other.close()


def test_an_index_that_says_nothing_is_no_reason_to_wait(log: Log, tmp_path: Path) -> None:
    """Without the file, or with half of it, the checkpoint is tried."""
    (tmp_path / "other").mkdir()
    connect(tmp_path / "other" / "state.db", KEY, cache_kib=512).close()
    there = Checkpointer(tmp_path / "other", KEY)
    index = tmp_path / "other" / "state.db-shm"
    index.unlink(missing_ok=True)
    assert there.waits() is None and there.due(0.0)
    index.write_bytes(b"\0" * 50)
    assert there.waits() is None and there.due(0.0)
    there.close()
