"""Sessions as a process knows them: answered without the store until the auth epoch moves, or for a minute.

A session is asked about at every page, every poll and every event of a live page. What
was read about one stays true until something that takes access away commits, and each of
those moves the epoch (`Doorkeeper`), which empties this. Once a minute a session in use is
read again, so that its last use is written down and the limits of its age are exact to
that minute on every node, whichever of them it was used on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from mailward.core.identity import tokens
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Session

T = TypeVar("T")

_CACHE = 20_000
_AGAIN = timedelta(minutes=1)


class KnownSessions(Generic[T]):
    """What is known of sessions by token and address. Belongs to the event loop, like the doorkeeper it follows."""

    def __init__(self, keeper: Doorkeeper) -> None:
        self._keeper = keeper
        self._known: dict[tuple[bytes, str], tuple[Session, T, datetime]] = {}
        keeper.on_change(self._known.clear)

    async def resolve(
        self, token: str, ip: str, read: Callable[[], Awaitable[tuple[Session, T]]], *, now: datetime
    ) -> T:
        """What `read` says of a session, or said less than a minute ago while the epoch stood still.

        Only a session that is good for everything is kept: one that lacks a factor is asked
        about each time. Raises what `read` raises, which is not kept.
        """
        digest = tokens.hash_token(token, tokens.SESSION)
        place = (digest or b"", ip)
        if (known := self._known.get(place)) is not None:
            session, found, when = known
            if timedelta() <= now - when < _AGAIN and session.alive(now):
                return found
            self._known.pop(place, None)
        before = self._keeper.epoch
        session, found = await read()
        # A revocation may have been adopted while we read what was true before it: that must not be kept.
        if digest is not None and before == self._keeper.epoch and not session.missing:
            if len(self._known) >= _CACHE:
                self._known.clear()
            self._known[place] = (session, found, now)
        return found

    def forget(self, token: str) -> None:
        """Nothing is known of this session any more."""
        digest = tokens.hash_token(token, tokens.SESSION)
        for place in [p for p in self._known if p[0] == digest]:
            del self._known[place]
