"""A workspace's store as an operator with a grant sees it: each read checked and logged in its own transaction.

The areas of the platform (messages, received mail, domains, ...) work on it unchanged. What
is a read there is here a transaction that looks at the grant, reads, and writes the customer's
log; it is handed out after the commit. Nothing can be changed through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from mailward.adapters.storage.records import BodyRef
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Forbidden
from mailward.core.operators.model import Reach, Reader
from mailward.core.operators.read import reading
from mailward.core.workspaces.ports import ReadGuard
from mailward.policy.access import Actor

T = TypeVar("T")


def unwrapping(store: Store, now: Callable[[], datetime]) -> ReadGuard:
    """The guard of the vault: a data key is unwrapped for an operator once the read is committed to the log."""

    async def guard(workspace: bytes, reader: Actor) -> None:
        async def nothing(tx: Tx) -> None:
            return None

        scope = ids.encode("ws", workspace)
        await store.write(
            scope, lambda tx: reading(tx, reader, Reach.CONTENT, "content opened", scope, nothing, now=now())
        )

    return guard


class _OnlyReading:
    """Of a repository, one method."""

    __slots__ = ("received",)

    def __init__(self, tx: Tx) -> None:
        self.received = tx.inbound.received


class _OnlyTheLog:
    """What is left of a transaction for a verb that notes its own read: the log, and a received message's place."""

    __slots__ = ("audit", "inbound")

    def __init__(self, tx: Tx) -> None:
        self.audit = tx.audit
        self.inbound = _OnlyReading(tx)


class GrantedStore:
    """Satisfies `Store` as far as reading in one workspace needs it; whatever else is asked of it is refused.

    `what` and `target` name the read in the customer's log ("messages.list", a message's id).
    """

    def __init__(
        self, store: Store, reader: Reader, reach: Reach, what: str, target: str, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._reader = reader
        self._reach = reach
        self._what = what
        self._target = target
        self._now = now

    def read(self, workspace: str, verb: Callable[[Tx], Awaitable[T]]) -> asyncio.Future[T]:
        """A read, in a transaction that also writes the log."""
        return self._store.write(self._own(workspace), lambda tx: self._logged(tx, lambda: verb(tx)))

    def write(self, workspace: str, verb: Callable[[Any], Awaitable[T]]) -> asyncio.Future[T]:
        """For verbs that note their read by themselves: they get the log and nothing else."""
        return self._store.write(self._own(workspace), lambda tx: self._logged(tx, lambda: verb(_OnlyTheLog(tx))))

    def read_body(self, ref: BodyRef) -> asyncio.Future[bytes]:
        """A sealed record: the vault is asked for its key, and asks for the grant."""
        return self._store.read_body(ref)

    def __getattr__(self, name: str) -> Any:
        raise Forbidden("no_grant", "A grant reads in one workspace and changes nothing.", detail=name)

    async def _logged(self, tx: Tx, run: Callable[[], Awaitable[T]]) -> T:
        async def verb(_: Tx) -> T:
            return await run()

        return await reading(tx, self._reader, self._reach, self._what, self._target, verb, now=self._now())

    def _own(self, workspace: str) -> str:
        if workspace != self._reader.workspace:
            raise Forbidden("no_grant", "There is no live grant for this. Ask for one.", detail="another workspace")
        return workspace
