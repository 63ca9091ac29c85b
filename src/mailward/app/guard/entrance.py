"""What a sign-in asks of the guard, in the order in which it happens; the letters that follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from mailward.app.guard import letters as texts
from mailward.app.guard.guard import SharedGuard
from mailward.app.guard.places import Places
from mailward.app.letters import Letters
from mailward.app.store import Store, Tx
from mailward.base.errors import Forbidden
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.guard import sign_ins, tries
from mailward.core.guard.model import Digests, Link, LinkKind
from mailward.core.identity import tickets
from mailward.core.identity.model import Arrival, TicketKind, User
from mailward.edges.web.dashboard.ports import Puzzle
from mailward.policy.access import Actor
from mailward.policy.suspicion import Level, Suspicion

log = structlog.get_logger()

HOLD_AT = {"low": Level.LOW, "medium": Level.MEDIUM, "high": Level.HIGH, "never": None}


class Entrance:
    """One a process. Letters leave after the transaction: a sign-in never waits for mail, nor fails for it."""

    def __init__(
        self,
        store: Store,
        guard: SharedGuard,
        digests: Digests,
        places: Places,
        letters: Letters,
        clock: Clock,
        entropy: Entropy,
        *,
        public_url: str,
        hold_at: Level | None = Level.HIGH,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called when access was taken away: every cache looks at once."""
        self._store = store
        self.guard = guard
        self._digests = digests
        self._places = places
        self._letters = letters
        self._clock = clock
        self._entropy = entropy
        self._url = public_url
        self._hold_at = hold_at
        self._changed = changed

    def arrival(self, address: str, device: str, device_hash: bytes | None = None) -> Arrival:
        """Where a request comes from, with what the operator's databases say of it."""
        place = self._places.of(address)
        return Arrival(address, _printable(device), device_hash, place.name, place.network)

    async def let_in(self, user: User, arrival: Arrival, *, factor: bool = False, proven: bool = False) -> Suspicion:
        """The person proved who they are: may a session begin? How strange it looks.

        Forbidden when it is held; the owner then has a letter with a link. With a second
        factor shown nothing is held. ChallengeRequired for what looks odd without a challenge solved (`proven`).
        """
        now = self._clock.now()
        suspicion = await self.guard.weigh(user.id, arrival, now=now)
        if factor or self._hold_at is None or suspicion.level < Level.MEDIUM:
            return suspicion
        # Who cannot be asked by mail cannot be held: that would lock the door for good.
        if suspicion.level >= self._hold_at and await self._letters.able():
            await self._hold(user, arrival, suspicion, now)
            raise Forbidden(
                "sign_in_held",
                "This sign-in looks unusual, so it waits for you: open the link in the letter we sent you, then sign "
                "in again in this browser.",
            )
        if not proven:
            raise tries.asked()
        return suspicion

    async def began(self, user: User, arrival: Arrival, suspicion: Suspicion) -> None:
        """A session began: remembered, and told to the owner."""
        now = self._clock.now()
        position = self._places.of(arrival.address).position
        link = await self._store.system_write(
            lambda tx: sign_ins.record(
                tx, self._digests, user, arrival, suspicion, position=position, now=now, entropy=self._entropy
            )
        )
        subject, text = texts.signed_in(arrival, suspicion, self._link("not-me", link), now)
        await self._letters.send(user.email, subject, text, "sign-in-notice")

    async def _hold(self, user: User, arrival: Arrival, suspicion: Suspicion, now: datetime) -> None:
        position = self._places.of(arrival.address).position
        confirm, disown = await self._store.system_write(
            lambda tx: sign_ins.hold(tx, user, arrival, suspicion, position=position, now=now, entropy=self._entropy)
        )
        log.warning("sign_in_held", user=user.id)
        subject, text = texts.held(
            arrival, suspicion, self._link("confirm", confirm), self._link("not-me", disown), now
        )
        await self._letters.send(user.email, subject, text, "sign-in-held")

    def puzzle(self) -> Puzzle:
        """The challenge as a page shows it."""
        c, now = self.guard.challenges, self._clock.now()
        token, question = ("", "") if c.settings.question == "never" else c.question(now=now)
        instead = c.settings.question == "instead"
        if (o := c.outside) is None:
            return Puzzle("altcha", question, token, instead)
        return Puzzle(
            c.settings.kind, question, token, instead, o.script, o.css_class, c.settings.site_key, o.field, o.sources
        )

    def offer(self) -> dict[str, Any]:
        """A proof of work."""
        return self.guard.challenges.offer(now=self._clock.now())

    async def look_at(self, token: str, kind: str) -> None:
        """Nothing while a mailed link works, else NotFound."""
        now = self._clock.now()
        await self._store.system_read(lambda tx: sign_ins.look(tx, token, LinkKind(kind), now=now))

    async def confirm(self, token: str) -> None:
        """Let a held sign-in through: the next one from there is not asked."""
        await self._store.system_write(lambda tx: sign_ins.confirm(tx, self._digests, token, now=self._clock.now()))

    async def disown(self, token: str, address: str = "") -> None:
        """End everything that sign-in could leave behind, and write to the owner how to take the account back.

        What it made in each workspace goes first, so that the link still works should one of these steps fail.
        """
        now = self._clock.now()

        async def look(tx: Tx) -> tuple[Link, list[WorkspaceId]]:
            link = await sign_ins.look(tx, token, LinkKind.DISOWN, now=now)
            return link, [workspace for workspace, _ in await tx.people.memberships(link.user)]

        link, workspaces = await self._store.system_read(look)
        for workspace in workspaces:
            actor = Actor(workspace, "session", link.user, address=address)
            await self._store.write(workspace, partial(sign_ins.made_since, actor=actor, link=link, now=now))

        async def act(tx: Tx) -> tuple[User, Secret[str]]:
            user = await sign_ins.disown(tx, self._digests, token, address=address, now=now)
            return user, await tickets.issue(tx, TicketKind.RESET, user.id, {}, now=now, entropy=self._entropy)

        user, reset = await self._store.system_write(act)
        self._changed()
        log.warning("sign_in_disowned", user=user.id)
        subject, text = texts.recovery(f"{self._url}/reset/{reset.reveal()}")
        await self._letters.send(user.email, subject, text, "recovery")

    def _link(self, what: str, token: Secret[str]) -> str:
        return f"{self._url}/sign-in/{what}/{token.reveal()}"


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:200]
