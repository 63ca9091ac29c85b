"""Stands for what the sign-in needs from outside: a guard that notes what it is asked, letters that are kept, a seal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.core.identity.model import Arrival, Session, User
from mailward.core.identity.passkeys import site_of
from mailward.core.identity.sign_in import Means
from mailward.policy.suspicion import Level, Suspicion

T = TypeVar("T")
HOME = Arrival("192.0.2.1", "Firefox on Linux", b"d" * 32, "Vienna, AT", "192.0.2.0/24")
SITE = site_of("http://localhost:8080")


class Inline:
    """Hashing in place."""

    async def run(self, work: Callable[[], T]) -> T:
        return work()


class Watcher:
    """A guard that lets through what it is not told to refuse."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refusal: Exception | None = None
        self.level = Level.NONE

    async def before(self, account: str, source: str, kind: str, *, proof: str = "", now: datetime) -> None:
        self.asked.append(("before", kind))
        if self.refusal is not None:
            raise self.refusal

    async def failed(self, account: str, source: str, kind: str, *, now: datetime) -> None:
        self.asked.append(("failed", kind))

    async def passed(self, account: str, source: str, kind: str, *, now: datetime) -> None:
        self.asked.append(("passed", kind))

    async def weigh(self, user: UserId, arrival: Arrival, *, now: datetime) -> Suspicion:
        return Suspicion(self.level, ("a new country",) if self.level else ())


class Told:
    """Notices, kept."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.links: list[str] = []

    async def began(
        self, user: User, session: Session, arrival: Arrival, suspicion: Suspicion, *, now: datetime
    ) -> None:
        self.sessions.append(session)

    async def held(
        self, user: User, arrival: Arrival, suspicion: Suspicion, confirm: Secret[str], *, now: datetime
    ) -> None:
        self.links.append(confirm.reveal())


class Seal:
    """Seals by turning around and naming the owner: enough to see that the owner is asked for."""

    def seal(self, owner: str, secret: bytes) -> bytes:
        return owner.encode() + secret[::-1]

    def unseal(self, owner: str, sealed: bytes) -> bytes:
        assert sealed.startswith(owner.encode())
        return sealed[len(owner) :][::-1]


def means(entropy: Any, guard: Watcher | None = None, told: Told | None = None) -> Means:
    """Everything at once."""
    return Means(Inline(), guard or Watcher(), told or Told(), Seal(), SITE, entropy)
