"""Who has work waiting is found without walking over the work."""

from __future__ import annotations

from typing import Any

import apsw

from mailward.adapters.storage.sqlite.waiting import with_work


class Plain:
    """As much of a transaction as the skip needs; counts the steps of SQLite's machine."""

    def __init__(self) -> None:
        self.db = apsw.Connection(":memory:")
        self.db.execute("CREATE TABLE jobs(workspace BLOB, of BLOB, id INTEGER, due INTEGER)")
        self.db.execute("CREATE INDEX jobs_open ON jobs(workspace, of, due) WHERE due IS NOT NULL")
        self.steps = 0
        self.db.set_progress_handler(self._step, 10)

    def _step(self) -> bool:
        self.steps += 1
        return False

    def row(self, sql: str, params: Any = ()) -> Any:
        found = self.db.execute(sql, params).fetchall()
        return found[0] if found else None

    def fill(self, jobs: int) -> None:
        for workspace in (b"a", b"b"):
            for of in (b"1", b"2", b"3"):
                for n in range(jobs):
                    self.db.execute("INSERT INTO jobs VALUES (?,?,?,?)", (workspace, of, n, n))
        self.db.execute("INSERT INTO jobs VALUES (x'63', x'31', 0, NULL)")


def test_everyone_with_work_is_found_at_a_price_by_their_number() -> None:
    """A thousand times the work, the same steps; what is not due any more counts for nothing."""
    steps = []
    for jobs in (1, 1000):
        tx: Any = Plain()
        tx.fill(jobs)
        tx.steps = 0
        assert with_work(tx, "jobs", "of") == [(w, o) for w in (b"a", b"b") for o in (b"1", b"2", b"3")]
        steps.append(tx.steps)
    assert steps[1] <= steps[0] + 2
