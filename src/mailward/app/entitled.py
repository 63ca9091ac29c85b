"""Acts on a right that ended while they were under way: looked at once more where they become true.

Who asks is known from the head of a request; its body may take a minute to arrive, and whoever holds a stolen key
can make it take that long. Without this, a request begun before the key was revoked would be done after it: it could
make another key. So the first transaction of a request compares the epoch of credentials with the one its asker was
let in under. If credentials changed since, anybody's, the asker is looked up anew before the verb runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from mailward.app.store import Store, Tx
from mailward.base.errors import Forbidden, MailwardError, Unavailable
from mailward.policy.access import Actor

T = TypeVar("T")

_TRIES = 20
_AUTH = 0
"""Which of a transaction's epochs is that of credentials, sessions and places."""


class _Moved(MailwardError):
    """The epoch is not the one that was asked under; the verb has not run."""


class Asker:
    """Who is behind a request, and how to find out again. One a request."""

    __slots__ = ("_actor", "_again", "acted", "epoch")

    def __init__(self, actor: Actor, epoch: int, again: Callable[[], Awaitable[tuple[Actor, int]]]) -> None:
        """`epoch` of credentials was current before `actor` was looked up; `again` looks up actor and epoch anew."""
        self._actor = actor
        self._again = again
        self.epoch = epoch
        self.acted = False

    async def look_again(self) -> None:
        """Raises Unauthenticated when the right is gone, Forbidden when it is another one than it was."""
        actor, epoch = await self._again()
        if actor != self._actor:
            raise Forbidden("forbidden", "What you may do was changed meanwhile. Try again.")
        self.epoch = epoch


ASKER: ContextVar[Asker | None] = ContextVar("mailward_asker", default=None)
"""Set by whoever lets a request in. Each request has a context of its own."""


class EntitledStore:
    """A store whose writing doors look at the asker of the request they are called in; the rest is the store's own.

    Only the first act of a request is held against its asker: a later one follows within the same breath, and the
    first may have ended the very session it came with.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, workspace: str, verb: Callable[[Tx], Awaitable[T]]) -> asyncio.Future[T]:
        """See Store; Unauthenticated or Forbidden when the asker's right ended or changed before the verb began."""
        asker = ASKER.get()
        if asker is None or asker.acted:
            return self._store.write(workspace, verb)
        return asyncio.ensure_future(_held(asker, verb, lambda checked: self._store.write(workspace, checked)))

    def system_write(self, verb: Callable[[Tx], Awaitable[T]]) -> asyncio.Future[T]:
        """The same, outside of any workspace."""
        asker = ASKER.get()
        if asker is None or asker.acted:
            return self._store.system_write(verb)
        return asyncio.ensure_future(_held(asker, verb, self._store.system_write))


async def _held(
    asker: Asker,
    verb: Callable[[Tx], Awaitable[T]],
    door: Callable[[Callable[[Tx], Awaitable[T]]], Awaitable[T]],
) -> T:
    async def checked(tx: Tx) -> T:
        if tx.epochs[_AUTH] != asker.epoch:
            raise _Moved("stale", "Please try again.")
        return await verb(tx)

    for _ in range(_TRIES):
        try:
            done = await door(checked)
        except _Moved:
            await asker.look_again()
            continue
        asker.acted = True
        return done
    raise Unavailable("busy", "Credentials change too often at this moment. Try again.")


def entitled(store: Store) -> Store:
    """The store as the areas of the API and the dashboard get it."""
    wrapped: Any = EntitledStore(store)
    return wrapped  # type: ignore[no-any-return]  # what it does not define is the store's own
