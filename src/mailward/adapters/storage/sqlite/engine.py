"""Group commit: verbs queue up, one writer thread runs whatever arrived during the last sync.

A verb is a coroutine function over a transaction. The writer steps it to its end in
one go; its awaits never suspend here (on PostgreSQL they await the driver). Verbs that
take lists are merged: all items that wait for the same verb and workspace run as one
call. Bodies are sealed and synced to their segment first; only then their rows are
written and committed.

Several processes share the file. They queue for a file lock instead of SQLite's own,
which polls, and gather their group only once they have it: the busier the machine, the
larger the commits, and a commit costs much the same whatever its size.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from mailward.adapters.storage.committing.frames import SharedVerb
from mailward.adapters.storage.committing.link import CommitterLink
from mailward.adapters.storage.sqlite.connection import DAMAGED, assert_encrypted, connect
from mailward.adapters.storage.sqlite.group import SINGLE, GroupCommit, Job, ListVerb, Verb, end_process, step
from mailward.adapters.storage.sqlite.migrate import MigrationError, migrate
from mailward.adapters.storage.sqlite.scope import SYSTEM_FLAGS, ScopeGuard
from mailward.adapters.storage.sqlite.segments import BodyRef, DataKey, SegmentWriter, read_record
from mailward.adapters.storage.sqlite.sweep import overwrite
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.adapters.storage.sqlite.upkeep import scrubbing, sweeping
from mailward.base import ids
from mailward.base.errors import MailwardError, Unavailable
from mailward.base.sources import Clock, Entropy

T = TypeVar("T")

# Items of one commit at most: bounds how long a lone message waits behind a crowd.
_MAX_GROUP = 1024


class SqliteStore:
    """The embedded store of one process. Create with `open()`, finish with `close()`."""

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        worker: int,
        entropy: Entropy,
        fatal: Callable[[str], None] = end_process,
    ) -> None:
        self._folder = folder
        self._path = folder / "state.db"
        self._key = key
        self._fatal = fatal
        self.segment_folder = folder / "segments"
        self._segments = SegmentWriter(self.segment_folder, worker, entropy)
        self._entropy = entropy
        self._link: CommitterLink | None = None
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._read_inbox: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock_fd = -1
        self._closed = False
        self._notices: list[Callable[[str], None]] = []

    # -- life ---------------------------------------------------------------------------------

    @staticmethod
    def prepare(folder: Path, key: bytes, clock: Clock) -> list[str]:
        """Create or migrate the file, under the store's lock; names of the migrations applied.

        Unavailable, with the reason, when it is damaged or of a newer version.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / "state.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            db = connect(folder / "state.db", key)
            guard = ScopeGuard(db)
            guard.enter(None, system=True)
            applied = migrate(db, now=clock.now())
            db.close()
            (folder / "state.db").chmod(0o600)
            assert_encrypted(folder / "state.db")
            return applied
        except MigrationError as e:
            raise Unavailable("storage_schema", f"The store cannot be used: {e}.") from e
        except (apsw.CorruptError, apsw.NotADBError, apsw.IOError) as e:
            raise Unavailable("storage_unavailable", DAMAGED, detail=f"{folder / 'state.db'}: {e}") from e
        finally:
            os.close(fd)

    async def open(self) -> None:
        """Start the writer and the reader threads on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._lock_fd = os.open(self._folder / "state.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for name, target in (("store-writer", self._write_loop), ("store-reader", self._read_loop)):
            ready: asyncio.Future[None] = self._loop.create_future()
            thread = threading.Thread(target=target, args=(ready,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
            await ready

    async def join_committer(
        self,
        path: Path,
        verbs: Sequence[SharedVerb],
        *,
        speaking: Callable[[], bool] = lambda: False,
        errors: Sequence[type[MailwardError]] = (),
    ) -> None:
        """From now on hand the items of these verbs to the committing process behind that socket, while it is there."""
        self._link = CommitterLink(path, verbs, self._entropy, self._alone, speaking=speaking, errors=errors)
        await self._link.first(2.0)

    def hushed(self) -> None:
        """See the port."""
        if self._link is not None:
            self._link.hushed()

    def _alone(
        self, verb: Any, workspace: bytes | None, item: Any, record: bytes | None, future: asyncio.Future[Any]
    ) -> None:
        self._inbox.put(Job(verb, workspace, item, record, future))

    async def close(self) -> None:
        """Finish what is queued, then stop."""
        if self._closed:
            return
        if self._link is not None:
            await self._link.close()
        self._closed = True
        self._inbox.put(None)
        self._read_inbox.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        os.close(self._lock_fd)

    # -- doors --------------------------------------------------------------------------------

    def write(self, workspace: str, verb: Verb[T]) -> asyncio.Future[T]:
        """Run a verb in a transaction of one workspace; resolves after the commit is on disk."""
        return self._submit(SINGLE, ids.decode("ws", workspace), verb, None)

    def system_write(self, verb: Verb[T]) -> asyncio.Future[T]:
        """Run a verb outside of any workspace. For `core/workspaces/system` and its importers only."""
        return self._submit(SINGLE, None, verb, None)

    def write_item(
        self, verb: ListVerb, workspace: bytes | None, item: Any, body: tuple[bytes, DataKey, bytes] | None = None
    ) -> asyncio.Future[Any]:
        """Queue one item for a list verb; items that wait together run as one call.

        `body` is (message id, data key, content): it is made durable first and the verb
        receives the item as `(item, BodyRef)`. The verb returns a result for each item; a
        result that is an exception is raised to that item's caller alone.
        """
        if self._link is not None:
            future = self._future()
            sealed_by = None if body is None else (workspace or b"", *body)
            if self._link.offer(verb, workspace, item, sealed_by, future):
                return future
        return self._submit(verb, workspace, item, None if body is None else (workspace or b"", *body))

    def read(self, workspace: str, verb: Verb[T]) -> asyncio.Future[T]:
        """Run a verb that only reads, on a snapshot, beside the writer."""
        return self._submit_read(ids.decode("ws", workspace), verb)

    def system_read(self, verb: Verb[T]) -> asyncio.Future[T]:
        """Like `read`, outside of any workspace."""
        return self._submit_read(None, verb)

    def read_body(self, ref: BodyRef) -> asyncio.Future[bytes]:
        """The sealed record that a row names; NotFound when it is no longer kept."""
        return self.in_reader(lambda: read_record(self.segment_folder, ref))

    def overwrite_body(self, workspace: bytes, message: bytes, ref: BodyRef) -> Awaitable[None]:
        """Make a record unreadable where it lies; nothing happens when it is gone already."""
        return asyncio.to_thread(overwrite, self.segment_folder, ref, workspace, message)

    def watch(self, notice: Callable[[str], None]) -> None:
        """Have `notice` called when a commit of this process changed what it keeps in memory; the others: `tells`."""
        self._notices.append(notice)

    def tells(self, others: Callable[[str], None]) -> None:
        """How the other processes of the machine are told of such a commit. Who is not told finds out by looking."""
        self._notices.append(others)

    def nodes(self) -> None:
        """There is one machine; the kernel's locks say who lives on it."""

    def chores(self) -> list[tuple[str, float, Callable[[], Awaitable[int]]]]:
        """Moving the write-ahead log into the file, beside the commits and never inside one; what retention left."""
        checkpointer = Checkpointer(self._folder, self._key)

        async def checkpoint() -> int:
            await asyncio.to_thread(checkpointer.run)
            return 0

        return [
            ("checkpoint", 1.0, checkpoint),
            ("segments", 600.0, sweeping(self, self.segment_folder)),
            ("scrub", 60.0, scrubbing(self, self._folder, self._key)),
        ]

    def in_reader(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Run a blocking file read on the reader thread."""
        future = self._future()
        self._read_inbox.put((None, call, future, False))
        return cast("asyncio.Future[T]", future)

    def _future(self) -> asyncio.Future[Any]:
        if self._loop is None or self._closed:
            raise Unavailable("stopping", "The server is stopping; please try again.", detail="store closed")
        return self._loop.create_future()

    def _submit(self, verb: Any, workspace: bytes | None, item: Any, body: Any) -> asyncio.Future[Any]:
        future = self._future()
        self._inbox.put(Job(verb, workspace, item, body, future))
        return future

    def _submit_read(self, workspace: bytes | None, verb: Any) -> asyncio.Future[Any]:
        future = self._future()
        self._read_inbox.put((workspace, verb, future, True))
        return future

    # -- writer thread ------------------------------------------------------------------------

    def _connect(self, cache_kib: int) -> tuple[apsw.Connection, ScopeGuard, SqliteTx]:
        db = connect(self._path, self._key, cache_kib=cache_kib)
        guard = ScopeGuard(db)
        guard.install(db)
        return db, guard, SqliteTx(db, guard)

    def _write_loop(self, ready: asyncio.Future[None]) -> None:
        assert self._loop is not None
        try:
            group = GroupCommit(self._path, self._key, self._segments, cache_kib=1_024, fatal=self._fatal)
        except BaseException as e:
            self._loop.call_soon_threadsafe(ready.set_exception, e)
            return
        self._loop.call_soon_threadsafe(ready.set_result, None)
        inbox = self._inbox
        stop = False
        while not stop:
            first = inbox.get()
            if first is None:
                break
            # Whoever waits for the other process's commit gathers meanwhile what arrives: so commits grow with load.
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            try:
                jobs, stop = self._gather(first)
                announced = group.commit(jobs)
            finally:
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)
            with contextlib.suppress(RuntimeError):  # the loop may be gone at shutdown
                self._loop.call_soon_threadsafe(self._committed, jobs, announced)
        group.close()

    def _committed(self, jobs: list[Job], announced: frozenset[str]) -> None:
        for topic in announced:
            for notice in self._notices:
                notice(topic)
        _resolve(jobs)

    def _gather(self, first: Job) -> tuple[list[Job], bool]:
        """What waits, up to the largest group; True when the store is to stop afterwards."""
        jobs = [first]
        while len(jobs) < _MAX_GROUP:
            try:
                job = self._inbox.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    # -- reader thread ------------------------------------------------------------------------

    def _read_loop(self, ready: asyncio.Future[None]) -> None:
        assert self._loop is not None
        try:
            db, guard, tx = self._connect(2_048)
        except BaseException as e:
            self._loop.call_soon_threadsafe(ready.set_exception, e)
            return
        self._loop.call_soon_threadsafe(ready.set_result, None)
        while (entry := self._read_inbox.get()) is not None:
            workspace, verb, future, scoped = entry
            result: Any = None
            error: BaseException | None = None
            try:
                result = self._read_one(db, guard, tx, workspace, verb) if scoped else verb()
            except apsw.Error as e:
                public = DAMAGED if isinstance(e, apsw.CorruptError) else "The store is busy; please try again."
                error = Unavailable("storage_unavailable", public, detail=repr(e))
                if isinstance(e, apsw.SQLError | apsw.AuthError | apsw.ConstraintError):
                    error = e
            except BaseException as e:
                error = e
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, future, result, error)
        db.close()

    def _read_one(
        self, db: apsw.Connection, guard: ScopeGuard, tx: SqliteTx, workspace: bytes | None, verb: Any
    ) -> Any:
        guard.enter(workspace, system=workspace is None)
        try:
            guard.begin_statement()
            db.execute("BEGIN", prepare_flags=SYSTEM_FLAGS)
            return step(verb(tx))
        finally:
            guard.begin_statement()
            if db.in_transaction:
                db.execute("ROLLBACK", prepare_flags=SYSTEM_FLAGS)
            guard.enter(None, system=False)


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        future = job.future
        if future.done():
            continue
        if job.error is not None:
            future.set_exception(_as_raised(job.error))
        else:
            future.set_result(job.result)


def _as_raised(error: BaseException) -> BaseException:
    """Many callers may wait on one failure: each gets its own exception object where we can make one."""
    if type(error) is Unavailable:
        return Unavailable(error.code, error.public, detail=error.detail)
    return error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class Checkpointer:
    """Moves the WAL into the database file in the background, never inside a commit."""

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        truncate_above: int = 256 << 20,
        fatal: Callable[[str], None] = end_process,
    ) -> None:
        self._fatal = fatal
        self._db = connect(folder / "state.db", key, cache_kib=512)
        self._wal = folder / "state.db-wal"
        self._truncate_above = truncate_above

    def run(self) -> int:
        """One checkpoint; returns the WAL's size in bytes afterwards. Blocks: call it in a thread."""
        size = self._wal.stat().st_size if self._wal.exists() else 0
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE if size < self._truncate_above else apsw.SQLITE_CHECKPOINT_TRUNCATE
        with contextlib.suppress(apsw.BusyError):
            try:
                self._db.wal_checkpoint(mode=mode)
            except apsw.IOError as e:
                # The log still has every page; but what a kernel that could not write says next is not to be believed.
                if getattr(e, "extendedresult", 0) in (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC):
                    self._fatal("checkpoint sync")
                raise
        return self._wal.stat().st_size if self._wal.exists() else 0

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


__all__ = ["BodyRef", "Checkpointer", "DataKey", "MailwardError", "SqliteStore", "end_process", "step"]
