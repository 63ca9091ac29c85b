"""Who a presented credential stands for, as each edge asks: the API, SMTP, and the private listener."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime

from mailward.app.entitled import ASKER, Asker
from mailward.app.guard.parts import GuardParts
from mailward.app.store import Store, Tx
from mailward.base.errors import MailwardError, Unauthenticated
from mailward.base.secret import Secret
from mailward.base.sources import Clock
from mailward.core.identity.lookup import Doorkeeper
from mailward.policy.access import Actor


class Doors:
    """Implements `app.gate.Credentials` and `edges.web.ports.Authenticator` on the doorkeeper."""

    def __init__(
        self,
        store: Store,
        keeper: Doorkeeper,
        clock: Clock,
        counted: Callable[[str, str], None],
        parts: GuardParts | None = None,
    ) -> None:
        """`parts` is the guard before both doors; without it nothing is counted."""
        self._store = store
        self._keeper = keeper
        self._clock = clock
        self._counted = counted
        self._parts = parts

    async def authenticate(self, token: str, ip: str) -> Actor:
        """The actor of an API key, who is held to it again when the request changes something."""
        now, epoch = self._clock.now(), self._keeper.epoch
        try:
            if (parts := self._parts) is not None and parts.guard.waiting(ip) and not self._keeper.knows(token):
                parts.guard.before_token(ip)
            actor = await self._keeper.authenticate_key(token, ip, now=now)
        except MailwardError as e:
            self._counted("api", "failed")
            await self._wrong(e, token, ip, "key", now)
            raise
        if self._parts is not None:
            self._parts.used(actor, ip, now)

        async def again() -> tuple[Actor, int]:
            await self._keeper.refresh()
            current = self._keeper.epoch
            return await self._keeper.authenticate_key(token, ip, now=self._clock.now()), current

        ASKER.set(Asker(actor, epoch, again))
        return actor

    async def smtp(self, username: str, password: Secret[str], ip: str) -> Actor:
        """The actor of an SMTP credential."""
        now, shown = self._clock.now(), password.reveal()
        try:
            if (parts := self._parts) is not None and parts.guard.waiting(ip) and not self._keeper.knows(shown):
                parts.guard.before_token(ip)
            actor = await self._keeper.authenticate_smtp(username, shown, ip, now=now)
        except MailwardError as e:
            await self._wrong(e, f"{username} {shown}", ip, "smtp", now)
            raise
        if self._parts is not None:
            self._parts.used(actor, ip, now)
        return actor

    async def _wrong(self, error: MailwardError, shown: str, ip: str, kind: str, now: datetime) -> None:
        if self._parts is not None and isinstance(error, Unauthenticated):
            await self._parts.guard.failed(shown, ip, kind, now=now)

    def network(self, ip: str) -> Actor | None:
        """The actor whose credential is this source network, from memory (see `load_networks`).

        Unavailable while nothing was read yet: that is no reason to turn anybody away for good.
        """
        try:
            return self._keeper.known_network(ip, now=self._clock.now())
        except Unauthenticated:
            return None

    async def load_networks(self) -> None:
        """Have the source networks at hand; again after every change of credentials."""
        with contextlib.suppress(Unauthenticated):
            await self._keeper.authenticate_network("127.0.0.1", now=self._clock.now())

    async def revoked(self, actors: Iterable[str]) -> set[str]:
        """Which of these credential ids no longer count."""
        asked = list(actors)
        now = self._clock.now()

        async def look(tx: Tx) -> set[str]:
            gone = set()
            for id in asked:
                found = await tx.credentials.get(id)
                if found is None or found.revoked is not None or (found.expires and found.expires <= now):
                    gone.add(id)
            return gone

        return await self._store.system_read(look)

    async def revalidate(self, actor: Actor) -> None:
        """Unauthenticated when the credential was revoked meanwhile. Sessions and the shell have no credential."""
        if actor.kind in ("key", "smtp_credential", "network") and await self.revoked([actor.id]):
            raise Unauthenticated("unauthenticated", "This credential is not valid any more.")
