"""What the dashboard needs beside the API's ports: people's sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from mailward.base.secret import Secret
from mailward.core.operators.model import Wish
from mailward.edges.web.ports import Platform
from mailward.edges.web.schema.access import AccessReview, OperatorAccess
from mailward.edges.web.schema.messages import Content, Explanation, MessagePage, MessageQuery
from mailward.policy.access import Actor


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace somebody may go to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person. `token` is what the cookie carries; forms prove that they know it."""

    token: Secret[str]
    actor: Actor
    email: str = field(repr=False)
    workspace_name: str = ""
    places: tuple[Place, ...] = ()


class Sessions(Protocol):
    """People signing in. Raises errors of `base/errors`; which part was wrong is never said."""

    async def setup_open(self, token: str) -> None:
        """Nothing, when the single-use setup link can still be used; else NotFound."""
        ...

    async def setup(
        self, token: str, *, email: str, password: str, workspace_name: str, ip: str, user_agent: str
    ) -> Secret[str]:
        """Use the link up: the first person and workspace. The session token of the new person.

        Raises Invalid with `field` set for a weak password or a bad address, NotFound for a used link.
        """
        ...

    async def sign_in(self, email: str, password: str, *, ip: str, user_agent: str) -> Secret[str]:
        """A new session's token. Raises Unauthenticated or LimitReached."""
        ...

    async def resolve(self, token: str, *, ip: str) -> Session:
        """The session a cookie stands for. Raises Unauthenticated."""
        ...

    async def sign_out(self, session: Session) -> None: ...


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation's link offers. `has_account`: the address belongs to somebody who only has to sign in."""

    email: str = field(repr=False)
    workspace: str
    role: str
    has_account: bool


class Joining(Protocol):
    """Invitations as their receivers see them, several workspaces for a person, and a person's own networks."""

    async def look(self, token: str) -> Invited:
        """Raises NotFound when the link does not work."""
        ...

    async def accept_as_new(self, token: str, *, name: str, password: str, ip: str, user_agent: str) -> Secret[str]:
        """The session token of the new person."""
        ...

    async def accept_as(self, token: str, session: Session, *, ip: str) -> Secret[str]:
        """The person's session, moved to the workspace they joined. Forbidden under another address."""
        ...

    async def switch(self, session: Session, workspace: str, *, ip: str) -> Secret[str]:
        """The session, moved; its earlier token is worth nothing."""
        ...

    async def found(self, session: Session, name: str, *, ip: str) -> Secret[str]: ...

    async def leave(self, session: Session) -> None: ...

    async def own_networks(self, session: Session) -> list[str]: ...

    async def change_own_networks(
        self, session: Session, networks: list[str], *, ip: str, confirmed: bool
    ) -> None: ...


class Operators(Protocol):
    """The installation's operators. Every method raises NotFound for who is none, so that the door does not show."""

    async def workspaces(self, user: str) -> Sequence[Any]: ...

    async def register(self, user: str) -> Sequence[Any]: ...

    async def grants(self, user: str) -> list[OperatorAccess]: ...

    async def reviews(self, user: str) -> list[AccessReview]: ...

    async def request(self, user: str, workspace: str, wish: Wish) -> OperatorAccess: ...

    async def approve(self, user: str, grant: str) -> OperatorAccess: ...

    async def refuse(self, user: str, grant: str) -> OperatorAccess: ...

    async def begin(self, user: str, grant: str) -> OperatorAccess: ...

    async def end(self, user: str, grant: str) -> OperatorAccess: ...

    async def note(self, user: str, who: str, what: str, at: datetime) -> None: ...

    async def decide(self, actor: Actor, id: str, item: str, decision: str) -> AccessReview: ...

    async def reader(self, user: str | None, grant: str) -> Actor: ...

    async def list_messages(self, reader: Any, query: MessageQuery) -> MessagePage: ...

    async def explain(self, reader: Any, message: str) -> Explanation: ...

    async def content(self, reader: Any, message: str) -> Content: ...

    async def configuration(self, reader: Any) -> dict[str, Any]: ...


class Span(Enum):
    """How far back the plots look."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened in an hour or a day from `at` on. The two times are upper bounds for 50 and 95 % of deliveries."""

    at: datetime
    accepted: int
    delivered: int
    deferred: int
    bounced: int
    complained: int
    received: int
    median_ms: int | None
    slow_ms: int | None

    @property
    def ended(self) -> int:
        """Copies that came to an end, one way or the other."""
        return self.delivered + self.bounced

    @property
    def delivered_share(self) -> float | None:
        """Percent of what ended; None when nothing did."""
        return round(100 * self.delivered / self.ended, 2) if self.ended else None

    @property
    def bounced_share(self) -> float | None:
        """Percent of what ended."""
        return round(100 * self.bounced / self.ended, 2) if self.ended else None

    @property
    def complained_share(self) -> float | None:
        """Percent of what was delivered."""
        return round(100 * self.complained / self.delivered, 3) if self.delivered else None


@dataclass(frozen=True, slots=True)
class Spread:
    """Buckets, oldest first, without a gap; and all of them as one."""

    buckets: list[Bucket]
    whole: Bucket
    hourly: bool


@dataclass(frozen=True, slots=True)
class Requested:
    """One answered request to the API."""

    id: str
    at: datetime
    method: str
    operation: str
    status: int
    ms: float
    actor: str


@dataclass(frozen=True, slots=True)
class RequestsAsked:
    """Filters of the request log; all have to fit."""

    limit: int = 50
    cursor: str = ""
    failed: bool = False
    operation: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """Newest first. `left_out` counts the last day's requests that were answered and not listed."""

    data: list[Requested]
    next: str | None
    left_out: int


class Figures(Protocol):
    """What happened, in numbers."""

    async def spread(self, actor: Actor, span: Span) -> Spread: ...

    async def requests(self, actor: Actor, asked: RequestsAsked) -> RequestsPage: ...


@dataclass(frozen=True, slots=True)
class Puzzle:
    """What a page shows of a challenge. `kind` "altcha" is solved by our script; another is an outside service's:
    its script, its element's class, its key, the field it fills in, and what the page has to allow."""

    kind: str
    question: str = ""
    question_token: str = ""
    question_instead: bool = False
    script: str = ""
    css_class: str = ""
    site_key: str = ""
    field: str = ""
    sources: tuple[str, ...] = ()


class Entrance(Protocol):
    """Challenges, and the links in letters about sign-ins."""

    def puzzle(self) -> Puzzle: ...

    def offer(self) -> dict[str, Any]:
        """A proof of work, for our script."""
        ...

    async def look_at(self, token: str, kind: str) -> None:
        """Nothing while the link works, else NotFound. `kind` is "confirm" or "disown"."""
        ...

    async def confirm(self, token: str) -> None: ...

    async def disown(self, token: str) -> None: ...


class DashboardPlatform(Platform, Protocol):
    """Everything the dashboard reaches."""

    @property
    def operators(self) -> Operators: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def entrance(self) -> Entrance: ...

    @property
    def figures(self) -> Figures: ...

    @property
    def joining(self) -> Joining: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts of the installation that pages show. `secure` is True when people reach it over TLS."""

    public_url: str = "http://127.0.0.1:8080"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1587
    capture: bool = True
    demo_from: str = "hello@demo.mailward.test"
    secure: bool = False
