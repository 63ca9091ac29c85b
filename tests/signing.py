"""Stands for what the sign-in needs from outside: a guard that notes what it is asked, an entrance, a seal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from mailward.base.errors import Forbidden
from mailward.base.ids import UserId
from mailward.core.identity.model import Arrival, User
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

    async def before(
        self, account: str, source: str, kind: str, *, proof: str = "", device: bytes | None = None, now: datetime
    ) -> None:
        self.asked.append(("before", kind))
        if self.refusal is not None:
            raise self.refusal

    async def failed(self, account: str, source: str, kind: str, *, now: datetime) -> None:
        self.asked.append(("failed", kind))

    async def passed(self, account: str, source: str, kind: str, *, device: bytes | None = None, now: datetime) -> None:
        self.asked.append(("passed", kind))

    async def weigh(self, user: UserId, arrival: Arrival, *, now: datetime) -> Suspicion:
        return Suspicion(self.level, ("a new country",) if self.level else ())


class Door:
    """An entrance that holds what is HIGH, and keeps whom it was told of."""

    def __init__(self, guard: Watcher) -> None:
        self.guard = guard
        self.told: list[Arrival] = []

    async def let_in(self, user: User, arrival: Arrival, *, factor: bool = False, proven: bool = False) -> Suspicion:
        if self.guard.level is Level.HIGH and not factor:
            raise Forbidden("sign_in_held", "Open the letter.")
        return Suspicion(self.guard.level)

    async def began(self, user: User, arrival: Arrival, suspicion: Suspicion) -> None:
        self.told.append(arrival)


class Seal:
    """Seals by turning around and naming the owner: enough to see that the owner is asked for."""

    def seal(self, owner: str, secret: bytes) -> bytes:
        return owner.encode() + secret[::-1]

    def unseal(self, owner: str, sealed: bytes) -> bytes:
        assert sealed.startswith(owner.encode())
        return sealed[len(owner) :][::-1]


def means(entropy: Any, door: Door | None = None) -> Means:
    """Everything at once."""
    return Means(Inline(), door or Door(Watcher()), Seal(), SITE, entropy)
