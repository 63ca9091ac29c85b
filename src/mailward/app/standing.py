"""Which credentials may no longer send, or not now: known to each process before it adopts an epoch.

An actor may have proved itself long before its message is judged (a slow upload, an SMTP
session of an hour). So whatever ends or pauses a credential is looked up by its id when
the message is judged, and the epochs inside the commit say whether that knowledge was
new enough.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mailward.app.store import Store
from mailward.base.errors import LimitReached, Unauthenticated

# No session and no request lives longer; what was revoked before cannot be held by any of them.
_LONGEST_HELD = timedelta(days=1)
_RETRY_SECONDS = 3600.0


class Standings:
    """The exceptions among all credentials; the rest are in good standing."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._ended: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()
        self._expires: dict[str, int] = {}

    async def load(self) -> None:
        """Read them again; to be done before an epoch newer than the last is adopted."""
        since = self._now() - _LONGEST_HELD
        found = await self._store.system_read(lambda tx: tx.credentials.exceptions(since))
        self._ended = frozenset(s.id for s in found if s.revoked)
        self._paused = frozenset(s.id for s in found if s.paused)
        self._expires = {s.id: s.expires for s in found if s.expires and not s.revoked}

    def plain(self, id: str) -> bool:
        """In good standing whatever the time: asked at every command of a session, so it reads no clock."""
        return not (id in self._ended or id in self._paused or id in self._expires)

    def ended(self, id: str, now_us: int) -> bool:
        """Revoked, or past its expiry."""
        return id in self._ended or (id in self._expires and self._expires[id] <= now_us)

    def require(self, id: str, now_us: int) -> None:
        """Unauthenticated when the credential has ended, LimitReached 'credential_paused' when it is paused."""
        if id in self._paused:
            raise LimitReached(
                "credential_paused",
                "This credential is paused after an unusual burst. Its owner can release it on the dashboard.",
                retry_after=_RETRY_SECONDS,
            )
        if self.ended(id, now_us):
            raise Unauthenticated("unauthenticated", "This credential is not valid any more.", detail="ended")
