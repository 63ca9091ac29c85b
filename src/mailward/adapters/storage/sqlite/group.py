"""One group commit: bodies to the open segment, rows in one transaction, both synced before anyone is answered.

Whoever writes to the file runs this: the committing process for the workers' messages and
outcomes, and each process's own writer thread for everything else. They queue for a file
lock instead of SQLite's own, which polls.

The sync of the segment runs beside the SQL and is over before COMMIT: a row never
commits before the body it names is durable.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from mailward.adapters.storage.records import Body
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.scope import SYSTEM_FLAGS, ScopeGuard
from mailward.adapters.storage.sqlite.segments import SegmentWriter
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.base.errors import Unavailable

T = TypeVar("T")
Verb = Callable[[SqliteTx], Awaitable[T]]
ListVerb = Callable[[SqliteTx, list[Any]], Awaitable[Sequence[Any]]]
SINGLE = object()
"""In the place of a list verb: the item is a verb of its own."""


_NOTHING: frozenset[str] = frozenset()
_EPOCHS = "SELECT name, value FROM counters WHERE name IN ('auth_epoch', 'domains_epoch', 'webhooks_epoch')"
# What says something of the file or the machine, and nothing of what was asked: the whole commit failed.
_OF_THE_FILE = (
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.CantOpenError,
    apsw.NoMemError,
    apsw.InterruptError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
    apsw.NotADBError,
)


class Job:
    """A verb, or an item for a list verb, waiting for a commit. `body` is sealed (bytes) or still to be sealed."""

    __slots__ = ("body", "error", "future", "item", "result", "verb", "workspace")

    def __init__(self, verb: Any, workspace: bytes | None, item: Any, body: Body | bytes | None, future: Any) -> None:
        self.verb = verb
        self.workspace = workspace
        self.item = item
        self.body = body
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


def end_process(reason: str) -> None:
    """A failed sync leaves the kernel free to drop what we believe is written: stop at once, recover from disk."""
    sys.stderr.write(f'{{"event":"fatal_storage","level":"critical","reason":"{reason}"}}\n')
    sys.stderr.flush()
    os._exit(74)


class Syncer:
    """fdatasync on a thread of its own, for the time in which the caller runs SQL."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="segment-sync", daemon=True)
        self._thread.start()

    def start(self, fd: int) -> None:
        """Begin; every start is followed by one `wait`."""
        self._asked.put(fd)

    def wait(self) -> None:
        """Until the sync is over; OSError if it failed."""
        if (error := self._done.get()) is not None:
            raise error

    def stop(self) -> None:
        """End the thread."""
        self._asked.put(-1)
        self._thread.join()

    def _run(self) -> None:
        while (fd := self._asked.get()) >= 0:
            error: OSError | None = None
            try:
                os.fdatasync(fd)
            except OSError as e:
                error = e
            self._done.put(error)


class GroupCommit:
    """A writing connection and its open segment. Belongs to one thread; the caller holds the store's lock."""

    def __init__(
        self,
        path: Path,
        key: bytes,
        segments: SegmentWriter,
        *,
        cache_kib: int,
        fatal: Callable[[str], None],
        beside: bool = False,
    ) -> None:
        self._db = connect(path, key, cache_kib=cache_kib)
        self._guard = ScopeGuard(self._db)
        self._guard.install(self._db)
        self._tx = SqliteTx(self._db, self._guard)
        self._segments = segments
        self._fatal = fatal
        self._syncer = Syncer() if beside else None
        self._syncing = False

    def close(self) -> None:
        """Close the segment and the connection."""
        if self._syncer is not None:
            self._syncer.stop()
        self._segments.close()
        self._db.close()

    def commit(self, jobs: list[Job]) -> frozenset[str]:
        """Run and commit; afterwards each job has its result or its error. What others are to be told, mostly nothing.

        A verb that failed may have announced something: they look in vain.
        """
        live = self._store_bodies(jobs)
        if not live:
            return _NOTHING
        db, guard, tx = self._db, self._guard, self._tx
        tx.announced.clear()
        try:
            guard.enter(None, system=True)
            db.execute("BEGIN IMMEDIATE", prepare_flags=SYSTEM_FLAGS)
            counters: dict[str, int] = dict(tx.rows(_EPOCHS))
            tx.epochs = (counters.get("auth_epoch", 0), counters.get("domains_epoch", 0))
            tx.webhooks_epoch = counters.get("webhooks_epoch", 0)
            for group in _groups(live):
                self._run_group(group)
            guard.enter(None, system=True)
            guard.begin_statement()
            self._bodies_durable()
            db.execute("COMMIT", prepare_flags=SYSTEM_FLAGS)
        except BaseException as e:
            self._fail(live, e)
            if not isinstance(e, Exception):
                raise
            return _NOTHING
        finally:
            if self._syncing:
                self._bodies_durable()
            guard.enter(None, system=False)
        return frozenset(tx.announced) if tx.announced else _NOTHING

    def _store_bodies(self, jobs: list[Job]) -> list[Job]:
        """Write the bodies and begin their sync (or end it, without a second thread); the jobs that may go on."""
        bodied = [j for j in jobs if j.body is not None]
        if not bodied:
            return jobs
        try:
            refs = self._segments.write([cast("Body | bytes", j.body) for j in bodied])
        except Unavailable as e:
            for job in bodied:
                job.error = e
            return [j for j in jobs if j.body is None]
        self._syncing = True
        if self._syncer is None:
            self._bodies_durable()
        else:
            self._syncer.start(self._segments.fd)
        for job, ref in zip(bodied, refs, strict=True):
            job.item = (job.item, ref)
        return jobs

    def _bodies_durable(self) -> None:
        if not self._syncing:
            return
        self._syncing = False
        try:
            if self._syncer is None:
                self._segments.sync()
            else:
                self._syncer.wait()
        except OSError as e:
            self._fatal(f"segment sync: {e.strerror}")
            raise

    def _run_group(self, group: list[Job]) -> None:
        db, guard, tx = self._db, self._guard, self._tx
        first = group[0]
        guard.enter(first.workspace, system=first.workspace is None)
        flags = SYSTEM_FLAGS
        guard.begin_statement()
        db.execute("SAVEPOINT verb", prepare_flags=flags)
        try:
            if first.verb is SINGLE:
                first.result = step(first.item(tx))
            else:
                results = step(first.verb(tx, [j.item for j in group]))
                for job, result in zip(group, results, strict=True):
                    if isinstance(result, BaseException):
                        job.error = result
                    else:
                        job.result = result
        except _OF_THE_FILE:
            raise
        except BaseException as e:
            for job in group:
                job.error = e
            guard.begin_statement()
            db.execute("ROLLBACK TO verb", prepare_flags=flags)
        guard.begin_statement()
        db.execute("RELEASE verb", prepare_flags=flags)

    def _fail(self, jobs: list[Job], error: BaseException) -> None:
        """The group did not commit: nothing of it happened, and each caller is told to try again."""
        code = getattr(error, "extendedresult", 0)
        if code in (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC):
            self._fatal("database sync")
        guard = self._guard
        guard.enter(None, system=True)
        guard.begin_statement()
        if self._db.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._db.execute("ROLLBACK", prepare_flags=SYSTEM_FLAGS)
        refusal: BaseException = error
        if isinstance(error, apsw.Error):
            refusal = Unavailable(
                "storage_unavailable",
                "The message could not be stored now; please try again later.",
                detail=f"{type(error).__name__} {code}",
            )
        for job in jobs:
            job.error = refusal


def step(verb: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    """Run a coroutine to its end without a loop; RuntimeError when it really suspends."""
    coroutine = cast("Coroutine[Any, Any, T]", verb)
    try:
        coroutine.send(None)
    except StopIteration as e:
        return cast("T", e.value)
    coroutine.close()
    raise RuntimeError("a verb of the embedded store may not wait for anything but its transaction")


def _groups(jobs: list[Job]) -> list[list[Job]]:
    """Merge the items of one list verb and workspace; keep single verbs alone, in order of arrival."""
    groups: list[list[Job]] = []
    open_groups: dict[tuple[Any, bytes | None], list[Job]] = {}
    for job in jobs:
        if job.verb is SINGLE:
            groups.append([job])
            continue
        key = (job.verb, job.workspace)
        group = open_groups.get(key)
        if group is None:
            group = open_groups[key] = []
            groups.append(group)
        group.append(job)
    return groups
