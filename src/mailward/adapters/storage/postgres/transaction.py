"""One committing connection: groups of jobs in, one transaction, and the truth about whether it took place.

The first statement batch opens the transaction, binds it to our schema and, where items
are accepted on what an epoch says, holds the epochs still; the second reads them and enters
the first scope. Each group runs in its own scope. Savepoints cost answers to wait for, so the first try does without:
when one of several groups fails as a whole, all of them run again behind one each, so that a verb that fails undoes
only itself. The last batch leaves the connection's mark and commits. If the
answer to that batch is lost, the mark says on a new connection whether it happened, and
closes the door to it happening later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mailward.adapters.storage.committing.link import SecondLook
from mailward.adapters.storage.postgres.connect import Connector, drop, part
from mailward.adapters.storage.postgres.failures import again, cancelled, lost, unavailable
from mailward.adapters.storage.postgres.sql import ENTER, EPOCHS_LOCK, SYSTEM_ROLE, Sql, entering, scope_sql
from mailward.adapters.storage.postgres.waiting import SINGLE, Group, Job
from mailward.base.errors import Unavailable
from mailward.base.sources import Clock, Entropy

MakeTx = Callable[[Any], Sql]

# How long a transaction may take before its connection is given up: items of the message path, and upkeep's verbs.
_ITEMS_SECONDS, _SINGLE_SECONDS = 20.0, 120.0
_TRIES = 4
# Items are committed under a shared lock with the number of their process; the number fits 31 bits.
_PROCESS_LOCKS = 0x4D57_5052
# A mark that cannot be counted on from: the next one overflows, and its transaction fails.
_CLOSED = 2**63 - 1
_SAVEPOINT = "; SAVEPOINT verb"
_RELEASE = "RELEASE SAVEPOINT verb; "
_UNDO = "ROLLBACK TO SAVEPOINT verb; " + _RELEASE


class _GroupFailedError(Exception):
    """One of several groups failed as a whole: all of them are to be run again, with a savepoint each."""


Late = Callable[[Group], Group]
"""What came for a group since it was taken up; whoever answers has noted it."""


class Announce(Protocol):
    """Tells other processes what kind of thing changed."""

    def __call__(self, topics: set[str]) -> None: ...


def begin_sql(*, read_only: bool = False, durable: bool = True) -> str:
    """The first batch of every transaction. What it sets ends with the transaction.

    A connection that went silent gives its locks back by itself: the server ends a
    transaction that waits for us too long, and a statement that runs too long.
    """
    mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if read_only else ""
    return (
        f"BEGIN{mode}; SET LOCAL search_path = mailward; SET LOCAL statement_timeout = '60s'; "
        "SET LOCAL idle_in_transaction_session_timeout = '30s'; "
        + ("" if durable else "SET LOCAL synchronous_commit = on; ")
    )


class Committer:
    """Commits for one process over one connection, which it opens when needed. Not for two tasks at once."""

    def __init__(
        self,
        connector: Connector,
        make_tx: MakeTx,
        *,
        process: int,
        shard: int,
        clock: Clock,
        entropy: Entropy,
        announce: Announce,
        patience: float,
        durable: Callable[[], bool],
    ) -> None:
        self._connector = connector
        self._make_tx = make_tx
        self._process = process
        self._shard = shard
        self._clock = clock
        self._entropy = entropy
        self._announce = announce
        self._patience = patience
        self._durable = durable
        self._db: Any = None
        self._tx: Sql | None = None
        self._name = b""
        self._sequence = 0
        self._committing = False

    async def close(self) -> None:
        """Close the connection."""
        await part(self._db)
        self._db = None

    async def commit(self, groups: Sequence[Group], late: Late) -> None:
        """Run the groups and commit; every job has its result or its error afterwards, those that `late` brings too."""
        seconds = _SINGLE_SECONDS if groups[0][0].verb is SINGLE else _ITEMS_SECONDS
        tries = 0
        apart = False
        while True:
            tries += 1
            # Who asked is gone, and is not to find it done behind its successor.
            groups = [kept for group in groups if (kept := [job for job in group if not job.future.cancelled()])]
            if not groups:
                return
            try:
                async with asyncio.timeout(seconds):
                    await self._run(groups, late, apart=apart)
                return
            except asyncio.CancelledError:
                self._lose()
                raise
            except _GroupFailedError:
                await self._roll_back()
                apart = True
            except BaseException as e:
                if await self._failed(groups, e, tries):
                    return

    async def _failed(self, groups: Sequence[Group], error: BaseException, tries: int) -> bool:
        """True when the jobs have their answers; False when the groups are to be run again from the start."""
        if lost(error):
            committing, name, sequence = self._committing, self._name, self._sequence
            self._lose()
            if committing:
                try:
                    if await self._took_place(name, sequence + 1, _since(groups) + self._patience):
                        return True
                except Unavailable as e:
                    _refuse(groups, e)
                    return True
        elif again(error):
            await self._roll_back()
            if tries < _TRIES:
                await asyncio.sleep(0.002 * tries * (1 + self._entropy.bytes(1)[0] / 255))
                return False
            _refuse(groups, unavailable(error))
            return True
        elif not isinstance(error, Unavailable):
            await self._roll_back()
            _refuse(groups, unavailable(error) if cancelled(error) else error)
            return True
        # The server is away, and nothing of this took place: worth another try while the callers have patience.
        left = _since(groups) + self._patience - asyncio.get_running_loop().time()
        if left <= 0:
            _refuse(groups, unavailable(error))
            return True
        await asyncio.sleep(min(left, max(0.01, self._connector.pause)))
        return False

    # -- a transaction ---------------------------------------------------------------------------

    async def _run(self, groups: Sequence[Group], late: Late, *, apart: bool) -> None:
        """Each group behind a savepoint if `apart`; else _GroupFailedError when one of several fails as a whole."""
        self._committing = False
        db, tx = await self._ready()
        await db.execute(self._begin(groups, apart=apart))
        first = groups[0][0].workspace
        counters = {r[0]: r[1] for r in await db.fetch(ENTER, *entering(first))}
        tx.bound(first)
        tx.epochs = (counters.get("auth_epoch", 0), counters.get("domains_epoch", 0))
        tx.webhooks_epoch = counters.get("webhooks_epoch", 0)
        tx.announced.clear()
        tx.moving.clear()
        before = ""
        any_kept = False
        for n, group in enumerate(groups):
            workspace = group[0].workspace
            if n and (apart or workspace != groups[n - 1][0].workspace):
                await db.execute(f"{before}{scope_sql(workspace)}{_SAVEPOINT if apart else ''}")
                tx.bound(workspace)
            group.extend(late(group))
            moving = list(tx.moving)
            if await self._run_group(tx, group):
                before, any_kept = _RELEASE if apart else "", True
            elif apart:
                before, tx.moving = _UNDO, moving
            elif len(groups) > 1:
                raise _GroupFailedError
        if any_kept and tx.moving:
            if before:
                await db.execute(before)
                before = ""
            await tx.move_epochs()
        tx.unbound()
        if not any_kept:
            await db.execute("ROLLBACK")
            return
        await self._commit(db, before)
        if tx.announced:
            self._announce(set(tx.announced))

    async def _run_group(self, tx: Sql, group: Group) -> bool:
        """True when what it did stays; False when it failed as a whole and is to be undone."""
        try:
            if group[0].verb is SINGLE:
                group[0].result, group[0].error = await group[0].item(tx), None
                await tx.catch_up()
                return True
            # Again, for it may have waited in the first statement: who is gone is not to find it done.
            asked = [job for job in group if not job.future.cancelled()]
            results = await group[0].verb(tx, [job.item for job in asked]) if asked else ()
            await tx.catch_up()
            for job, result in zip(asked, results, strict=True):
                failed = isinstance(result, BaseException)
                job.result, job.error = (None, result) if failed else (result, None)
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            if lost(e) or again(e):
                raise
            for job in group:
                job.result, job.error = None, unavailable(e) if cancelled(e) else e
            return False
        return True

    async def _commit(self, db: Any, before: str) -> None:
        number = self._sequence + 1
        now = int(self._clock.now().timestamp() * 1_000_000)
        self._committing = True
        # A transaction that changed nothing has no number, leaves no mark and costs no write. Past a closed mark
        # the sum overflows, which fails the transaction.
        status = await db.execute(
            f"{before}SET LOCAL ROLE {SYSTEM_ROLE}; "
            "INSERT INTO commit_marks(connection, sequence, at) "  # hex and numbers of ours
            f"SELECT '\\x{self._name.hex()}', {number}, {now} WHERE pg_current_xact_id_if_assigned() IS NOT NULL "
            "ON CONFLICT (connection) DO UPDATE "
            "SET sequence = greatest(excluded.sequence, commit_marks.sequence + 1), at = excluded.at; COMMIT"
        )
        self._committing = False
        if status != "COMMIT":
            raise unavailable(RuntimeError())
        self._sequence = number

    def _begin(self, groups: Sequence[Group], *, apart: bool) -> str:
        text = begin_sql(durable=self._durable()) + f"SET LOCAL ROLE {SYSTEM_ROLE}"
        if groups[0][0].verb is not SINGLE:
            # What a lost process had begun is over, one way or the other, before anybody looks what became of it.
            verbs = (g[0].verb for g in groups)
            for lost_one in sorted({v.whose for v in verbs if isinstance(v, SecondLook) and v.whose}):
                text += f"; SELECT pg_advisory_xact_lock({_PROCESS_LOCKS}, {lost_one})"
            text += f"; SELECT pg_advisory_xact_lock_shared({_PROCESS_LOCKS}, {self._process})"
            text += f", pg_advisory_xact_lock_shared({EPOCHS_LOCK})"
        return text + _SAVEPOINT if apart else text

    # -- the connection --------------------------------------------------------------------------

    async def _ready(self) -> tuple[Any, Sql]:
        if self._db is None or self._db.is_closed() or self._tx is None:
            self._lose()
            self._db = await self._connector.connect()
            self._tx = self._make_tx(self._db)
            self._tx.shard = self._shard
            self._name = self._entropy.bytes(16)
            self._sequence = 0
        return self._db, self._tx

    def _lose(self) -> None:
        drop(self._db)
        self._db, self._tx = None, None
        self._committing = False

    async def _roll_back(self) -> None:
        self._committing = False
        if self._tx is not None:
            self._tx.unbound()
        try:
            async with asyncio.timeout(5.0):
                await self._db.execute("ROLLBACK")
        except Exception:
            self._lose()

    async def _took_place(self, name: bytes, number: int, until: float) -> bool:
        """Whether a connection's transaction committed; if not, it never will. Unavailable when nobody can say."""
        loop = asyncio.get_running_loop()
        # Even a caller out of patience deserves one look.
        until = max(until, loop.time() + self._patience)
        while True:
            try:
                async with asyncio.timeout(10.0):
                    return await self._mark(name) >= number
            except Exception as e:
                if not (lost(e) or again(e) or isinstance(e, Unavailable)) or loop.time() >= until:
                    raise unavailable(e) from e
            await asyncio.sleep(max(0.05, self._connector.pause))

    async def _mark(self, name: bytes) -> int:
        """Read a connection's mark, waiting for its transaction should it still be committing, and close it."""
        db = await self._connector.connect()
        try:
            now = int(self._clock.now().timestamp() * 1_000_000)
            await db.execute(begin_sql() + f"SET LOCAL ROLE {SYSTEM_ROLE}; SET LOCAL lock_timeout = '8s'")
            mark = await db.fetchval(
                "INSERT INTO commit_marks(connection, sequence, at) VALUES ($1, 0, $2) "
                "ON CONFLICT (connection) DO UPDATE SET at = excluded.at RETURNING sequence",
                name,
                now,
            )
            await db.execute(
                f"UPDATE commit_marks SET sequence = {_CLOSED} "  # noqa: S608  # hex and a constant
                f"WHERE connection = '\\x{name.hex()}'; COMMIT"
            )
            return int(mark)
        finally:
            with contextlib.suppress(Exception):
                await part(db)


def _since(groups: Sequence[Group]) -> float:
    return max(job.since for group in groups for job in group)


def _refuse(groups: Sequence[Group], error: BaseException) -> None:
    """None of it happened, or nobody can say: each caller gets an error object of its own where it can have one."""
    for group in groups:
        for job in group:
            job.result = None
            job.error = unavailable(error) if isinstance(error, Unavailable) else error


__all__ = ["Committer", "Job", "MakeTx", "begin_sql"]
