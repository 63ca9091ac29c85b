"""The store of one process on PostgreSQL: doors for verbs and bodies, and the tasks behind them.

Jobs gather while a commit is under way, over several committing connections; the items
of one list verb and workspace run as one call in one transaction, a verb of its own in a
transaction of its own. Bodies are durable before the item they belong to is taken up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from mailward.adapters.storage.committing.frames import SharedVerb
from mailward.adapters.storage.committing.link import CommitterLink
from mailward.adapters.storage.postgres.access import Access
from mailward.adapters.storage.postgres.bodies import BodyStore, Uploads
from mailward.adapters.storage.postgres.connect import Connector, drop, part
from mailward.adapters.storage.postgres.failures import lost, unavailable
from mailward.adapters.storage.postgres.migrate import require_schema
from mailward.adapters.storage.postgres.moves import require_settled
from mailward.adapters.storage.postgres.nodes import PgNodes
from mailward.adapters.storage.postgres.notices import Notices
from mailward.adapters.storage.postgres.reading import Readers
from mailward.adapters.storage.postgres.server import facts_of, require_server
from mailward.adapters.storage.postgres.sql import SYSTEM_ROLE, Sql
from mailward.adapters.storage.postgres.transaction import Committer, MakeTx, begin_sql
from mailward.adapters.storage.postgres.waiting import SINGLE, Group, Job, Waiting
from mailward.adapters.storage.records import Body, BodyRef
from mailward.base import ids
from mailward.base.errors import MailwardError, Unavailable
from mailward.base.sources import Clock, Entropy
from mailward.core.workspaces.model import DataKey

T = TypeVar("T")
Chore = tuple[str, float, Callable[[], Awaitable[int]]]

TOPICS = frozenset(("epochs", "work"))
_MARKS_KEPT_US = 7 * 86_400_000_000
_DAYS_AHEAD = 7


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the server a process uses, and how long a caller waits for it to come back, in seconds."""

    committers: int = 4
    readers: int = 4
    uploads: int = 4
    patience: float = 5.0


class PostgresStore:
    """The store. `open()` on the running loop, `close()` when done."""

    def __init__(
        self,
        access: Access,
        make_tx: MakeTx,
        open_bodies: Callable[[int], BodyStore],
        *,
        clock: Clock,
        entropy: Entropy,
        node: int = 0,
        limits: Limits | None = None,
        chores_of_bodies: Callable[[PostgresStore], Sequence[Chore]] = lambda store: (),
    ) -> None:
        """`open_bodies(n)` gives the place of bodies for writer number `n`, which no other process has.

        `node` numbers the machine; worker numbers count within it.
        """
        self._access = access
        self._make_tx = _on_node(make_tx, node)
        self._nodes = PgNodes(self, node)
        self._open_bodies = open_bodies
        self._clock = clock
        self._entropy = entropy
        self._limits = limits = limits or Limits()
        self._chores_of_bodies = chores_of_bodies
        self._connector = Connector(access, entropy)
        self._waiting = Waiting()
        self._notices = Notices(self._connector, TOPICS)
        self._readers = Readers(self._connector, self._make_tx, connections=limits.readers)
        self._committers: list[Committer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._reads: set[asyncio.Task[Any]] = set()
        self._bodies: BodyStore | None = None
        self._uploads: Uploads | None = None
        self._link: CommitterLink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._durable = True
        self.number = 0
        """No other process that opened this database has it."""
        self._closed = False

    # -- life ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Check the server and the schema, then start. Unavailable, with the reason in words, when either is unfit."""
        self._loop = asyncio.get_running_loop()
        db = await self._connector.connect()
        try:
            facts = await (facts_of if self._access.unjudged else require_server)(db)
            self._durable = facts.commits_durably
            await db.execute(begin_sql() + f"SET LOCAL ROLE {SYSTEM_ROLE}")
            await require_schema(db)
            await require_settled(db)
            self.number = writer = int(await db.fetchval("SELECT nextval('body_writers')"))
            await db.execute("COMMIT")
        except BaseException as e:
            drop(db)
            if lost(e):
                raise unavailable(e) from e
            raise
        await part(db)
        self._bodies = self._open_bodies(writer)
        self._uploads = Uploads(self._bodies, self._waiting.put, parallel=self._limits.uploads)
        for n in range(self._limits.committers):
            committer = Committer(
                self._connector,
                self._make_tx,
                process=writer,
                shard=writer * 64 + n,
                clock=self._clock,
                entropy=self._entropy,
                announce=self._notices.announce,
                patience=self._limits.patience,
                durable=lambda: self._durable,
            )
            self._committers.append(committer)
            # The first leaves the verbs that run alone to the others: however many there are, mail goes on.
            alone = n > 0 or self._limits.committers == 1
            self._tasks.append(self._loop.create_task(self._keep_committing(committer, alone=alone)))
        if not self._access.pooler:
            self._notices.start()

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

    async def close(self) -> None:
        """Finish what is queued, then stop."""
        if self._closed:
            return
        if self._link is not None:
            await self._link.close()
        self._closed = True
        if self._uploads is not None:
            await self._uploads.close()
        self._waiting.end()
        await asyncio.gather(*self._tasks, *self._reads, return_exceptions=True)
        await self._notices.close()
        await self._readers.close()
        await asyncio.gather(*(c.close() for c in self._committers))

    # -- doors --------------------------------------------------------------------------------

    def write(self, workspace: str, verb: Callable[[Any], Awaitable[T]]) -> asyncio.Future[T]:
        """Run a verb in a transaction of one workspace; resolves after the commit."""
        return self._submit(SINGLE, ids.decode("ws", workspace), verb, None)

    def system_write(self, verb: Callable[[Any], Awaitable[T]]) -> asyncio.Future[T]:
        """Run a verb outside of any workspace. For `core/workspaces/system` and its importers only."""
        return self._submit(SINGLE, None, verb, None)

    def write_item(
        self,
        verb: Callable[[Any, list[Any]], Awaitable[Sequence[Any]]],
        workspace: bytes | None,
        item: Any,
        body: tuple[bytes, DataKey, bytes] | None = None,
    ) -> asyncio.Future[Any]:
        """Queue one item for a list verb; items that wait together run as one call. As the port says."""
        sealed_by = None if body is None else (workspace or b"", *body)
        if self._link is not None:
            future = self._require_open().create_future()
            if self._link.offer(verb, workspace, item, sealed_by, future):
                return future
        return self._submit(verb, workspace, item, sealed_by)

    @property
    def in_step(self) -> bool:
        """Whether what waits here to be committed waits for the whole of a crowd."""
        return self._waiting.in_step

    def write_sealed(
        self,
        verb: Callable[[Any, list[Any]], Awaitable[Sequence[Any]]],
        workspace: bytes | None,
        item: Any,
        record: bytes | None,
    ) -> asyncio.Future[Any]:
        """The same for an item whose body another process sealed. Cancelled before it is begun, it does not happen."""
        return self._submit(verb, workspace, item, record)

    def read(self, workspace: str, verb: Callable[[Any], Awaitable[T]]) -> asyncio.Future[T]:
        """Run a verb that only reads, on a snapshot."""
        return self._start(self._readers.read(ids.decode("ws", workspace), verb))

    def system_read(self, verb: Callable[[Any], Awaitable[T]]) -> asyncio.Future[T]:
        """Like `read`, outside of any workspace."""
        return self._start(self._readers.read(None, verb))

    def read_body(self, ref: BodyRef) -> asyncio.Future[bytes]:
        """The sealed record that a row names; NotFound when it is no longer kept."""
        self._require_open()
        assert self._bodies is not None
        return self._start(self._bodies.read(ref))

    def overwrite_body(self, workspace: bytes, message: bytes, ref: BodyRef) -> Awaitable[None]:
        """Make the sealed record of an erased message unreadable where it lies."""
        self._require_open()
        assert self._bodies is not None
        return self._start(self._bodies.overwrite(workspace, message, ref))

    def watch(self, notice: Callable[[str], None]) -> None:
        """Have `notice` called when another process announced something, or a commit of this one moved an epoch."""
        self._notices.watch(notice)

    def tells(self, others: Callable[[str], None]) -> None:
        """The server tells them."""

    def nodes(self) -> PgNodes:
        """What this process and those of other nodes tell each other."""
        return self._nodes

    def chores(self) -> list[Chore]:
        """The partitions of the coming days, marks of connections long gone, and what bodies need."""
        return [
            ("days", 3600.0, self._make_days),
            ("marks", 3600.0, self._forget_marks),
            ("buckets", 600.0, self._nodes.forget_buckets),
            *self._chores_of_bodies(self),
        ]

    # -- behind them --------------------------------------------------------------------------

    def _require_open(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._closed:
            raise Unavailable("stopping", "The server is stopping; please try again.", detail="store closed")
        return self._loop

    def _submit(self, verb: Any, workspace: bytes | None, item: Any, body: Body | bytes | None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._require_open().create_future()
        self._alone(verb, workspace, item, body, future)
        return future

    def _alone(
        self, verb: Any, workspace: bytes | None, item: Any, body: Body | bytes | None, future: asyncio.Future[Any]
    ) -> None:
        job = Job(verb, workspace, item, body, future, future.get_loop().time())
        if body is None:
            self._waiting.put(job)
        else:
            assert self._uploads is not None
            self._uploads.put(job)

    def _start(self, reading: Any) -> asyncio.Future[Any]:
        try:
            loop = self._require_open()
        except Unavailable:
            reading.close()
            raise
        task: asyncio.Task[Any] = loop.create_task(reading)
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        return cast("asyncio.Future[Any]", task)

    async def _keep_committing(self, committer: Committer, *, alone: bool) -> None:
        """Transactions one after another; verbs that run alone and items take turns."""
        turn = False
        while True:
            turn = not turn
            groups = await self._waiting.take(singles=alone, singles_first=turn)
            if not groups:
                return
            jobs = [job for group in groups for job in group]
            try:
                await committer.commit(groups, partial(self._late, jobs))
            except BaseException:
                for job in jobs:
                    job.error = Unavailable("stopping", "The server is stopping; please try again.", detail="cut off")
                raise
            finally:
                self._waiting.done(groups)
                for job in jobs:
                    job.answer()

    def _late(self, jobs: list[Job], group: Group) -> Group:
        came = self._waiting.late(group)
        jobs += came
        return came

    async def _make_days(self) -> int:
        today = int(self._clock.now().timestamp()) // 86_400

        async def verb(tx: Any) -> int:
            await tx.partitions.make_ahead(today, _DAYS_AHEAD)
            return _DAYS_AHEAD

        return await self.system_write(verb)

    async def _forget_marks(self) -> int:
        before = int(self._clock.now().timestamp() * 1_000_000) - _MARKS_KEPT_US

        async def verb(tx: Any) -> int:
            return int(await tx.run("DELETE FROM commit_marks WHERE at < $1", before))

        return await self.system_write(verb)


def _on_node(make_tx: MakeTx, node: int) -> MakeTx:
    def made(connection: Any) -> Sql:
        tx = make_tx(connection)
        tx.node = node
        return tx

    return made
