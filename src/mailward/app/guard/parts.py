"""The guard's parts of one process, put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from mailward.adapters.host.breaches import breached_file
from mailward.adapters.net.egress import GuardedHttp
from mailward.app.guard.challenge import Challenges
from mailward.app.guard.entrance import HOLD_AT, Entrance
from mailward.app.guard.guard import SharedGuard
from mailward.app.guard.places import Places, surroundings
from mailward.app.guard.watch import Watch
from mailward.app.installation import Installation
from mailward.app.letters import Letters
from mailward.core.guard import tries
from mailward.core.guard.model import Digests
from mailward.core.identity import breached
from mailward.policy.access import Actor
from mailward.policy.detection import Kind
from mailward.policy.source import source_of

_SECONDS = 10.0
# Operations that hand content out: what a thief of a key would call again and again.
READING = frozenset(
    ("getMessageContent", "getRawMessage", "getReceivedRaw", "exportAudit", "exportAuditTable", "exportSuppressions")
)


class Asked(NamedTuple):
    """Who asked for what; `actor` and `workspace` are empty for who showed no credential."""

    ip: str
    path: str
    actor: str
    workspace: str


@dataclass
class GuardParts:
    """One a process."""

    guard: SharedGuard
    watch: Watch
    challenges: Challenges
    places: Places
    digests: Digests

    @classmethod
    def of(cls, i: Installation, http: GuardedHttp | None = None) -> GuardParts:
        """From the settings in force. ValueError when a file that they name cannot be read."""
        breached.also_in(breached_file(i.settings.passwords.breached_file))
        digests = Digests(i.vault.derive("guard"))
        watch = Watch(i.store, digests, i.entropy)
        places = Places(i.settings.geo)

        async def post(url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
            assert http is not None
            answer = await http.post(url, headers, body, deadline=_SECONDS, max_response=4096)
            return answer.status, answer.body

        challenges = Challenges(
            i.vault.derive("challenge"), i.entropy, i.settings.challenge, post if http is not None else None
        )
        guard = SharedGuard(
            i.store,
            digests,
            challenges,
            watch,
            monotonic=i.clock.monotonic,
            anonymiser=places.hides,
            position=places.position,
            # Three minutes of what the operator lets one address get wrong, before it has to wait at all.
            wrong_tokens=replace(tries.TOKENS, free=3 * i.settings.limits.auth_failures_per_minute_ip),
        )
        return cls(guard, watch, challenges, places, digests)

    def entrance(self, i: Installation, letters: Letters, changed: object = None) -> Entrance:
        """What the dashboard's sign-in asks. `changed` is called when access was taken away."""
        return Entrance(
            i.store,
            self.guard,
            self.digests,
            self.places,
            letters,
            i.clock,
            i.entropy,
            public_url=i.settings.http.public_url,
            hold_at=HOLD_AT[i.settings.sign_in.hold_at],
            changed=changed if callable(changed) else (lambda: None),
        )

    def used(self, actor: Actor, ip: str, now: datetime) -> None:
        """A good credential was used: from how many networks it is, key abuse is told from. No round trip."""
        self.watch.note(Kind.USED, actor.id, surroundings(ip), workspace=actor.workspace, now=now)

    async def tell(self, now: datetime) -> int:
        """Add what this process saw to what all saw."""
        return await self.guard.tell(now) + await self.watch.tell()

    def answered(self, ask: Asked, operation: str, status: int, now: datetime) -> None:
        """An HTTP request was answered: what scanning, key abuse and exfiltration are told from."""
        actor = ask.actor
        if status == 404 and not actor:
            self.watch.note(Kind.MISSED, source_of(ask.ip), ask.path, now=now)
        elif status == 403 and actor:
            self.watch.note(Kind.REFUSED, actor, operation, workspace=ask.workspace, now=now)
        elif status == 200 and actor and operation in READING:
            self.watch.note(Kind.READ, actor, operation, workspace=ask.workspace, now=now)
