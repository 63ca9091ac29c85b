"""What the public pages need from the platform."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, Protocol

from mailward.base.secret import Secret
from mailward.core.availability.budget import Budget
from mailward.core.availability.model import Day, Outage, Post
from mailward.core.disclosure.model import Content, Report
from mailward.core.registers.model import Entry, Profile


class Published(NamedTuple):
    """The document of the controls, and the signed file that holds it."""

    document: dict[str, Any]
    file: bytes


class Availability(NamedTuple):
    """What the status page tells. `failing` names the doors that did not answer in the newest minute."""

    now: datetime
    target: float
    month: Budget
    days: list[Day]
    outages: list[Outage]
    posts: list[Post]
    burning: list[str]
    failing: str
    measured: bool


class Text(Protocol):
    """A text in parts, whole, and its SHA-256."""

    @property
    def parts(self) -> list[tuple[str, list[str]]]: ...

    @property
    def text(self) -> str: ...

    @property
    def hash(self) -> bytes: ...


class PublicFacts(Protocol):
    """Everything is read from the store; what is returned holds no workspace's data."""

    @property
    def now(self) -> datetime: ...

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]: ...

    @property
    def key_pem(self) -> str: ...

    async def trust(self) -> Published: ...

    async def availability(self) -> Availability: ...

    async def entries(self) -> list[Entry]: ...

    async def profile(self) -> Profile: ...

    async def agreement(self) -> Text: ...

    async def report(self, content: Content, proof: str) -> tuple[Report, Secret[str]]:
        """Invalid and LimitReached as `core.disclosure.intake.receive` raises them.

        ChallengeRequired unless `proof` is a solution of our proof of work that counts once, and was not used.
        """
        ...

    async def followed(self, token: str) -> tuple[Report, Content]:
        """NotFound for a token that is none."""
        ...
